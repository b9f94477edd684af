"""How much each part of a head is trusted: weights learned on later rows, held to what was good elsewhere.

With few rows the weights that look best there are no better than fixed ones (on five earlier cuts of three sets within
.0006 of log-loss either way), and where one part is much better they must move (on the 2,850 rows of `iranian`, a pull
of 40 keeps .124 where 2 gives .102). So the likelihood is lightly penalised by the distance to a prior: with
w the weights times a common slope, and w0 the prior ::

    minimise  sum log-loss(Z w + b)  +  PULL || w - w0 sum(w) ||^2,   w >= 0

A slope and an intercept are free, since calibration comes after. The parts of the value head are weighed alike, by the
Tweedie deviance of power 1.5 (that of the benchmark), where amounts are in units of their mean and a row says less.

What is learned here is of parts that have seen the train fold alone. What is shipped is fitted on more and newer rows,
and of all parts only boosters have use for them: a regression of a few dozen coefficients and a model of four are what
they were. So the weight of boosters counts twice afterwards, see `refitted`; half as much more where customers are few.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from churn_value.estimators import FloatArray

PULL, PULL_OF_AMOUNTS = 2.0, 10.0
SMALLEST_SUM = 1e-6
# On nine of ten earlier cuts boosters deserved more than their learned weight once refitted, see decision 16.
REFITTED_COUNT, COUNT_OF_FEW = 2.0, 1.5
FEW_CUSTOMERS, MANY_CUSTOMERS = 600, 1_500
LARGEST_LOG = 25.0


def stacked(scores: FloatArray, churned: FloatArray, prior: FloatArray) -> FloatArray:
    """Weights of parts.

    Parameters
    ----------
    scores
        (n, parts) raw log-odds of rows that no part has seen.
    churned
        (n,) 0 or 1.
    prior
        (parts,) weights to start from, not negative, summing to 1.

    Returns
    -------
    ndarray of shape (parts,)
        Not negative, summing to 1.
    """

    def losses(z: FloatArray) -> tuple[FloatArray, FloatArray]:
        return np.logaddexp(0.0, z) - churned * z, expit(z) - churned

    return _weights(scores, losses, prior, PULL)


def stacked_amounts(scores: FloatArray, amounts: FloatArray, prior: FloatArray) -> FloatArray:
    """Weights of parts whose scores are logs of amounts.

    Parameters
    ----------
    scores
        (n, parts) logs of expected amounts, in any unit, of rows that no part has seen.
    amounts
        (n,) true amounts, not negative, with a positive mean.
    prior
        (parts,) weights to start from, not negative, summing to 1.

    Returns
    -------
    ndarray of shape (parts,)
        Not negative, summing to 1.

    Notes
    -----
    With y amounts over their mean and m = exp(z), half the deviance of power 1.5 is ``2 y / sqrt(m) + 2 sqrt(m)`` and
    what does not depend on m.
    """
    share = amounts / amounts.mean()

    def losses(z: FloatArray) -> tuple[FloatArray, FloatArray]:
        root = np.exp(np.clip(z, -LARGEST_LOG, LARGEST_LOG) / 2)
        return 2 * (share / root + root), root - share / root

    return _weights(scores, losses, prior, PULL_OF_AMOUNTS)


def share_of_many(customers: int) -> float:
    """0 for up to 600 customers, 1 from 1,500 on, straight between: how far what holds for many is to be believed."""
    return float(np.clip((customers - FEW_CUSTOMERS) / (MANY_CUSTOMERS - FEW_CUSTOMERS), 0.0, 1.0))


def refitted(weights: FloatArray, boosters: int, many: float = 1.0) -> FloatArray:
    """Weights for parts that are fitted again on more rows: the first `boosters` of them count more.

    Parameters
    ----------
    weights
        (parts,) not negative, summing to 1.
    boosters
        How many of the first parts are boosters.
    many
        Share of many, see `share_of_many`: at 1 boosters count twice, at 0 one and a half times.
    """
    count = COUNT_OF_FEW + many * (REFITTED_COUNT - COUNT_OF_FEW)
    counted = np.where(np.arange(len(weights)) < boosters, count * weights, weights)
    shares: FloatArray = counted / counted.sum()
    return shares


def _weights(
    scores: FloatArray, losses: Callable[[FloatArray], tuple[FloatArray, FloatArray]], prior: FloatArray, pull: float
) -> FloatArray:
    """Weights that lose least: `losses` gives each row's loss at a score, and its slope there."""
    parts = scores.shape[1]

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        weights, intercept = parameters[:parts], parameters[parts]
        lost, slope = losses(scores @ weights + intercept)
        away = weights - prior * weights.sum()
        penalty_gradient = 2 * pull * (away - (prior @ away))
        value = float(np.sum(lost) + pull * away @ away)
        return value, np.append(scores.T @ slope + penalty_gradient, slope.sum())

    bounds = [(0.0, None)] * parts + [(None, None)]
    found = minimize(loss, np.append(prior, 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x[:parts]
    weights: FloatArray = found / found.sum() if found.sum() > SMALLEST_SUM else prior
    return weights
