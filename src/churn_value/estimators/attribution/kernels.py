"""The loops over trees and rows, compiled by numba; every sum of a row is taken in one order, alone or among others."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from churn_value.estimators import FloatArray
from churn_value.estimators.compiled import compiled

BLOCK = 64
LANES = 4
STATES = 3
ROOT, NOWHERE, FIRST = 0, 1, 2
ONE, OWN = np.uint64(1), np.uint64(FIRST)
WORD_SHIFT, WORD_MASK = np.uint64(6), np.uint64(63)
_LINE_BYTES = 64
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

    A step is in one of up to three states: the number of its two tests that a row passes. Its factors at the nodes are
    ``states[places[step] + state, 0]`` and its weights ``states[places[step] + state, 1]``. Where ``again`` is not set
    the upper test is passed by all rows, and no state 0 is kept: `places` then points one before the first that is.

    Places of steps within a group are counted from `FIRST`; ROOT stands above the first steps of a tree, NOWHERE for
    no step. ``parents`` is above a step, ``below`` are the two below it: itself and NOWHERE if it ends in a leaf.
    """

    starts: Ints
    lanes: Ints
    parents: Ints
    below: Ints
    columns: Ints
    tests: Ints
    again: Flags
    places: Ints
    states: FloatArray


class Walks(NamedTuple):
    """Trees to walk: node i asks ``columns[i]``; the bits of `words` from ``starts[i]`` on are the cells that go left.

    ``children[i, 1]`` is on the left; a child below 0 is ``~leaf``. Booster b has the `roots` from ``boosters[b]`` to
    ``boosters[b + 1]``.
    """

    boosters: Ints
    roots: Ints
    columns: Ints
    starts: Ints
    words: Words
    children: Ints
    values: FloatArray


def on_lines(shape: tuple[int, ...]) -> FloatArray:
    """Unset doubles that begin where a cache line does: what fills a line is then read from one, not from two."""
    size = 8 * prod(shape)
    room = np.empty(size + _LINE_BYTES, np.uint8)
    skipped = -room.ctypes.data % _LINE_BYTES
    return room[skipped : skipped + size].view(np.float64).reshape(shape)


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
    return int((word >> np.uint64(cell & 63)) & ONE)


@compiled
def walk(matrix: FloatArray, cells: Cells, walks: Walks, out: FloatArray) -> None:
    """Mean over boosters of the sums of their leaf values, added tree by tree as LightGBM adds them; shape (n,)."""
    found = np.empty(len(cells.features), np.uint64)
    boosters = len(walks.boosters) - 1
    for row in range(len(matrix)):
        for column in range(len(found)):
            found[column] = _cell(matrix[row, cells.features[column]], column, cells)
        total = 0.0
        for booster in range(boosters):
            score = 0.0
            for tree in range(walks.boosters[booster], walks.boosters[booster + 1]):
                place = walks.roots[tree]
                while place >= 0:
                    # Places are unsigned for the same reason as in `_descend`.
                    node = np.uint64(place)
                    cell = found[np.uint64(walks.columns[node])]
                    word = walks.words[np.uint64(walks.starts[node]) + (cell >> WORD_SHIFT)]
                    place = walks.children[node, (word >> (cell & WORD_MASK)) & ONE]
                score += walks.values[np.uint64(~place)]
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
    return longest + FIRST


@compiled
def _explain_row(row: FloatArray, cells: Cells, tests: Tests, edges: Edges, out: FloatArray) -> None:
    found, truth = np.empty(len(cells.features), np.int32), np.empty(len(tests.columns), np.int32)
    for column in range(len(found)):
        found[column] = _cell(row[cells.features[column]], column, cells)
    for test in range(len(truth)):
        truth[test] = _passes(test, found[tests.columns[test]], tests)
    at = np.empty(len(edges.places), np.int32)
    for edge in range(len(at)):
        at[edge] = edges.places[edge] + truth[edges.tests[edge, 0]] + truth[edges.tests[edge, 1]]
    sums, products = np.zeros((len(found), LANES)), np.ones((_longest(edges), LANES))
    products[NOWHERE] = 0.0
    for group in range(len(edges.starts) - 1):
        first, end = np.uint64(edges.starts[group]), np.uint64(edges.starts[group + 1])
        if edges.lanes[group] == 1:
            _one_lane(edges, first, end, at, products, sums)
        else:
            _descend(edges, first, end, at, products)
            _ascend(edges, first, end, at, products, sums)
    for column in range(len(found)):
        total = (sums[column, 0] + sums[column, 1]) + (sums[column, 2] + sums[column, 3])
        out[cells.features[column]] += total


@compiled
def _descend(edges: Edges, first: np.uint64, end: np.uint64, at: Ints, products: FloatArray) -> None:
    """Products of factors from the root to each step; the leaf's value is one of the factors.

    Lanes are written out, all reads before all writes, and places are unsigned: a place that may be negative is
    looked at before each use, which would take half of the time.
    """
    states = edges.states
    for edge in range(first, end):
        own, above, state = edge - first + OWN, np.uint64(edges.parents[edge]), np.uint64(at[edge])
        a = products[above, 0] * states[state, 0, 0]
        b = products[above, 1] * states[state, 0, 1]
        c = products[above, 2] * states[state, 0, 2]
        d = products[above, 3] * states[state, 0, 3]
        products[own, 0], products[own, 1], products[own, 2], products[own, 3] = a, b, c, d


@compiled
def _ascend(  # noqa: PLR0917 - compiled code takes its arguments by place
    edges: Edges, first: np.uint64, end: np.uint64, at: Ints, products: FloatArray, sums: FloatArray
) -> None:
    """Sums over the leaves below each step, weighed for the step's feature; they take the place of the products.

    A leaf's is its own and nothing: asking whether a step ends in a leaf would be guessed wrong half of the time.
    """
    states = edges.states
    for later in range(first, end):
        edge = first + end - ONE - later
        own, state, column = edge - first + OWN, np.uint64(at[edge]), np.uint64(edges.columns[edge])
        one, other = np.uint64(edges.below[edge, 0]), np.uint64(edges.below[edge, 1])
        a, b = products[one, 0] + products[other, 0], products[one, 1] + products[other, 1]
        c, d = products[one, 2] + products[other, 2], products[one, 3] + products[other, 3]
        products[own, 0], products[own, 1], products[own, 2], products[own, 3] = a, b, c, d
        a, b = a * states[state, 1, 0], b * states[state, 1, 1]
        c, d = c * states[state, 1, 2], d * states[state, 1, 3]
        e, f, g, h = sums[column, 0], sums[column, 1], sums[column, 2], sums[column, 3]
        sums[column, 0], sums[column, 1], sums[column, 2], sums[column, 3] = e + a, f + b, g + c, h + d


@compiled
def _one_lane(  # noqa: PLR0917 - as above
    edges: Edges, first: np.uint64, end: np.uint64, at: Ints, products: FloatArray, sums: FloatArray
) -> None:
    """Down and up again at a single node; the other lanes would only add nothing to nothing."""
    states = edges.states
    for edge in range(first, end):
        above, state = np.uint64(edges.parents[edge]), np.uint64(at[edge])
        products[edge - first + OWN, 0] = products[above, 0] * states[state, 0, 0]
    for later in range(first, end):
        step = first + end - ONE - later
        one, other = np.uint64(edges.below[step, 0]), np.uint64(edges.below[step, 1])
        total = products[one, 0] + products[other, 0]
        products[step - first + OWN, 0] = total
        sums[np.uint64(edges.columns[step]), 0] += total * states[np.uint64(at[step]), 1, 0]


@compiled
def _explain_block(matrix: FloatArray, cells: Cells, tests: Tests, edges: Edges, out: FloatArray) -> None:
    """The same for up to `BLOCK` rows side by side: the innermost loops run over rows; no array is sliced in them."""
    columns = len(cells.features)
    found, truth = np.zeros((columns, BLOCK), np.int32), np.empty((len(tests.columns), BLOCK), np.bool_)
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
    edges: Edges, first: int, end: int, lane: int, truth: Flags, products: FloatArray
) -> None:
    for edge in range(first, end):
        own, above, p, place = edge - first + FIRST, edges.parents[edge], edges.tests[edge, 0], edges.places[edge]
        one, both = edges.states[place + 1, 0, lane], edges.states[place + 2, 0, lane]
        if edges.again[edge]:
            u, none = edges.tests[edge, 1], edges.states[place, 0, lane]
            for row in range(BLOCK):
                products[own, row] = products[above, row] * (both if truth[p, row] else one if truth[u, row] else none)
        else:
            for row in range(BLOCK):
                products[own, row] = products[above, row] * (both if truth[p, row] else one)


@compiled
def _ascend_block(  # noqa: PLR0917 - as above
    edges: Edges, first: int, end: int, lane: int, truth: Flags, products: FloatArray, sums: FloatArray
) -> None:
    for edge in range(end - 1, first - 1, -1):
        own, left, right = edge - first + FIRST, edges.below[edge, 0], edges.below[edge, 1]
        p, place = edges.tests[edge, 0], edges.places[edge]
        one, both = edges.states[place + 1, 1, lane], edges.states[place + 2, 1, lane]
        total = LANES * edges.columns[edge] + lane
        if right != NOWHERE:
            for row in range(BLOCK):
                products[own, row] = products[left, row] + products[right, row]
        if edges.again[edge]:
            u, none = edges.tests[edge, 1], edges.states[place, 1, lane]
            for row in range(BLOCK):
                sums[total, row] += products[own, row] * (both if truth[p, row] else one if truth[u, row] else none)
        else:
            for row in range(BLOCK):
                sums[total, row] += products[own, row] * (both if truth[p, row] else one)
