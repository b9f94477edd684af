"""A seeded world of customers whose true churn probability and expected value are known.

>>> world = simulate(50, seed=1, days=200)
>>> sorted(world.frames)
['contracts', 'customers', 'feedback', 'payments', 'purchases', 'snapshots', 'visits']
>>> world.truth(world.snapshot_as_of, 30).columns.tolist()
['customer_id', 'churn_probability', 'expected_value_minor', 'value_if_retained_minor']

`docs/synthetic.md` says how its customers live and what *true* means.
"""

from churn_value.tables.synthetic.simulation import simulate
from churn_value.tables.synthetic.snapshots import NOISE_COLUMNS
from churn_value.tables.synthetic.world import World

__all__ = ["NOISE_COLUMNS", "World", "simulate"]
