"""BG/NBD: purchases at a gamma-distributed rate; after each, the customer leaves with a beta-distributed probability.

References
----------
Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), 275-284,
doi:10.1287/mksc.1040.0098: likelihood (6), conditional expectation (10), P(alive) from (7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln, hyp2f1

from churn_value.estimators import FloatArray
from churn_value.estimators.btyd.history import History, refuse_empty
from churn_value.estimators.btyd.search import maximise

STARTS = ((1.0, 1.0, 1.0, 2.0), (0.3, 0.1, 0.3, 3.0), (2.0, 0.3, 0.1, 1.0))
BOUNDS = ((-6.0, 5.0), (-7.0, 5.0), (-6.0, 5.0), (-6.0, 6.0))
SINGULAR = 1e-5
FALLBACK = "nbd_without_leaving"


@dataclass(frozen=True)
class BgNbd:
    """A fitted BG/NBD.

    Attributes
    ----------
    r, alpha
        Shape and rate of the gamma distribution of purchase rates; alpha in the unit of time.
    a, b
        Beta distribution of the probability of leaving after a purchase.
    fallback
        Null, or the name of what stands in for a fit that did not converge: the rate alone, nobody ever leaving.
    """

    r: float
    alpha: float
    a: float
    b: float
    fallback: str | None = None

    def log_likelihood(self, history: History) -> FloatArray:
        """Of each history, shape (n,), equation (6)."""
        x, tx, T = history.frequency, history.recency, history.T
        shape = self.r + x
        common = gammaln(shape) - gammaln(self.r) + self.r * np.log(self.alpha)
        stayed = betaln(self.a, self.b + x) - shape * np.log(self.alpha + T)
        left = betaln(self.a + 1, np.maximum(self.b + x - 1, 1e-12)) - shape * np.log(self.alpha + tx)
        total: FloatArray = common + np.logaddexp(stayed, np.where(x > 0, left, -np.inf)) - betaln(self.a, self.b)
        return total

    def alive(self, history: History) -> FloatArray:
        """P(still a customer at T), shape (n,), 0 to 1; 1 without a repeat, which leaving follows."""
        x, tx, T = history.frequency, history.recency, history.T
        odds = np.log(self.a / np.maximum(self.b + x - 1, 1e-12))
        odds = odds + (self.r + x) * np.log((self.alpha + T) / (self.alpha + tx))
        p: FloatArray = np.where(x > 0, 1 / (1 + np.exp(np.minimum(odds, 700.0))), 1.0)
        return p

    def expected_purchases(self, history: History, horizon: float) -> FloatArray:
        """E[purchases in (T, T + horizon]], shape (n,), never negative.

        Notes
        -----
        Equation (10) after Euler's transformation of its hypergeometric function, which keeps every factor near 1 for
        customers with hundreds of purchases: with ``w = (alpha + T) / (alpha + T + horizon)`` and F the function,
        ``(a + b + x - 1) / (a - 1) (1 - w^(a - 1) F(a + b - 1 - r, a - 1; a + b + x - 1; 1 - w)) P(alive)``. It is
        singular at a = 1 and, without a repeat, at a + b = 1, from which it is moved by 1e-5.
        """
        a = self.a if abs(self.a - 1) > SINGULAR else 1 + SINGULAR
        x, T = history.frequency, history.T
        c = a + self.b + x - 1
        c = np.where(np.abs(c) < SINGULAR, SINGULAR, c)  # c F(c) has a limit at c = 0, F(c) has none
        w = (self.alpha + T) / (self.alpha + T + horizon)
        with np.errstate(over="ignore", invalid="ignore"):
            series = hyp2f1(a + self.b - 1 - self.r, a - 1, c, 1 - w)
            if_alive = c / (a - 1) * (1 - w ** (a - 1) * series)
        # No more than a customer who never leaves would buy; also what stands in should the series fail.
        at_most = (self.r + x) / (self.alpha + T) * horizon
        expected: FloatArray = np.clip(np.nan_to_num(if_alive, nan=np.inf), 0.0, at_most) * self.alive(history)
        return expected

    def no_purchase(self, history: History, horizon: float) -> FloatArray:
        """P(no purchase in (T, T + horizon]), shape (n,), 0 to 1.

        Notes
        -----
        Leaving follows a purchase, so an alive customer buys nothing exactly when the Poisson process at a rate of
        posterior Gamma(r + x, alpha + T) has no event: ``1 - P(alive) (1 - w^(r + x))``.
        """
        x, T = history.frequency, history.T
        silent = np.exp((self.r + x) * np.log((self.alpha + T) / (self.alpha + T + horizon)))
        p: FloatArray = 1 - self.alive(history) * (1 - silent)
        return p


def fit_bg_nbd(history: History) -> BgNbd:
    """Maximum likelihood fit; a population that does not let itself be fitted gets the named fallback.

    Raises
    ------
    TooLittleData
        When there is no history.
    """
    refuse_empty(history)
    unit = float(history.T.max())
    if history.frequency.sum() == 0:
        return _fallback(history, unit)
    rows = history.scaled(unit).distinct()

    def mean_log_likelihood(parameters: FloatArray) -> float:
        r, alpha, a, b = (float(value) for value in parameters)
        model = BgNbd(r, alpha, a, b)
        return float(np.average(model.log_likelihood(rows), weights=rows.weight))

    found = maximise(mean_log_likelihood, STARTS, BOUNDS)
    if not found.converged:
        return _fallback(history, unit)
    r, alpha, a, b = found.parameters
    return BgNbd(r, alpha * unit, a, b)


def _fallback(history: History, unit: float) -> BgNbd:
    rate = float(history.frequency.sum() / history.T.sum())
    return BgNbd(1.0, 1.0 / max(rate, 1e-6 / unit), 1e-6, 1.0, FALLBACK)
