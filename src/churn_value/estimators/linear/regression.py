"""A ridge-penalised logistic regression on the design: the plain model that wins on small tables without history.

Each number is put through ``sign(x) log(1 + |x| / s)`` with s the median of its absolute values above 0, so that one
large sum does not decide, then standardised; a missing number is at the mean with a flag of its own; a category has one
column per known text. Contributions are taken from the mean row, so the base is the raw score of the average customer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.linear import kernels
from churn_value.estimators.linear.newton import ridge_logistic

KINDS = {"number": kernels.NUMBER, "missing": kernels.MISSING, "category": kernels.CATEGORY}
SMALLEST_DEVIATION = 1e-9
RARE_SHARE = 0.002


@dataclass(frozen=True)
class Term:
    """One column of the regression.

    Attributes
    ----------
    place
        Column of the design it comes from.
    kind
        ``number``, ``missing`` (1 where there is none) or ``category`` (1 where the code is `scale`).
    scale
        Of a number; the code of a category.
    mean, deviation
        Of the column on the rows fitted on.
    coefficient
        Log-odds per standard deviation.
    """

    place: int
    kind: str
    scale: float
    mean: float
    deviation: float
    coefficient: float = 0.0

    def plain(self, matrix: FloatArray) -> FloatArray:
        """Column before it is standardised, shape (n,); null where a number is missing."""
        found = np.empty(len(matrix))
        kernels.plain(np.ascontiguousarray(matrix[:, self.place]), KINDS[self.kind], self.scale, found)
        return found


def _as_columns(terms: Sequence[Term]) -> kernels.Terms:
    """Terms as the compiled loops take them."""
    numbers = np.array([(one.scale, one.mean, one.deviation, one.coefficient) for one in terms]).reshape(-1, 4).T
    places = np.array([term.place for term in terms], dtype=np.int64)
    kinds = np.array([KINDS[term.kind] for term in terms], dtype=np.int64)
    return kernels.Terms(places, kinds, *(np.ascontiguousarray(column) for column in numbers))


@dataclass(frozen=True)
class Linear:
    """A fitted logistic regression: terms and the log-odds of the mean row."""

    terms: tuple[Term, ...]
    intercept: float

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Log-odds, shape (n,); `threads` changes nothing."""
        del threads
        total = np.empty(len(matrix))
        kernels.raw(np.ascontiguousarray(matrix), self._columns, self.intercept, total)
        return total

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to the log-odds, shape (n, k + 1), base last."""
        del threads
        total = np.zeros((len(matrix), matrix.shape[1] + 1))
        kernels.contributions(np.ascontiguousarray(matrix), self._columns, total)
        total[:, -1] = self.intercept
        return total

    @cached_property
    def _columns(self) -> kernels.Terms:
        return _as_columns(self.terms)

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return {"terms": [list(vars(term).values()) for term in self.terms], "intercept": self.intercept}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Regression that `to_json` described."""
        terms = tuple(Term(int(place), str(kind), *values) for place, kind, *values in content["terms"])
        return cls(terms, float(content["intercept"]))


def _settled(term: Term, matrix: FloatArray) -> Term | None:
    """The term with mean and deviation of its column; none if the column says nothing."""
    column = term.plain(matrix)
    known = column[~np.isnan(column)]
    if len(known) == 0 or known.std() < SMALLEST_DEVIATION:
        return None
    return Term(term.place, term.kind, term.scale, float(known.mean()), float(known.std()))


def _terms_of(place: int, column: FloatArray, *, is_category: bool) -> list[Term]:
    """Terms of a column of the design, unsettled."""
    missing = Term(place, "missing", 1.0, 0.0, 1.0)
    if is_category:
        codes, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        frequent = codes[counts >= RARE_SHARE * len(column)]
        return [missing, *(Term(place, "category", float(code), 0.0, 1.0) for code in frequent)]
    size = np.abs(column[np.isfinite(column) & (column != 0)])
    return [missing, Term(place, "number", float(np.median(size)) if len(size) else 1.0, 0.0, 1.0)]


def _weighable(matrix: FloatArray, categories: Sequence[int]) -> list[Term]:
    """Settled terms of every column of a design."""
    unsettled = [
        term
        for place in range(matrix.shape[1])
        for term in _terms_of(place, matrix[:, place], is_category=place in categories)
    ]
    return [term for term in (_settled(term, matrix) for term in unsettled) if term is not None]


def fit_linear(matrix: FloatArray, churned: FloatArray, categories: Sequence[int], *, penalty: float) -> Linear:
    """Regression minimising mean log-loss plus ``penalty / 2`` times the squared coefficients.

    Parameters
    ----------
    matrix, churned
        (n, k) design and (n,) outcomes 0 or 1.
    categories
        Columns holding codes.
    penalty
        Ridge on standardised columns, above 0.
    """
    return fit_path(matrix, churned, categories, (penalty,))[penalty]


def fit_path(
    matrix: FloatArray, churned: FloatArray, categories: Sequence[int], penalties: Sequence[float]
) -> dict[float, Linear]:
    """Regressions on the same rows by penalty, as `fit_linear`; each begins where the stronger one before it ended."""
    terms = _weighable(matrix, categories)
    columns = np.ones((len(matrix), len(terms) + 1))
    kernels.standard(np.ascontiguousarray(matrix), _as_columns(terms), columns[:, 1:])
    coefficients = np.zeros(len(terms) + 1)
    fitted = {}
    for penalty in sorted(penalties, reverse=True):
        coefficients = ridge_logistic(columns, churned, penalty, coefficients)
        fitted[penalty] = Linear(
            tuple(replace(term, coefficient=float(one)) for term, one in zip(terms, coefficients[1:], strict=True)),
            float(coefficients[0]),
        )
    return fitted
