"""Intervals of a quantile LightGBM on the multi-date rows, at several levels; no other prediction."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np

from benchmarks.peers.task import Answer, Array, Task

LEVELS = (50, 60, 70, 80, 90, 95)
MOST_ROWS = 60_000


def predict(task: Task) -> Answer:
    """Lower and upper bounds at each level; bounds that cross are put in order, none is below 0."""
    rows = task.rows()
    rows = rows.sample(min(len(rows), MOST_ROWS), random_state=task.seed)
    test, features = task.test(), task.features
    times = task.horizon_days / task.label_days

    def quantile(share: float) -> Array:
        model = lgb.LGBMRegressor(
            objective="quantile", alpha=share, n_jobs=task.threads, random_state=task.seed, verbose=-1
        )
        model.fit(rows[features], rows["value_minor"].clip(lower=0))
        said: Array = np.maximum(np.asarray(model.predict(test[features]), dtype=np.float64), 0.0) * times
        return said

    bounds = {}
    for level in LEVELS:
        tail = (1 - level / 100) / 2
        ends = np.sort(np.vstack([quantile(tail), quantile(1 - tail)]), axis=0)
        bounds[level] = (ends[0], ends[1])
    return Answer(test["customer_id"], bounds_minor=bounds)
