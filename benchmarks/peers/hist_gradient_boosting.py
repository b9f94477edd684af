"""scikit-learn's histogram gradient boosting with its defaults, texts as categories."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from benchmarks.peers.task import OUTCOMES, Array, Task


def classify(task: Task, learned: pd.DataFrame, held: pd.DataFrame) -> Array:
    """Probability of churn of held-out rows."""
    columns = [name for name in held.columns if name not in OUTCOMES]
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=task.seed)
    model.fit(learned[columns], learned["churned"].astype(int))
    probability: Array = np.asarray(model.predict_proba(held[columns]), dtype=np.float64)[:, 1]
    return probability
