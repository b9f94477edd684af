"""Features: functions of the past, and only of the past.

`asof` is the engine and the only place that knows about time; `past` is what an author of a feature may see;
`declare` is how a feature is written down; one module per source holds the features; `catalog` puts them in order.
"""
