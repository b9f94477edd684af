"""Logistic regression on standardised and one-hot columns, scikit-learn's defaults."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.peers.task import OUTCOMES, Array, Task


def classify(task: Task, learned: pd.DataFrame, held: pd.DataFrame) -> Array:
    """Probability of churn of held-out rows."""
    texts = list(task.categories)
    numbers = [name for name in held.columns if name not in (*OUTCOMES, *texts)]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), texts),
    )
    model = make_pipeline(columns, LogisticRegression(max_iter=2_000))
    model.fit(_floats(learned, numbers), learned["churned"].astype(int))
    probability: Array = np.asarray(model.predict_proba(_floats(held, numbers)), dtype=np.float64)[:, 1]
    return probability


def _floats(frame: pd.DataFrame, numbers: list[str]) -> pd.DataFrame:
    """The frame with every number as a float, so that missing ones are NaN."""
    return frame.astype(dict.fromkeys(numbers, "float64"))
