"""A ridge-penalised logistic regression on the design: the plain model that wins on small tables without history.

Each number is put through ``sign(x) log(1 + |x| / s)`` with s the median of its absolute values above 0, so that one
large sum does not decide, then standardised; a missing number is at the mean with a flag of its own; a category has one
column per known text. Contributions are taken from the mean row, so the base is the raw score of the average customer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from churn_value.estimators import FloatArray

Places = npt.NDArray[np.int64]
LARGEST_STANDARD = 6.0
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
        return _plain(self.kind, matrix[:, self.place], self.scale)

    def standard(self, matrix: FloatArray) -> FloatArray:
        """Standardised column, shape (n,), within +-6; 0 is the mean row."""
        return _standard(self.plain(matrix), self.mean, self.deviation)


def _plain(kind: str, cells: FloatArray, scale: float | FloatArray) -> FloatArray:
    if kind == "missing":
        return np.isnan(cells).astype(np.float64)
    if kind == "category":
        same: FloatArray = (cells == scale).astype(np.float64)
        return same
    plain: FloatArray = np.sign(cells) * np.log1p(np.abs(cells) / scale)
    return plain


def _standard(plain: FloatArray, mean: float | FloatArray, deviation: float | FloatArray) -> FloatArray:
    standard = np.where(np.isnan(plain), 0.0, (plain - mean) / deviation)
    clipped: FloatArray = np.clip(standard, -LARGEST_STANDARD, LARGEST_STANDARD)
    return clipped


@dataclass(frozen=True)
class Linear:
    """A fitted logistic regression: terms and the log-odds of the mean row."""

    terms: tuple[Term, ...]
    intercept: float

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Log-odds, shape (n,); `threads` changes nothing."""
        del threads
        # Term by term: a matrix product may add in another order for one row than for many, accumulate never does.
        parts = np.column_stack([np.full(len(matrix), self.intercept), self._moves(matrix)])
        total: FloatArray = np.add.accumulate(parts, axis=1)[:, -1]
        return total

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to the log-odds, shape (n, k + 1), base last."""
        del threads
        total = np.zeros((len(matrix), matrix.shape[1] + 1))
        moves = self._moves(matrix)
        for which, places in self._turns:
            total[:, places] += moves[:, which]
        total[:, -1] = self.intercept
        return total

    def _moves(self, matrix: FloatArray) -> FloatArray:
        """Coefficient times standardised column of each term, shape (n, terms); all terms of a kind at once."""
        moves = np.zeros((len(matrix), len(self.terms)))
        for kind, (which, places, scale, mean, deviation, coefficient) in self._kinds.items():
            moves[:, which] = coefficient * _standard(_plain(kind, matrix[:, places], scale), mean, deviation)
        return moves

    @cached_property
    def _kinds(self) -> dict[str, tuple[Places, Places, FloatArray, FloatArray, FloatArray, FloatArray]]:
        """By kind: places among the terms and among the columns; scale, mean, deviation and coefficient."""
        found = {}
        for kind in {term.kind: None for term in self.terms}:
            which = [place for place, term in enumerate(self.terms) if term.kind == kind]
            terms = [self.terms[place] for place in which]
            numbers = np.array([(one.scale, one.mean, one.deviation, one.coefficient) for one in terms]).T
            found[kind] = (np.array(which), np.array([term.place for term in terms]), *numbers)
        return found

    @cached_property
    def _turns(self) -> tuple[tuple[Places, Places], ...]:
        """Terms and their columns, by turns: the first term of each column, the second …, so none is there twice."""
        turns: list[list[tuple[int, int]]] = []
        met: dict[int, int] = {}
        for which, term in enumerate(self.terms):
            turn = met[term.place] = met.get(term.place, -1) + 1
            turns.extend([[]] * (turn == len(turns)))
            turns[turn] = [*turns[turn], (which, term.place)]
        return tuple((np.array([w for w, _ in turn]), np.array([p for _, p in turn])) for turn in turns)

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
    unsettled = [
        term
        for place in range(matrix.shape[1])
        for term in _terms_of(place, matrix[:, place], is_category=place in categories)
    ]
    terms = [term for term in (_settled(term, matrix) for term in unsettled) if term is not None]
    columns = np.column_stack([np.ones(len(matrix)), *(term.standard(matrix) for term in terms)])
    ridge = np.concatenate([[0.0], np.full(len(terms), penalty)])

    def objective(coefficients: FloatArray) -> tuple[float, FloatArray]:
        z = columns @ coefficients
        loss = float(np.mean(np.logaddexp(0.0, z) - churned * z) + 0.5 * np.sum(ridge * coefficients**2))
        gradient: FloatArray = columns.T @ (expit(z) - churned) / len(z) + ridge * coefficients
        return loss, gradient

    found = minimize(objective, np.zeros(len(ridge)), jac=True, method="L-BFGS-B", options={"maxiter": 300}).x
    fitted = [
        Term(term.place, term.kind, term.scale, term.mean, term.deviation, float(coefficient))
        for term, coefficient in zip(terms, found[1:], strict=True)
    ]
    return Linear(tuple(fitted), float(found[0]))
