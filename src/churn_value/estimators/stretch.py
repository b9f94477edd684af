"""From the horizon that a model was learned on to a longer one that no complete outcome window has yet.

With a history too short for three windows of the wanted horizon H, the heads learn on a shorter one, L, and what they
say is carried on. How much silence and purchases grow from L to H is read off a Pareto/NBD, customer by customer; the
two straight lines through those customers, fitted by least squares, then map what the heads say::

    logit p_H = slope logit p_L + intercept               over logit P(silence in H) on logit P(silence in L)
    log E_H   = growth_slope log E_L + growth_intercept    over log E[purchases in H] on log E[purchases in L]

Both are increasing, so customers keep the order that the heads give them, and reasons stay what they are. The interval
is widened by what is not known: `doubt` is the mean distance between the logs of the growth by the Pareto/NBD and by a
BG/NBD, which fit the past alike and differ in how customers leave; both ends move by the factor exp(doubt). That is a
guess at the error of extrapolation, not a coverage that was ever seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit

from churn_value.estimators import FloatArray
from churn_value.estimators.btyd import History, ParetoNbd, fit_bg_nbd

SMALLEST_PROBABILITY = 1e-6
SMALLEST_PURCHASES = 1e-6
SMALLEST_SLOPE = 0.05


@dataclass(frozen=True)
class Stretch:
    """Straight lines from one horizon to a longer one.

    Attributes
    ----------
    learned_days, horizon_days
        L and H.
    slope, intercept
        Of the log-odds of churn.
    growth_slope, growth_intercept
        Of the log of the amount over `scale_minor`.
    scale_minor
        Mean amount in L [minor units].
    doubt
        Half-width added to both ends of the interval, on the log scale, 0 or more.
    """

    learned_days: int
    horizon_days: int
    slope: float
    intercept: float
    growth_slope: float
    growth_intercept: float
    scale_minor: float
    doubt: float

    def churn_probability(self, p: FloatArray) -> FloatArray:
        """Of leaving within H, from that within L, shape (n,), strictly between 0 and 1."""
        log_odds = logit(np.clip(p, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
        stretched: FloatArray = expit(np.clip(self.slope * log_odds + self.intercept, -13.8, 13.8))
        return stretched

    def expected_minor(self, expected_minor: FloatArray) -> FloatArray:
        """Amount in H from that in L, shape (n,) [minor units]."""
        share = np.log(np.maximum(expected_minor, SMALLEST_PURCHASES) / self.scale_minor)
        grown: FloatArray = self.scale_minor * np.exp(self.growth_slope * share + self.growth_intercept)
        return grown

    def widened(self, lower: FloatArray, upper: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Interval's ends moved apart by the doubt."""
        factor = float(np.exp(self.doubt))
        return lower / factor, upper * factor

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Stretch that `to_json` described."""
        return cls(**content)


def _line(x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """Slope (at least 0.05) and intercept by least squares; slope 1 where x does not vary."""
    spread = float(np.var(x))
    slope = float(np.mean((x - x.mean()) * (y - y.mean()))) / spread if spread > 0 else 1.0
    slope = max(slope, SMALLEST_SLOPE)
    return slope, float(y.mean() - slope * x.mean())


def fit_stretch(
    model: ParetoNbd, histories: History, *, learned_days: int, horizon_days: int, scale_minor: float
) -> Stretch:
    """Lines through the customers of a date.

    Parameters
    ----------
    model, histories
        Pareto/NBD and the histories it was fitted on [days].
    learned_days, horizon_days
        Shorter and longer horizon.
    scale_minor
        Mean amount in the shorter one [minor units].
    """
    short, long = (
        logit(np.clip(model.no_purchase(histories, days), SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
        for days in (learned_days, horizon_days)
    )
    slope, intercept = _line(short, long)
    few, many = (_log_purchases(model, histories, days) for days in (learned_days, horizon_days))
    growth_slope, growth_intercept = _line(few, many)
    # Amounts are relative to their own mean, purchases to theirs: the line is moved to where the amounts are.
    centre = float(np.log(np.mean(np.exp(few))))
    other = fit_bg_nbd(histories)
    growth = _log_purchases(other, histories, horizon_days) - _log_purchases(other, histories, learned_days)
    return Stretch(
        learned_days,
        horizon_days,
        slope,
        intercept,
        growth_slope,
        growth_intercept + (growth_slope - 1) * centre,
        scale_minor,
        float(np.average(np.abs(growth - (many - few)), weights=np.exp(few))),
    )


def _log_purchases(model: Any, histories: History, days: int) -> FloatArray:
    purchases: FloatArray = np.log(np.maximum(model.expected_purchases(histories, days), SMALLEST_PURCHASES))
    return purchases
