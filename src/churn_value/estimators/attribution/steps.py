"""What each step down a tree multiplies and weighs, worked out before any row is seen.

A leaf of value V is a game between the features of its path: a set S of them earns V times the shares z of those
outside S if the row passes the tests of all in S, else 0. Its Shapley values are integrals of positive polynomials in
t, of degree d - 1 for d features, with one factor a feature::

    f(t) = z + t (1 - z)  where the test is passed,  z (1 - t)  where not;      F = V prod f
    contribution of a feature = int F(t) h(t) dt,    h = (1 - z) / f  where passed,  -1 / (1 - t)  where not

Gauss-Legendre quadrature makes an integral a sum over nodes t; ceil(d / 2) of them are exact. At a node the products F
are shared by all leaves below a step, and so are the sums of F over these leaves, which h weighs: one way down and one
way up the tree give all contributions of all its leaves. Where a path asks a feature again, the step exchanges the
factor and weight of the steps above (`upper`) for those of both tests together. The state of a row at a step is 2 if it
passes both, 1 if only the upper ones, 0 if not even these; without an upper step its z is 1, and it is always passed.

References
----------
Owen (1972), Management Science 18(5), for the integral; Lundberg et al. (2020), Nature Machine Intelligence 2,
doi:10.1038/s42256-019-0138-9, for the game that covers define; Yu et al. (2022), Linear TreeShap, NeurIPS 35, for the
sharing of products below a step, there of polynomials.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.attribution.kernels import LANES
from churn_value.estimators.attribution.paths import Edge


@cache
def quadrature(number: int) -> tuple[FloatArray, FloatArray]:
    """Nodes strictly within 0 and 1 and their weights, exact up to degree ``2 number - 1``."""
    nodes, weights = np.polynomial.legendre.leggauss(number)
    return (nodes + 1) / 2, weights / 2


def nodes_of(edges: Sequence[Edge]) -> int:
    """How many nodes the longest path of a tree needs; a feature asked again counts once."""
    features = [0]
    for edge in edges:
        features.append(features[edge.parent] + (not edge.again))
    return max(1, -(-max(features) // 2))


def steps(edges: Sequence[Edge], ended: Sequence[float], number: int) -> FloatArray:
    """Factors and weights of steps in each state, shape (groups, steps, 3, 2, 4), for groups of four nodes.

    Lanes of the last group without a node are 0.

    Parameters
    ----------
    edges
        Steps of one tree or of several.
    ended
        Value of the leaf that each step ends in, a factor of it; 1 for one that goes on.
    number
        Of nodes, as `nodes_of` gives it for each of the trees.
    """
    nodes, weights = quadrature(number)
    share, upper = (np.array(found)[:, None] for found in ([e.share for e in edges], [e.upper_share for e in edges]))
    passed, upper_passed = (one + nodes * (1 - one) for one in (share, upper))
    # A share of 0 leaves nothing below to be shared out.
    failed_above = np.divide(share, upper, out=np.zeros_like(share), where=upper > 0) + 0 * nodes
    multiplied = np.stack((failed_above, share * (1 - nodes) / upper_passed, passed / upper_passed), axis=1)
    hot, upper_hot = (1 - share) / passed, (1 - upper) / upper_passed
    weighed = np.stack((np.zeros_like(passed), -1 / (1 - nodes) - upper_hot, hot - upper_hot), axis=1)
    both = np.stack((np.array(ended)[:, None, None] * multiplied, weights * weighed), axis=2)
    padded = np.pad(both, ((0, 0), (0, 0), (0, 0), (0, -number % LANES)))
    return np.stack(np.split(padded, padded.shape[3] // LANES, axis=3))
