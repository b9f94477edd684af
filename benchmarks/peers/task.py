"""What a peer is handed, and the shape of its answer: a folder with the past only, files in and files out.

======================  ================================================================================================
file                    what is there
======================  ================================================================================================
``task.json``           kind, as_of, horizon, length of the label windows, features that are categories
``rows.parquet``        multi-date feature rows with outcomes; folds ``train``, ``calibration`` (later, purged), and
                        ``refit``: between the two, overlapping both, for a last fit on everything
``test.parquet``        features of the customers to predict for, no outcome
``purchases.parquet``   customer_id, day, amount_minor: positive amounts per customer and day, before as_of
``folds.parquet``       static sets: fold of each row in each repetition
======================  ================================================================================================
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
OUTCOMES = ("customer_id", "as_of", "fold", "churned", "value_minor")
PREDICTIONS, SECONDS = "predictions.parquet", "seconds.json"
SMALLEST = 1e-9


@dataclass(frozen=True)
class Task:
    """One reference set as peers see it.

    Attributes
    ----------
    folder
        Where the files are.
    kind
        ``dated``: predict the test rows. ``static``: cross-validate the rows.
    as_of
        Date of the test rows; empty for static sets.
    horizon_days
        Length of the window to predict.
    label_days
        Length of the windows that `rows` were labelled on; shorter than the horizon where no window of that length is
        complete.
    categories
        Features that hold texts.
    has_value
        Whether amounts are predicted.
    seconds
        Time a searching system is given for each fit.
    threads, seed
        For everything that takes them.
    """

    folder: Path
    kind: str
    as_of: str
    horizon_days: int
    label_days: int
    categories: tuple[str, ...]
    has_value: bool
    seconds: float = 60.0
    threads: int = 2
    seed: int = 7

    @classmethod
    def read(cls, folder: Path, *, seconds: float, threads: int, seed: int) -> Task:
        """Task that a folder holds, with the means it is given."""
        content = json.loads((folder / "task.json").read_text())
        content["categories"] = tuple(content["categories"])
        return cls(folder, **content, seconds=seconds, threads=threads, seed=seed)

    @property
    def features(self) -> list[str]:
        """Columns of the rows that a model may use."""
        return [name for name in pd.read_parquet(self.folder / "test.parquet").columns if name not in OUTCOMES]

    def rows(self, *folds: str) -> pd.DataFrame:
        """Labelled rows of some folds, or of all; categories as pandas categories with the levels of all rows."""
        rows = self._typed(pd.read_parquet(self.folder / "rows.parquet"))
        return rows[rows["fold"].isin(folds)].reset_index(drop=True) if folds else rows

    def test(self) -> pd.DataFrame:
        """Rows to predict for, typed like those of `rows`."""
        return self._typed(pd.read_parquet(self.folder / "test.parquet"))

    def _typed(self, frame: pd.DataFrame) -> pd.DataFrame:
        levels: Mapping[str, list[str]] = json.loads((self.folder / "levels.json").read_text())
        for name in self.categories:
            texts = frame[name].astype(object).where(frame[name].notna(), None)
            frame[name] = pd.Categorical(texts, categories=levels[name])
        return frame

    def purchases(self) -> pd.DataFrame:
        """Every purchase before as_of: customer_id, day, amount_minor."""
        return pd.read_parquet(self.folder / "purchases.parquet")

    def folds(self) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
        """Name, rows to learn from and rows to predict (without outcome) of each fold of each repetition."""
        rows = self._typed(pd.read_parquet(self.folder / "rows.parquet"))
        places = pd.read_parquet(self.folder / "folds.parquet")
        for repetition in places.columns:
            for fold in sorted(places[repetition].unique()):
                held = (places[repetition] == fold).to_numpy()
                yield f"{repetition}_{fold}", rows[~held], rows[held].drop(columns=["churned"])


@dataclass(frozen=True)
class Answer:
    """What a peer says of the rows to predict.

    Attributes
    ----------
    customers
        Ids, in the order of the arrays.
    churn_probability
        (n,) P(churn within the horizon).
    expected_value_minor
        (n,) amount in the horizon [minor units].
    bounds_minor
        Level in percent to (n,) lower and upper bounds of the amount [minor units].
    """

    customers: pd.Series
    churn_probability: Array | None = None
    expected_value_minor: Array | None = None
    bounds_minor: Mapping[int, tuple[Array, Array]] = field(default_factory=dict)

    def frame(self) -> pd.DataFrame:
        """Columns customer_id and what was predicted."""
        columns: dict[str, object] = {"customer_id": self.customers.to_numpy()}
        if self.churn_probability is not None:
            columns["churn_probability"] = self.churn_probability
        if self.expected_value_minor is not None:
            columns["expected_value_minor"] = self.expected_value_minor
        for level, (lower, upper) in self.bounds_minor.items():
            columns |= {f"lower_{level}": lower, f"upper_{level}": upper}
        return pd.DataFrame(columns)


def stretched(task: Task, churn_probability: Array, value_minor: Array) -> tuple[Array, Array]:
    """Predictions for a window of the label's length, taken to the horizon.

    Notes
    -----
    With k = horizon over label length, ``p ** k`` (purchases at a constant rate) and ``k value``. What a user would do
    by hand where no window of the horizon's length is complete; nothing is changed where k is 1.
    """
    times = task.horizon_days / task.label_days
    return np.clip(churn_probability, SMALLEST, 1 - SMALLEST) ** times, np.maximum(value_minor, 0.0) * times


Dated = Callable[[Task], Answer]
Classify = Callable[[Task, pd.DataFrame, pd.DataFrame], Array]
"""Probability of churn of the second frame's rows, learned from the first's."""
