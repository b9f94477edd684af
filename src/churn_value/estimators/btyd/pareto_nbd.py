"""Pareto/NBD: purchases at a gamma-distributed rate during an exponential lifetime of gamma-distributed rate.

References
----------
Schmittlein, Morrison & Colombo (1987), Counting Your Customers: Who Are They and What Will They Do Next?, Management
Science 33(1), doi:10.1287/mnsc.33.1.1; Fader & Hardie (2005), A Note on Deriving the Pareto/NBD Model and Related
Expressions, brucehardie.com/notes/009.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.special import gammaln

from churn_value.estimators import FloatArray
from churn_value.estimators.btyd.history import History, refuse_empty
from churn_value.estimators.btyd.pareto_kernels import alive, fraction, log_bracket, silence
from churn_value.estimators.btyd.search import maximise

STARTS = ((0.6, 0.3, 0.6, 0.3), (2.0, 0.5, 0.3, 1.0), (0.3, 0.05, 1.5, 3.0))
BOUNDS = ((-6.0, 5.0), (-5.0, 4.0), (-6.0, 5.0), (-5.0, 4.0))
MOST_TERMS = 64
SINGULAR = 1e-6
FALLBACK = "nbd_without_leaving"


@lru_cache(maxsize=16)
def _terms(alpha: float, beta: float) -> int:
    """Pairs of the continued fraction that suffice for any customer of a population; no more than 64.

    The k-th pair corrects by ``((1 - g) / (1 + g))^(4 k)`` with ``g = sqrt(1 - z)``, and z is at most
    ``|alpha - beta| / max(alpha, beta)``. Taken from the population, not from the rows at hand, so that a customer's
    prediction is the same to the bit in any company.
    """
    root = np.sqrt(min(alpha, beta) / max(alpha, beta))
    ratio = (1 - root) / (1 + root)
    return int(np.clip(np.ceil(np.log(1e-14) / (2 * np.log(max(ratio, 1e-12)))) + 6, 8, MOST_TERMS))


def _hypergeometric_of_one(b: FloatArray, c: FloatArray, z: FloatArray, terms: int = MOST_TERMS) -> FloatArray:
    """Gauss's function F(1, b; c; z) for c > b > 0 and 0 <= z < 1, by his continued fraction.

    Notes
    -----
    The coefficients tend to 1/4, so the tail after the last pair is set to its limit ``(1 + sqrt(1 - z)) / 2``. With 64
    pairs the relative error is below 1e-10 for z <= 0.99; scipy's own function overflows for b above 170, as customers
    with that many purchases have.

    References
    ----------
    NIST Digital Library of Mathematical Functions, 15.7.5.
    """
    b, c, z = (np.ascontiguousarray(part, dtype=np.float64) for part in np.broadcast_arrays(b, c, z))
    value = np.empty(z.shape)
    fraction(b, c, z, terms, value)
    return value


@dataclass(frozen=True)
class ParetoNbd:
    """A fitted Pareto/NBD.

    Attributes
    ----------
    r, alpha
        Shape and rate of the gamma distribution of purchase rates.
    s, beta
        Shape and rate of the gamma distribution of leaving rates; alpha and beta in the unit of time.
    fallback
        Null, or the name of what stands in for a fit that did not converge: the rate alone, nobody ever leaving.
    """

    r: float
    alpha: float
    s: float
    beta: float
    fallback: str | None = None

    @property
    def _population(self) -> tuple[float, float, float, float]:
        return self.r, self.alpha, self.s, self.beta

    @property
    def _terms(self) -> int:
        return _terms(self.alpha, self.beta)

    def log_likelihood(self, history: History) -> FloatArray:
        """Of each history, shape (n,)."""
        x = history.frequency
        constant = gammaln(self.r + x) - gammaln(self.r) + self.r * np.log(self.alpha) + self.s * np.log(self.beta)
        r, alpha, s, beta = (np.full(len(history), value) for value in self._population)
        bracket = np.empty(len(history))
        log_bracket(r, alpha, s, beta, *_columns(history), self._terms, bracket)
        total: FloatArray = constant + bracket
        return total

    def alive(self, history: History) -> FloatArray:
        """P(still a customer at T), shape (n,), 0 to 1: the share of the bracket that the surviving term is."""
        return alive(self._population, *_columns(history), self._terms)

    def expected_purchases(self, history: History, horizon: float) -> FloatArray:
        """E[purchases in (T, T + horizon]], shape (n,), never negative.

        Notes
        -----
        ``(r + x)(beta + T) / ((alpha + T)(s - 1)) (1 - ((beta + T) / (beta + T + horizon))^(s - 1)) P(alive)``; at
        s = 1 the limit ``log((beta + T + horizon) / (beta + T))`` of the fraction.
        """
        return self.expected_while_alive(history, horizon) * self.alive(history)

    def expected_while_alive(self, history: History, horizon: float) -> FloatArray:
        """E[purchases in (T, T + horizon]] given still a customer at T, shape (n,), above 0."""
        x, T = history.frequency, history.T
        log_ratio = np.log1p(horizon / (self.beta + T))
        power = self.s - 1 if abs(self.s - 1) > SINGULAR else SINGULAR
        lifetime = (self.beta + T) * -np.expm1(-power * log_ratio) / power
        expected: FloatArray = (self.r + x) / (self.alpha + T) * lifetime
        return expected

    def no_purchase(self, history: History, horizon: float) -> FloatArray:
        """P(no purchase in (T, T + horizon]), shape (n,), 0 to 1.

        Notes
        -----
        Given alive at T, the rates are again gamma, with shapes r + x and s and rates alpha + T and beta + T, so
        silence has the likelihood L of a newcomer of that population buying nothing in `horizon`:
        ``1 - P(alive) (1 - L)``.
        """
        p = np.empty(len(history))
        silence(self._population, *_columns(history), float(horizon), self._terms, p)
        return p


def _columns(history: History) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Frequency, recency and age as compiled loops take them."""
    x, tx, T = (np.ascontiguousarray(part) for part in (history.frequency, history.recency, history.T))
    return x, tx, T


def fit_pareto_nbd(history: History) -> ParetoNbd:
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
        r, alpha, s, beta = (float(value) for value in parameters)
        model = ParetoNbd(r, alpha, s, beta)
        return float(np.average(model.log_likelihood(rows), weights=rows.weight))

    found = maximise(mean_log_likelihood, STARTS, BOUNDS)
    if not found.converged:
        return _fallback(history, unit)
    r, alpha, s, beta = found.parameters
    return ParetoNbd(r, alpha * unit, s, beta * unit)


def _fallback(history: History, unit: float) -> ParetoNbd:
    rate = float(history.frequency.sum() / history.T.sum())
    return ParetoNbd(1.0, 1.0 / max(rate, 1e-6 / unit), 1e-6, unit, FALLBACK)
