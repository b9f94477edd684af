"""Labelled rows of a fold, in an order that does not depend on how they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
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
    days
        (n,) as_of, as midnights since 1970-01-01.
    """

    matrix: FloatArray
    churned: FloatArray
    amount_minor: FloatArray
    customers: npt.NDArray[np.object_]
    days: IntArray

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.churned)

    def where(self, kept: npt.NDArray[Any]) -> Self:
        """Rows chosen by a mask or by places."""
        return type(self)(*(getattr(self, field.name)[kept] for field in fields(self)))

    def with_columns(self, places: Sequence[int]) -> Self:
        """The same rows with some columns of the matrix, in the order given."""
        return replace(self, matrix=self.matrix[:, list(places)])

    def thinned(self, most: int, seed: int) -> Self:
        """These rows, or those of as many whole customers as make about `most` rows."""
        parts = -(-len(self) // most)
        return self if parts <= 1 else self.where(customer_folds(self.customers, parts, seed) == 0)

    def followed_by(self, later: Self) -> Self:
        """These rows, then the later ones."""
        names = [field.name for field in fields(self)]
        return type(self)(*(np.concatenate([getattr(self, name), getattr(later, name)]) for name in names))


@dataclass(frozen=True)
class Folds:
    """What a model is fitted on.

    Attributes
    ----------
    train, calibration
        Purged: every calibration date is at least a horizon later than every train date.
    refit
        Rows of dates between the two, whose outcome windows reach into the calibration's: nothing may be chosen on
        them or beside them, but the shipped model is fitted on them too.
    """

    train: Rows
    calibration: Rows
    refit: Rows | None = None

    @property
    def together(self) -> Rows:
        """All rows, oldest fold first."""
        earlier = self.train if self.refit is None else self.train.followed_by(self.refit)
        return earlier.followed_by(self.calibration)


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
    days = pd.to_datetime(frame["as_of"]).to_numpy().astype("datetime64[D]").astype(np.int64)
    return Rows(design.matrix(frame), churned, amount, frame["customer_id"].to_numpy(dtype=object), days)


def customer_folds(customers: npt.NDArray[np.object_], folds: int, seed: int) -> IntArray:
    """Fold 0 to ``folds - 1`` of each row; all rows of a customer share one, whatever the order of rows."""
    names, member = np.unique(customers.astype(str), return_inverse=True)
    fold: IntArray = np.random.default_rng(seed).permutation(len(names))[member] % folds
    return fold
