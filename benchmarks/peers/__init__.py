"""Systems that the accuracy benchmark compares with, each run in a process of its own.

Nothing here imports churn_value but `own_btyd`: the AutoML systems live in another environment, with older libraries.
"""
