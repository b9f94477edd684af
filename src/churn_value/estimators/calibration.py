"""From the churn head's raw log-odds to a probability that means what it says.

A map is fitted on rows later than those the trees were fitted on, and it is monotone: calibration never reorders
customers. Three families, from stiff to flexible, each with a level of its own; a more flexible one is taken only with
enough rows of both classes, and when its shape lowers the cross-validated log-loss by more than three standard errors
of the difference: the level of one date is drift, and no evidence of a shape, and a shape that is noise costs
calibration later (at two standard errors, one of five earlier cuts lost .005 of log-loss to a beta map).

==========  ===================================================  ==========
family      log-odds after, with z the raw log-odds              parameters
==========  ===================================================  ==========
identity    z + b                                                1
platt       a z + b, a > 0                                       2
beta        a log p - b log(1 - p) + c, p = expit(z), a, b >= 0  3
==========  ===================================================  ==========

The model that is shipped has seen the calibration rows too, and with them part of what moved between the folds. Its
map is therefore moved (`recentred`) by a constant on the log-odds, so that its mean on the newest date goes half the
way from what its boosters say to what happened there: one date cannot tell a trend, which stays, from a season, which
turns.

Isotonic regression was tried and left out: its steps stand where the first boosters put a crowd of like customers, the
shipped ones put that crowd a little aside, and on CDNOW the log-loss rose from .297 to .324.

References
----------
Platt (1999), Advances in Large Margin Classifiers; Kull, Silva Filho & Flach (2017), AISTATS 54, for beta.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, minimize
from scipy.special import expit

from churn_value.estimators import FloatArray, IntArray
from churn_value.estimators.rows import customer_folds

FAMILIES = ("identity", "platt", "beta")
LARGEST_LOG_ODDS = 13.8  # probabilities stay within 1e-6 of 0 and 1
LEAST_ROWS_OF_A_CLASS = {"platt": 50, "beta": 200}
STANDARD_ERRORS = 3.0
PERSISTENCE = 0.5
FOLDS = 5


@dataclass(frozen=True)
class Calibration:
    """A monotone map of log-odds.

    Attributes
    ----------
    family
        One of `FAMILIES`.
    parameters
        platt: slope, intercept; beta: a, b, c.
    shift
        Added to the log-odds after the map.
    """

    family: str
    parameters: tuple[float, ...] = ()
    shift: float = 0.0

    def log_odds(self, raw: FloatArray) -> FloatArray:
        """Calibrated log-odds of raw ones, within +-13.8, shape (n,)."""
        if self.family == "platt":
            slope, intercept = self.parameters
            mapped = slope * raw + intercept
        elif self.family == "beta":
            a, b, c = self.parameters
            mapped = a * _log_expit(raw) - b * _log_expit(-raw) + c
        else:
            mapped = raw
        clipped: FloatArray = np.clip(mapped + self.shift, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
        return clipped

    def probability(self, raw: FloatArray) -> FloatArray:
        """Calibrated probability of raw log-odds, shape (n,), strictly between 0 and 1."""
        p: FloatArray = expit(self.log_odds(raw))
        return p

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return {
            "family": self.family,
            "parameters": list(self.parameters),
            "shift": self.shift,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Map that `to_json` described."""
        return cls(
            str(content["family"]),
            tuple(content["parameters"]),
            float(content["shift"]),
        )


def _log_expit(z: FloatArray) -> FloatArray:
    """``log(expit(z))`` without overflow."""
    value: FloatArray = -np.logaddexp(0.0, -z)
    return value


def _row_losses(churned: FloatArray, log_odds: FloatArray) -> FloatArray:
    """Negative log-likelihood of each row [nats]."""
    losses: FloatArray = np.logaddexp(0.0, log_odds) - churned * log_odds
    return losses


def _fit_linear(
    columns: FloatArray, churned: FloatArray, start: Sequence[float], floor: Sequence[float | None]
) -> FloatArray:
    """Coefficients of a logistic regression without intercept column added, each at least its floor."""

    def objective(coefficients: FloatArray) -> tuple[float, FloatArray]:
        z = columns @ coefficients
        gradient: FloatArray = columns.T @ (expit(z) - churned) / len(churned)
        return float(_row_losses(churned, z).mean()), gradient

    found = minimize(objective, np.asarray(start), jac=True, method="L-BFGS-B", bounds=[(low, None) for low in floor])
    coefficients: FloatArray = found.x
    return coefficients


def _fit_platt(raw: FloatArray, churned: FloatArray) -> Calibration:
    columns = np.column_stack([raw, np.ones_like(raw)])
    slope, intercept = _fit_linear(columns, churned, (1.0, 0.0), (1e-3, None))
    return Calibration("platt", (float(slope), float(intercept)))


def _fit_beta(raw: FloatArray, churned: FloatArray) -> Calibration:
    columns = np.column_stack([_log_expit(raw), -_log_expit(-raw), np.ones_like(raw)])
    a, b, c = _fit_linear(columns, churned, (1.0, 1.0, 0.0), (1e-3, 1e-3, None))
    return Calibration("beta", (float(a), float(b), float(c)))


def _fit_level(raw: FloatArray, churned: FloatArray) -> Calibration:
    return Calibration("identity", shift=_shift_to(float(churned.mean()), raw))


def _shift_to(rate: float, log_odds: FloatArray) -> float:
    """Constant that brings the mean probability to a rate within 1e-6 and 1 - 1e-6."""
    wanted = float(np.clip(rate, 1e-6, 1 - 1e-6))
    return float(brentq(lambda move: float(expit(log_odds + move).mean()) - wanted, -60.0, 60.0, xtol=1e-12))


_FITS = {"identity": _fit_level, "platt": _fit_platt, "beta": _fit_beta}


def fit_family(family: str, raw: FloatArray, churned: FloatArray) -> Calibration:
    """Map of one family, by maximum likelihood.

    Parameters
    ----------
    family
        One of `FAMILIES`.
    raw, churned
        (n,) raw log-odds and outcomes 0 or 1.
    """
    return _FITS[family](raw, churned)


def _held_out_losses(family: str, raw: FloatArray, churned: FloatArray, fold: IntArray) -> FloatArray:
    losses = np.empty_like(raw)
    for number in range(FOLDS):
        held = fold == number
        fitted = fit_family(family, raw[~held], churned[~held])
        losses[held] = _row_losses(churned[held], fitted.log_odds(raw[held]))
    return losses


def fit_calibration(
    raw: FloatArray,
    churned: FloatArray,
    customers: npt.NDArray[np.object_],
    *,
    seed: int,
    standard_errors: float = STANDARD_ERRORS,
) -> Calibration:
    """Map chosen by cross-validation over customers, refitted on all rows.

    Parameters
    ----------
    raw
        (n,) raw log-odds of rows the trees have not seen.
    churned
        (n,) 0 or 1.
    customers
        (n,) ids; a customer's rows are held out together.
    seed
        Of the folds.
    standard_errors
        By how many a more flexible family must be better; 0 where the rows are of the dates that will be scored.

    Returns
    -------
    Calibration
        Only the level is moved when one class has fewer than 50 rows: no shape could be learned from them.
    """
    rarer = min(churned.sum(), len(churned) - churned.sum())
    fold = customer_folds(customers, FOLDS, seed)
    best = "identity"
    best_losses = _held_out_losses(best, raw, churned, fold)
    for family, least_rows in LEAST_ROWS_OF_A_CLASS.items():
        if rarer < least_rows:
            break
        losses = _held_out_losses(family, raw, churned, fold)
        gain = best_losses - losses
        if gain.mean() > standard_errors * gain.std() / np.sqrt(len(gain)):
            best, best_losses = family, losses
    return fit_family(best, raw, churned)


def recentred(chosen: Calibration, raw: FloatArray, churned: FloatArray) -> Calibration:
    """The map moved for boosters that have seen the calibration rows.

    Parameters
    ----------
    chosen
        Map of boosters that have not seen them.
    raw, churned
        (n,) raw log-odds by the boosters to be shipped, and outcomes, on the newest date.

    Notes
    -----
    With m the mean of ``expit(raw)`` and c the churn rate, the shift solves ``mean(probability) = m + (c - m) / 2``.
    """
    said = float(expit(raw).mean())
    wanted = said + PERSISTENCE * (float(churned.mean()) - said)
    plain = replace(chosen, shift=0.0).log_odds(raw)
    return replace(chosen, shift=_shift_to(wanted, plain))
