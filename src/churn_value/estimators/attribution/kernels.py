"""The loops over trees and rows, compiled by numba; every sum of a row is taken in one order, alone or among others."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from churn_value.estimators import FloatArray
from churn_value.estimators.compiled import compiled

BLOCK = 64
LANES = 4
Ints = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]


class Cells(NamedTuple):
    """How numbers become cells: column c is of ``features[c]``, its edges are at ``starts[c]:starts[c + 1]``."""

    features: Ints
    codes: Ints
    starts: Ints
    edges: FloatArray
    zero: float


class Tests(NamedTuple):
    """Test t asks ``columns[t]``; the cells that pass it are the bits of `words` from ``starts[t]`` on."""

    columns: Ints
    starts: Ints
    words: Words


class Edges(NamedTuple):
    """Steps of trees at up to four nodes of a quadrature; group g has those from ``starts[g]`` to ``starts[g + 1]``.

    With u and p, 0 or 1, for the two tests of a step, its factor at a node is ``(f[0] + u f[1]) + p f[2]`` of
    ``f = factors[step]``, shape (3, 4), and its weight likewise. Where ``again`` is not set, u changes nothing.
    ``lasts`` is set for the last step below the one above it.
    """

    starts: Ints
    lanes: Ints
    parents: Ints
    columns: Ints
    tests: Ints
    lasts: Flags
    again: Flags
    factors: FloatArray
    weights: FloatArray


class Walks(NamedTuple):
    """Trees to walk: node i goes left if the row passes ``tests[i]``; a child below 0 is ``~leaf``.

    Booster b has the `roots` from ``starts[b]`` to ``starts[b + 1]``.
    """

    starts: Ints
    roots: Ints
    tests: Ints
    left: Ints
    right: Ints
    values: FloatArray


@compiled
def _cell(value: float, column: int, cells: Cells) -> int:
    """Cell of a value, in the order that `paths.Column` gives."""
    low: int = cells.starts[column]
    end: int = cells.starts[column + 1]
    codes: int = cells.codes[column]
    if codes > 0:
        return int(value) if -1 < value < codes else codes
    edges = end - low
    if np.isnan(value):
        return edges + 2
    if abs(value) <= cells.zero:
        return edges + 1
    start: int = low
    high: int = end
    while low < high:
        middle = (low + high) >> 1
        if value <= cells.edges[middle]:
            high = middle
        else:
            low = middle + 1
    return low - start


@compiled
def _passes(test: int, cell: int, tests: Tests) -> int:
    word = tests.words[tests.starts[test] + (cell >> 6)]
    return int((word >> np.uint64(cell & 63)) & np.uint64(1))


@compiled
def walk(matrix: FloatArray, cells: Cells, tests: Tests, walks: Walks, out: FloatArray) -> None:
    """Mean over boosters of the sums of their leaf values, added tree by tree as LightGBM adds them; shape (n,)."""
    found = np.empty(len(cells.features), np.int32)
    boosters = len(walks.starts) - 1
    for row in range(len(matrix)):
        for column in range(len(found)):
            found[column] = _cell(matrix[row, cells.features[column]], column, cells)
        total = 0.0
        for booster in range(boosters):
            score = 0.0
            for tree in range(walks.starts[booster], walks.starts[booster + 1]):
                place = walks.roots[tree]
                while place >= 0:
                    test = walks.tests[place]
                    left = _passes(test, found[tests.columns[test]], tests)
                    place = walks.left[place] if left else walks.right[place]
                score += walks.values[~place]
            total += score
        out[row] = total / boosters


@compiled
def explain(matrix: FloatArray, cells: Cells, tests: Tests, edges: Edges, out: FloatArray) -> None:
    """Add the contributions of all trees to `out`, shape (n, k + 1); its last column stays as it is.

    Many rows go in blocks, a few one by one; what is added to what, and in which order, is the same.
    """
    start = 0
    while len(matrix) - start > BLOCK // 4:
        end = min(start + BLOCK, len(matrix))
        _explain_block(matrix[start:end], cells, tests, edges, out[start:end])
        start = end
    for row in range(start, len(matrix)):
        _explain_row(matrix[row], cells, tests, edges, out[row])


@compiled
def _longest(edges: Edges) -> int:
    longest = 0
    for group in range(len(edges.starts) - 1):
        longest = max(longest, edges.starts[group + 1] - edges.starts[group])
    return longest + 1


@compiled
def _explain_row(row: FloatArray, cells: Cells, tests: Tests, edges: Edges, out: FloatArray) -> None:
    found, truth = np.empty(len(cells.features), np.int32), np.empty(len(tests.columns))
    for column in range(len(found)):
        found[column] = _cell(row[cells.features[column]], column, cells)
    for test in range(len(truth)):
        truth[test] = _passes(test, found[tests.columns[test]], tests)
    sums, products = np.zeros((len(found), LANES)), np.ones((_longest(edges), LANES))
    for group in range(len(edges.starts) - 1):
        first, end = edges.starts[group], edges.starts[group + 1]
        _descend(edges, first, end, truth, products)
        _ascend(edges, first, end, truth, products, sums)
    for column in range(len(found)):
        total = (sums[column, 0] + sums[column, 1]) + (sums[column, 2] + sums[column, 3])
        out[cells.features[column]] += total


@compiled
def _descend(edges: Edges, first: int, end: int, truth: FloatArray, products: FloatArray) -> None:
    """Products of factors from the root to each step; the leaf's value is one of the factors.

    The four lanes are written out, all reads before all writes: a loop over them would not become one instruction.
    """
    f = edges.factors
    for edge in range(first, end):
        p, u = truth[edges.tests[edge, 0]], truth[edges.tests[edge, 1]]
        own, above = edge - first + 1, edges.parents[edge]
        a = products[above, 0] * ((f[edge, 0, 0] + u * f[edge, 1, 0]) + p * f[edge, 2, 0])
        b = products[above, 1] * ((f[edge, 0, 1] + u * f[edge, 1, 1]) + p * f[edge, 2, 1])
        c = products[above, 2] * ((f[edge, 0, 2] + u * f[edge, 1, 2]) + p * f[edge, 2, 2])
        d = products[above, 3] * ((f[edge, 0, 3] + u * f[edge, 1, 3]) + p * f[edge, 2, 3])
        products[own, 0], products[own, 1], products[own, 2], products[own, 3] = a, b, c, d


@compiled
def _ascend(  # noqa: PLR0917 - compiled code takes its arguments by place
    edges: Edges, first: int, end: int, truth: FloatArray, products: FloatArray, sums: FloatArray
) -> None:
    """Sums over the leaves below each step, weighed for the step's feature; they take the place of the products."""
    w = edges.weights
    for own in range(end - first, 0, -1):
        edge = first + own - 1
        above, column = edges.parents[edge], edges.columns[edge]
        p, u = truth[edges.tests[edge, 0]], truth[edges.tests[edge, 1]]
        a, b, c, d = products[own, 0], products[own, 1], products[own, 2], products[own, 3]
        if above > 0 and edges.lasts[edge]:
            products[above, 0], products[above, 1], products[above, 2], products[above, 3] = a, b, c, d
        elif above > 0:
            e, f, g, h = products[above, 0], products[above, 1], products[above, 2], products[above, 3]
            e, f, g, h = e + a, f + b, g + c, h + d
            products[above, 0], products[above, 1], products[above, 2], products[above, 3] = e, f, g, h
        a = a * ((w[edge, 0, 0] + u * w[edge, 1, 0]) + p * w[edge, 2, 0])
        b = b * ((w[edge, 0, 1] + u * w[edge, 1, 1]) + p * w[edge, 2, 1])
        c = c * ((w[edge, 0, 2] + u * w[edge, 1, 2]) + p * w[edge, 2, 2])
        d = d * ((w[edge, 0, 3] + u * w[edge, 1, 3]) + p * w[edge, 2, 3])
        e, f, g, h = sums[column, 0], sums[column, 1], sums[column, 2], sums[column, 3]
        sums[column, 0], sums[column, 1], sums[column, 2], sums[column, 3] = e + a, f + b, g + c, h + d


@compiled
def _explain_block(matrix: FloatArray, cells: Cells, tests: Tests, edges: Edges, out: FloatArray) -> None:
    """The same for up to `BLOCK` rows side by side: the innermost loops run over rows; no array is sliced in them."""
    columns = len(cells.features)
    found, truth = np.zeros((columns, BLOCK), np.int32), np.empty((len(tests.columns), BLOCK))
    for column in range(columns):
        for row in range(len(matrix)):
            found[column, row] = _cell(matrix[row, cells.features[column]], column, cells)
    for test in range(len(truth)):
        column, word = tests.columns[test], tests.starts[test]
        for row in range(BLOCK):
            cell = found[column, row]
            truth[test, row] = (tests.words[word + (cell >> 6)] >> np.uint64(cell & 63)) & np.uint64(1)
    sums, products = np.zeros((LANES * columns, BLOCK)), np.ones((_longest(edges), BLOCK))
    for group in range(len(edges.starts) - 1):
        for lane in range(edges.lanes[group]):
            first, end = edges.starts[group], edges.starts[group + 1]
            _descend_block(edges, first, end, lane, truth, products)
            _ascend_block(edges, first, end, lane, truth, products, sums)
    for column in range(columns):
        for row in range(len(matrix)):
            at = LANES * column
            total = (sums[at, row] + sums[at + 1, row]) + (sums[at + 2, row] + sums[at + 3, row])
            out[row, cells.features[column]] += total


@compiled
def _descend_block(  # noqa: PLR0917 - as above
    edges: Edges, first: int, end: int, lane: int, truth: FloatArray, products: FloatArray
) -> None:
    factors = edges.factors
    for edge in range(first, end):
        own, above, p = edge - first + 1, edges.parents[edge], edges.tests[edge, 0]
        one, most = factors[edge, 0, lane], factors[edge, 2, lane]
        if edges.again[edge]:
            u, more = edges.tests[edge, 1], factors[edge, 1, lane]
            for row in range(BLOCK):
                products[own, row] = products[above, row] * ((one + truth[u, row] * more) + truth[p, row] * most)
        else:
            for row in range(BLOCK):
                products[own, row] = products[above, row] * (one + truth[p, row] * most)


@compiled
def _ascend_block(  # noqa: PLR0917 - as above
    edges: Edges, first: int, end: int, lane: int, truth: FloatArray, products: FloatArray, sums: FloatArray
) -> None:
    weights = edges.weights
    for edge in range(end - 1, first - 1, -1):
        own, above, p = edge - first + 1, edges.parents[edge], edges.tests[edge, 0]
        one, most, total = weights[edge, 0, lane], weights[edge, 2, lane], LANES * edges.columns[edge] + lane
        if above > 0 and edges.lasts[edge]:
            for row in range(BLOCK):
                products[above, row] = products[own, row]
        elif above > 0:
            for row in range(BLOCK):
                products[above, row] += products[own, row]
        if edges.again[edge]:
            u, more = edges.tests[edge, 1], weights[edge, 1, lane]
            for row in range(BLOCK):
                sums[total, row] += products[own, row] * ((one + truth[u, row] * more) + truth[p, row] * most)
        else:
            for row in range(BLOCK):
                sums[total, row] += products[own, row] * (one + truth[p, row] * most)
