"""What a buy-till-you-die model knows of customers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from churn_value.errors import TooLittleData
from churn_value.estimators import FloatArray


@dataclass(frozen=True)
class History:
    """Purchase histories in one unit of time.

    Attributes
    ----------
    frequency
        (n,) repeat purchases, 0 or more.
    recency
        (n,) age at the last purchase, ``0 <= recency <= T``; 0 where nothing was repeated.
    T
        (n,) age at the end of the history, above 0.
    weight
        (n,) customers with this very history.
    """

    frequency: FloatArray
    recency: FloatArray
    T: FloatArray
    weight: FloatArray

    @classmethod
    def of(cls, frequency: FloatArray, recency: FloatArray, T: FloatArray) -> Self:
        """Histories put in range: missing counts as none, an age of 0 as a small one, recency within the age."""
        x = np.maximum(np.nan_to_num(np.asarray(frequency, dtype=np.float64)), 0.0)
        age = np.nan_to_num(np.asarray(T, dtype=np.float64))
        age = np.maximum(age, 1e-3 * max(float(age.max(initial=0.0)), 1e-3))
        last = np.clip(np.nan_to_num(np.asarray(recency, dtype=np.float64)), 0.0, age)
        return cls(x, np.where(x > 0, last, 0.0), age, np.ones_like(x))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.T)

    def scaled(self, unit: float) -> Self:
        """The same with time in multiples of `unit`."""
        return type(self)(self.frequency, self.recency / unit, self.T / unit, self.weight)

    def distinct(self) -> Self:
        """Equal histories once, with their number as weight: fitting costs by history, not by customer."""
        table = np.column_stack([self.frequency, self.recency, self.T])
        rows, member = np.unique(table, axis=0, return_inverse=True)
        weight: FloatArray = np.bincount(member.ravel(), weights=self.weight, minlength=len(rows)).astype(np.float64)
        return type(self)(rows[:, 0], rows[:, 1], rows[:, 2], weight)


def refuse_empty(history: History) -> None:
    """Check that there is a history to learn from.

    Raises
    ------
    TooLittleData
        When there is none.
    """
    if len(history) == 0:
        raise TooLittleData(
            "a buy-till-you-die model needs at least one purchase history",
            code="NO_HISTORIES",
            received="none",
            remedy="check the cohort rule and the as_of dates",
        )
