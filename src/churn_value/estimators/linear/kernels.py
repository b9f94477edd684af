"""The terms of the regression, compiled; a row's numbers are the same alone or among others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from churn_value.estimators import FloatArray
from churn_value.estimators.compiled import compiled

NUMBER, MISSING, CATEGORY = 0, 1, 2
LARGEST_STANDARD = 6.0


class Terms(NamedTuple):
    """Terms as columns, each of shape (t,): see `linear.Term`."""

    places: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    scales: FloatArray
    means: FloatArray
    deviations: FloatArray
    coefficients: FloatArray


@compiled
def _plain(cell: float, kind: int, scale: float) -> float:
    if kind == MISSING:
        return 1.0 if np.isnan(cell) else 0.0
    if kind == CATEGORY:
        return 1.0 if cell == scale else 0.0
    return float(np.sign(cell) * np.log1p(abs(cell) / scale))


@compiled
def _standard(cell: float, term: int, terms: Terms) -> float:
    plain = _plain(cell, terms.kinds[term], terms.scales[term])
    if np.isnan(plain):
        return 0.0
    standard = (plain - terms.means[term]) / terms.deviations[term]
    return float(min(max(standard, -LARGEST_STANDARD), LARGEST_STANDARD))


@compiled
def plain(cells: FloatArray, kind: int, scale: float, out: FloatArray) -> None:
    """Cells of one column before they are standardised, shape (n,)."""
    for row in range(len(cells)):
        out[row] = _plain(cells[row], kind, scale)


@compiled
def standard(matrix: FloatArray, terms: Terms, out: FloatArray) -> None:
    """Standardised column of each term, shape (n, t)."""
    for row in range(len(matrix)):
        for term in range(len(terms.places)):
            out[row, term] = _standard(matrix[row, terms.places[term]], term, terms)


@compiled
def raw(matrix: FloatArray, terms: Terms, intercept: float, out: FloatArray) -> None:
    """Log-odds, shape (n,): the intercept and the moves of the terms, added one by one."""
    for row in range(len(matrix)):
        total = intercept
        for term in range(len(terms.places)):
            total += terms.coefficients[term] * _standard(matrix[row, terms.places[term]], term, terms)
        out[row] = total


@compiled
def contributions(matrix: FloatArray, terms: Terms, out: FloatArray) -> None:
    """Add the moves of the terms to the columns they come from; `out` is of shape (n, k + 1)."""
    for row in range(len(matrix)):
        for term in range(len(terms.places)):
            place = terms.places[term]
            out[row, place] += terms.coefficients[term] * _standard(matrix[row, place], term, terms)
