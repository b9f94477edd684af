"""Gamma-Gamma: the mean amount per purchase, independent of how often a customer buys.

References
----------
Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, brucehardie.com/notes/025: likelihood (1a), conditional
expectation (5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from churn_value.estimators import FloatArray
from churn_value.estimators.btyd.search import maximise

STARTS = ((6.0, 4.0, 0.5), (1.5, 3.0, 1.0), (2.0, 12.0, 5.0))
BOUNDS = ((-3.0, 6.0), (0.0953, 6.0), (-6.0, 8.0))
LEAST_REPEATERS = 10
FALLBACK = "mean_amount"


@dataclass(frozen=True)
class GammaGamma:
    """A fitted Gamma-Gamma.

    Attributes
    ----------
    p
        Shape of a customer's amounts.
    q, v
        Shape and rate of the gamma distribution of their inverse scale; v in money.
    fallback
        Null, or the name of what stands in for a fit that did not converge: the mean amount for everybody, with q so
        large that one's own purchases count for little.
    """

    p: float
    q: float
    v: float
    fallback: str | None = None

    def log_likelihood(self, frequency: FloatArray, monetary_value: FloatArray) -> FloatArray:
        """Of each customer's mean amount over `frequency` > 0 repeats, shape (n,), equation (1a)."""
        x, m = frequency, monetary_value
        px = self.p * x
        total: FloatArray = (
            gammaln(px + self.q) - gammaln(px) - gammaln(self.q) + self.q * np.log(self.v) + (px - 1) * np.log(m)
            + px * np.log(x) - (px + self.q) * np.log(self.v + m * x)
        )  # fmt: skip
        return total

    def expected_amount(self, frequency: FloatArray, monetary_value: FloatArray) -> FloatArray:
        """E[amount per purchase], shape (n,), in money, above 0: ``p (v + x m) / (p x + q - 1)``, equation (5)."""
        known = (frequency > 0) & (monetary_value > 0)
        x = np.where(known, frequency, 0.0)
        expected: FloatArray = self.p * (self.v + x * np.where(known, monetary_value, 0.0)) / (self.p * x + self.q - 1)
        return expected


def fit_gamma_gamma(frequency: FloatArray, monetary_value: FloatArray) -> GammaGamma:
    """Maximum likelihood fit over customers with repeats of a positive mean amount.

    Parameters
    ----------
    frequency
        (n,) repeat purchases.
    monetary_value
        (n,) mean amount per repeat purchase, in money.

    Returns
    -------
    GammaGamma
        q is kept above 1.1, below which the mean amount does not exist; with fewer than 10 customers, or without a
        finite likelihood, the named fallback.
    """
    known = (frequency > 0) & (monetary_value > 0)
    x, m = frequency[known], monetary_value[known]
    mean = float(m.mean()) if known.any() else 1.0

    def mean_log_likelihood(parameters: FloatArray) -> float:
        p, q, v = (float(value) for value in parameters)
        return float(GammaGamma(p, q, v).log_likelihood(x, m / mean).mean())

    if len(x) >= LEAST_REPEATERS:
        found = maximise(mean_log_likelihood, STARTS, BOUNDS)
        if found.converged:
            p, q, v = found.parameters
            return GammaGamma(p, q, v * mean)
    return GammaGamma(1.0, 1e6 + 1, mean * 1e6, FALLBACK)
