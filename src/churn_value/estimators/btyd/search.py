"""Maximum likelihood over positive parameters: in logs, bounded, from several starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from churn_value.estimators import FloatArray

FOLLOWED = 2
REFUSED = 1e10
LogBounds = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Found:
    """Parameters, their mean log-likelihood, and whether any start reached it."""

    parameters: tuple[float, ...]
    log_likelihood: float
    converged: bool


def maximise(
    log_likelihood: Callable[[FloatArray], float], starts: Sequence[Sequence[float]], bounds: LogBounds
) -> Found:
    """Best of a bounded quasi-Newton search from each start.

    Parameters
    ----------
    log_likelihood
        Mean per customer, of positive parameters; may be ``nan`` or infinite where it cannot be computed.
    starts
        Positive parameters to start from; the two most likely ones are followed.
    bounds
        Of the logs of the parameters: a fit that wants to leave them (as a population without heterogeneity does) ends
        at a bound, with finite predictions.

    Returns
    -------
    Found
        ``converged`` is false, and the parameters are the first start's, when no start led to a finite likelihood.
    """

    def loss(logs: FloatArray) -> float:
        value = log_likelihood(np.exp(logs))
        return -value if np.isfinite(value) else REFUSED

    low, high = np.asarray(bounds, dtype=np.float64).T
    inside = [np.clip(np.log(np.asarray(start, dtype=np.float64)), low, high) for start in starts]
    ends = [_follow(loss, logs, bounds, "2-point", 1e-10) for logs in sorted(inside, key=loss)[:FOLLOWED]]
    # The likelihood is flat along a ridge; central differences take the better end to its top.
    logs, height = _follow(loss, min(ends, key=lambda end: end[1])[0], bounds, "3-point", 1e-14)
    if height >= REFUSED:
        return Found(tuple(float(value) for value in starts[0]), float("-inf"), converged=False)
    return Found(tuple(float(value) for value in np.exp(logs)), -height, converged=True)


def _follow(
    loss: Callable[[FloatArray], float], logs: FloatArray, bounds: LogBounds, differences: str, gain: float
) -> tuple[FloatArray, float]:
    """Where a search from `logs` ends for want of a relative `gain`, and the loss there."""
    options = {"maxiter": 150, "ftol": gain, "gtol": 1e-7}
    end = minimize(loss, logs, method="L-BFGS-B", jac=differences, bounds=bounds, options=options)
    return end.x, float(end.fun)
