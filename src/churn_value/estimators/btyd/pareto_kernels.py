"""The Pareto/NBD's likelihood and Gauss's continued fraction in it, compiled.

As array operations they are some hundred of them, and one row pays for each.
"""

from __future__ import annotations

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.compiled import compiled

BLOCK = 16


@compiled
def fraction(b: FloatArray, c: FloatArray, z: FloatArray, terms: int, out: FloatArray) -> None:
    """F(1, b; c; z) by `terms` pairs of the fraction, into `out`; all of shape (n,).

    Rows go in blocks, so that a pair is a few instructions for all of a block; a row's operations and their order are
    the same in any block.
    """
    tail = np.empty(BLOCK)
    for start in range(0, len(z), BLOCK):
        size = min(BLOCK, len(z) - start)
        for row in range(size):
            tail[row] = 0.5 * (1 + np.sqrt(1 - z[start + row]))
        for k in range(terms, 0, -1):
            for row in range(size):
                x, y, at = b[start + row], c[start + row], z[start + row]
                even = 1 - (x + k) * (y + k - 1) / ((y + 2 * k - 1) * (y + 2 * k)) * at / tail[row]
                tail[row] = 1 - k * (y - x + k - 1) / ((y + 2 * k - 2) * (y + 2 * k - 1)) * at / even
        for row in range(size):
            place = start + row
            out[place] = 1 / (1 - b[place] / c[place] * z[place] / tail[row])


@compiled
def log_bracket(  # noqa: PLR0917 - compiled code takes its arguments by place
    r: FloatArray,
    alpha: FloatArray,
    s: FloatArray,
    beta: FloatArray,
    x: FloatArray,
    tx: FloatArray,
    T: FloatArray,
    terms: int,
    out: FloatArray,
) -> None:
    """Log of ``(alpha + T)^-(r + x) (beta + T)^-s + s / (r + s + x) A0`` of the likelihood, as a sum of two positives.

    Integrating by parts turns the difference in A0, which cancels for frequent buyers, into
    ``(s h(tx) + (r + x) h(T)) / (r + s + x)``. Euler's transformation then takes the large powers out of both
    hypergeometric functions, each written with the larger of alpha and beta so that its argument is within 0 and 1.
    All of shape (n,).
    """
    rows = len(out)
    early_b, early_z, late_b, late_z = np.empty(rows), np.empty(rows), np.empty(rows), np.empty(rows)
    first, second, above = np.empty(rows), np.empty(rows), np.empty(rows)
    for row in range(rows):
        shape = r[row] + x[row]
        gap, larger = abs(alpha[row] - beta[row]), max(alpha[row], beta[row])
        # The powers of alpha + t and beta + t that Euler's transformation leaves.
        more = 0.0 if alpha[row] >= beta[row] else 1.0
        early_b[row] = shape if more == 0.0 else s[row] + 1
        late_b[row] = shape + 1 if more == 0.0 else s[row]
        early_z[row], late_z[row] = gap / (larger + tx[row]), gap / (larger + T[row])
        above[row] = r[row] + s[row] + x[row] + 1
        first[row] = -(shape - more) * np.log(alpha[row] + tx[row]) - (s[row] + more) * np.log(beta[row] + tx[row])
        second[row] = -(shape + 1 - more) * np.log(alpha[row] + T[row]) - (s[row] - 1 + more) * np.log(
            beta[row] + T[row]
        )
    early, late = np.empty(rows), np.empty(rows)
    fraction(early_b, above, early_z, terms, early)
    fraction(late_b, above, late_z, terms, late)
    for row in range(rows):
        total = above[row] - 1
        one = first[row] + np.log(s[row] / total * early[row])
        other = second[row] + np.log((r[row] + x[row]) / total * late[row])
        larger = max(one, other)
        out[row] = larger + np.log1p(np.exp(min(one, other) - larger)) if np.isfinite(larger) else larger


@compiled
def alive(
    population: tuple[float, float, float, float], x: FloatArray, tx: FloatArray, T: FloatArray, terms: int
) -> FloatArray:
    """P(still a customer at T) of each history; see `ParetoNbd.alive`. All of shape (n,)."""
    r, alpha, s, beta = population
    rows = len(T)
    p = np.empty(rows)
    log_bracket(np.full(rows, r), np.full(rows, alpha), np.full(rows, s), np.full(rows, beta), x, tx, T, terms, p)
    for row in range(rows):
        surviving = -(r + x[row]) * np.log(alpha + T[row]) - s * np.log(beta + T[row])
        p[row] = np.exp(min(surviving - p[row], 0.0))
    return p


@compiled
def silence(  # noqa: PLR0917 - compiled code takes its arguments by place
    population: tuple[float, float, float, float],
    x: FloatArray,
    tx: FloatArray,
    T: FloatArray,
    horizon: float,
    terms: int,
    out: FloatArray,
) -> None:
    """P(no purchase in the horizon) of each history, into `out`; see `ParetoNbd.no_purchase`. All of shape (n,)."""
    r, alpha, s, beta = population
    rows = len(out)
    p, nothing, bracket = alive(population, x, tx, T, terms), np.zeros(rows), np.empty(rows)
    log_bracket(r + x, alpha + T, np.full(rows, s), beta + T, nothing, nothing, np.full(rows, horizon), terms, bracket)
    for row in range(rows):
        newcomer = (r + x[row]) * np.log(alpha + T[row]) + s * np.log(beta + T[row])
        out[row] = 1 - p[row] * (1 - np.exp(min(newcomer + bracket[row], 0.0)))
