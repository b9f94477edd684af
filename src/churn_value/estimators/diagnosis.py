"""Where an error comes from: a moved base rate, a part of the customers, an interval that is merely wide."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logit

from churn_value.estimators import FloatArray
from churn_value.estimators.metrics import SMALLEST_PROBABILITY

LARGEST_SHIFT = 40.0


def oracle_recentred(churned: FloatArray, probability: FloatArray) -> FloatArray:
    """Probabilities with their log-odds shifted by one number, so that their mean is the true churn rate.

    What is left of an error afterwards is not a matter of the base rate. It looks at the truth: a diagnosis, not a
    prediction.

    Parameters
    ----------
    churned
        (n,) 0 or 1.
    probability
        (n,) 0 to 1.

    Returns
    -------
    ndarray of shape (n,)
        Unchanged when only one class is present.

    Notes
    -----
    ``expit(logit(p) + c)`` with c such that the mean is right; the mean grows with c, so c is unique.
    """
    rate = float(np.mean(churned))
    if rate in {0.0, 1.0}:
        return probability
    log_odds = logit(np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY))
    shift = brentq(lambda c: float(np.mean(expit(log_odds + c))) - rate, -LARGEST_SHIFT, LARGEST_SHIFT)
    recentred: FloatArray = expit(log_odds + shift)
    return recentred


def coverage_by_group(
    actual: FloatArray, lower: FloatArray, upper: FloatArray, predicted: FloatArray, groups: int = 5
) -> FloatArray:
    """Share of amounts within their interval in groups of equal size by prediction, lowest predictions first.

    Parameters
    ----------
    actual
        (n,) amounts; negative ones count as 0, as in intervals.
    lower, upper
        (n,) ends of the intervals, included.
    predicted
        (n,) expected amounts.
    groups
        Number of groups, at most n.

    Returns
    -------
    ndarray of shape (groups,)
        Shares 0 to 1.
    """
    y = np.maximum(actual, 0.0)
    inside = ((lower <= y) & (y <= upper))[np.argsort(predicted, kind="stable")]
    return np.asarray([part.mean() for part in np.array_split(inside, min(groups, len(inside)))], dtype=np.float64)


def width_at_coverage(measured: Mapping[float, float], coverage: float) -> float:
    """Mean width of a family of intervals where it covers as much as another system does.

    Parameters
    ----------
    measured
        Coverage to mean width, of at least two levels.
    coverage
        Share to compare at.

    Returns
    -------
    float
        Linear between neighbouring levels; ``nan`` outside of them.
    """
    shares = np.asarray(sorted(measured), dtype=np.float64)
    widths = np.asarray([measured[share] for share in sorted(measured)], dtype=np.float64)
    if not shares.min() <= coverage <= shares.max():
        return float("nan")
    return float(np.interp(coverage, shares, widths))
