"""Labelled rows of a fold, in an order that does not depend on how they came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import TooLittleData
from churn_value.estimators import FloatArray, IntArray
from churn_value.estimators.design import Design


@dataclass(frozen=True)
class Rows:
    """Features and outcomes of a fold.

    Attributes
    ----------
    matrix
        (n, k) of a design.
    churned
        (n,) 0 or 1.
    amount_minor
        (n,) net amount in the horizon [minor units]; zeros where no value is known.
    customers
        (n,) ids.
    """

    matrix: FloatArray
    churned: FloatArray
    amount_minor: FloatArray
    customers: npt.NDArray[np.object_]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.churned)

    def where(self, kept: npt.NDArray[Any]) -> Self:
        """Rows chosen by a mask or by places."""
        return type(self)(self.matrix[kept], self.churned[kept], self.amount_minor[kept], self.customers[kept])

    def thinned(self, most: int, seed: int) -> Self:
        """These rows, or those of as many whole customers as make about `most` rows."""
        parts = -(-len(self) // most)
        return self if parts <= 1 else self.where(customer_folds(self.customers, parts, seed) == 0)

    def followed_by(self, later: Self) -> Self:
        """These rows, then the later ones."""
        return type(self)(
            np.vstack([self.matrix, later.matrix]),
            np.concatenate([self.churned, later.churned]),
            np.concatenate([self.amount_minor, later.amount_minor]),
            np.concatenate([self.customers, later.customers]),
        )


def labelled(frame: pd.DataFrame, *, with_value: bool) -> pd.DataFrame:
    """Rows whose outcome window is complete, by as_of and customer, so that their order never matters.

    Raises
    ------
    TooLittleData
        When none is complete.
    """
    complete = frame["churned"].notna()
    if with_value:
        complete &= frame["value_minor"].notna()
    rows = frame[complete].sort_values(["as_of", "customer_id"], kind="stable")
    if rows.empty:
        raise TooLittleData("a fold needs rows with a complete outcome window", code="NO_LABELS", received="none")
    return rows


def rows_of(frame: pd.DataFrame, design: Design, *, with_value: bool) -> Rows:
    """Numbers of labelled rows (see `labelled`)."""
    amount = frame["value_minor"].to_numpy(dtype=np.float64) if with_value else np.zeros(len(frame))
    churned = frame["churned"].to_numpy(dtype=np.float64)
    return Rows(design.matrix(frame), churned, amount, frame["customer_id"].to_numpy(dtype=object))


def customer_folds(customers: npt.NDArray[np.object_], folds: int, seed: int) -> IntArray:
    """Fold 0 to ``folds - 1`` of each row; all rows of a customer share one, whatever the order of rows."""
    names, member = np.unique(customers.astype(str), return_inverse=True)
    fold: IntArray = np.random.default_rng(seed).permutation(len(names))[member] % folds
    return fold
