"""The rule a company uses today: churn by the rank of days since the last purchase, value by past spend."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.peers.histories import histories
from benchmarks.peers.task import Answer, Task


def predict(task: Task) -> Answer:
    """Rank as probability, past spend scaled from the length of the history to the horizon as value."""
    purchases = task.purchases()
    found = histories(purchases, pd.Timestamp(task.as_of))
    rank = found["days_since_last"].rank(pct=True, method="average").to_numpy(dtype=np.float64)
    days = (pd.Timestamp(task.as_of) - purchases["day"].min()).days
    value = found["spend_minor"] * task.horizon_days / days
    return Answer(found["customer_id"], np.clip(rank, 0.001, 0.999), value.to_numpy(dtype=np.float64))
