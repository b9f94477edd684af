"""The rule a company uses today: churn by the rank of days since the last purchase, value by past spend per day."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.peers.histories import histories
from benchmarks.peers.task import Answer, Task

LEAST_AGE_DAYS = 30


def predict(task: Task) -> Answer:
    """Rank as probability, past spend per day of age (at least a month) times the horizon as value."""
    found = histories(task.purchases(), pd.Timestamp(task.as_of))
    rank = found["days_since_last"].rank(pct=True, method="average").to_numpy(dtype=np.float64)
    value = found["spend_minor"] / found["age_days"].clip(lower=LEAST_AGE_DAYS) * task.horizon_days
    return Answer(found["customer_id"], np.clip(rank, 0.001, 0.999), value.to_numpy(dtype=np.float64))
