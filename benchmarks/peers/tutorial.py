"""LightGBM as tutorials build it: five RFM columns at one date, defaults, squared error; static sets: all columns."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd

from benchmarks.peers.histories import RFM, histories, outcomes
from benchmarks.peers.task import OUTCOMES, Answer, Array, Task, stretched


def predict(task: Task) -> Answer:
    """Learn at the newest date whose label window is complete, predict at as_of."""
    purchases, as_of = task.purchases(), pd.Timestamp(task.as_of)
    earlier = as_of - pd.Timedelta(days=task.label_days)
    known = histories(purchases, earlier).merge(
        outcomes(purchases, earlier, task.label_days), on="customer_id", how="left"
    )
    known = known.fillna({"churned": 1.0, "value_minor": 0.0})
    columns, test = list(RFM), histories(purchases, as_of)
    means: dict[str, Any] = {"n_jobs": task.threads, "random_state": task.seed, "verbose": -1}
    churn = lgb.LGBMClassifier(**means).fit(known[columns], known["churned"].astype(int))
    value = lgb.LGBMRegressor(**means).fit(known[columns], known["value_minor"])
    probability = np.asarray(churn.predict_proba(test[columns]))[:, 1]
    amount = np.asarray(value.predict(test[columns]), dtype=np.float64)
    return Answer(test["customer_id"], *stretched(task, probability, amount))


def classify(task: Task, learned: pd.DataFrame, held: pd.DataFrame) -> Array:
    """LightGBM's defaults on all columns."""
    columns = [name for name in held.columns if name not in OUTCOMES]
    model = lgb.LGBMClassifier(n_jobs=task.threads, random_state=task.seed, verbose=-1)
    model.fit(learned[columns], learned["churned"].astype(int))
    probability: Array = np.asarray(model.predict_proba(held[columns]), dtype=np.float64)[:, 1]
    return probability
