"""Scores and exact Shapley contributions of boosters, from their text alone.

`Walk` gives the raw score to the bit as LightGBM gives it; `Attribution` gives what its `pred_contrib` gives, within
1e-9, at the cost of a prediction. Both are the same bits for one row or a million, in any order, from any number of
threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import fsum
from typing import NamedTuple, Self

import numpy as np

from churn_value.errors import FingerprintMismatch
from churn_value.estimators import FloatArray
from churn_value.estimators.attribution.kernels import (
    BLOCK,
    FIRST,
    LANES,
    NOWHERE,
    ROOT,
    STATES,
    Cells,
    Edges,
    Flags,
    Ints,
    Tests,
    Walks,
    explain,
    on_lines,
    walk,
)
from churn_value.estimators.attribution.paths import ZERO, Asked, Edge, asked_by
from churn_value.estimators.attribution.steps import nodes_of, steps
from churn_value.estimators.attribution.text import Booster, Tree

ROWS_A_THREAD = 64 * BLOCK
_WORD_BITS = 64


def _starts(sizes: Sequence[int]) -> list[int]:
    return [0, *accumulate(sizes)]


def _cells(asked: Asked) -> Cells:
    columns = asked.columns
    return Cells(
        np.array([column.feature for column in columns], np.int32),
        np.array([column.codes for column in columns], np.int32),
        np.array(_starts([len(column.edges) for column in columns]), np.int32),
        np.array([edge for column in columns for edge in column.edges], np.float64),
        ZERO,
    )


def _tests(asked: Asked) -> Tests:
    sizes = [(asked.columns[column].cells - 1) // _WORD_BITS + 1 for column, _ in asked.tests]
    words = b"".join(cells.to_bytes(8 * size, "little") for (_, cells), size in zip(asked.tests, sizes, strict=True))
    return Tests(
        np.array([column for column, _ in asked.tests], np.int32),
        np.array(_starts(sizes), np.int32),
        np.frombuffer(words, "<u8").astype(np.uint64),
    )


def _features_of(boosters: Sequence[Booster]) -> int:
    return max(booster.features for booster in boosters)


def _checked(matrix: FloatArray, features: int) -> FloatArray:
    """The matrix as rows of doubles side by side."""
    if matrix.ndim != 2 or matrix.shape[1] != features:
        raise FingerprintMismatch(
            "the matrix must have the columns that the boosters were grown on",
            where="matrix",
            received=f"shape {matrix.shape} instead of (n, {features})",
            remedy="build the features with the catalog of the model's bundle",
        )
    return np.ascontiguousarray(matrix, dtype=np.float64)


def _in_parts(work: Callable[[slice], None], rows: int, threads: int) -> None:
    """Work through rows, by several threads where there are many."""
    if threads <= 1 or rows <= ROWS_A_THREAD:
        work(slice(0, rows))
        return
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [slice(start, start + ROWS_A_THREAD) for start in range(0, rows, ROWS_A_THREAD)]))


@dataclass(frozen=True, slots=True)
class Walk:
    """Raw scores of boosters, averaged."""

    features: int
    cells: Cells
    walks: Walks

    @classmethod
    def of(cls, boosters: Sequence[Booster]) -> Self:
        """Ready to walk the trees of one booster or more over the same features."""
        trees = [tree for booster in boosters for tree in booster.trees]
        asked = asked_by(trees)
        nodes = _starts([len(tree.nodes) for tree in trees])
        leaves = _starts([len(tree.values) for tree in trees])
        tests, children = [], []
        for place, tree in enumerate(trees):
            for node in tree.nodes:
                tests.append(asked.test(*asked.left(node)))
                left, right = (child + nodes[place] if child >= 0 else child - leaves[place] for child in node.children)
                children.append((right, left))
        columns, starts, words = _tests(asked)
        walks = Walks(
            np.array(_starts([len(booster.trees) for booster in boosters]), np.int32),
            np.array([nodes[place] if tree.nodes else ~leaves[place] for place, tree in enumerate(trees)], np.int32),
            columns[tests],
            starts[tests],
            words,
            np.array(children, np.int32).reshape(len(children), 2),
            np.array([value for tree in trees for value in tree.values], np.float64),
        )
        return cls(_features_of(boosters), _cells(asked), walks)

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Mean raw score of the rows of a matrix (n, k), shape (n,)."""
        rows = _checked(matrix, self.features)
        out = np.empty(len(rows))
        _in_parts(lambda part: walk(rows[part], self.cells, self.walks, out[part]), len(rows), threads)
        return out


@dataclass(frozen=True, slots=True)
class Attribution:
    """Shapley contributions of a weighted sum of boosters.

    Attributes
    ----------
    features
        Columns of the matrix.
    base
        Mean raw score over the rows the trees were grown on.
    """

    features: int
    base: float
    cells: Cells
    tests: Tests
    edges: Edges

    @classmethod
    def of(cls, boosters: Sequence[Booster], weights: Sequence[float]) -> Self:
        """Steps of all trees with their factors; about 0.1 s for 250 trees of 11 leaves."""
        weighed = [(tree, weight) for booster, weight in zip(boosters, weights, strict=True) for tree in booster.trees]
        asked = asked_by([tree for tree, _ in weighed])
        base = fsum(weight * tree.mean for tree, weight in weighed)
        edges = _edges(asked, weighed)
        return cls(_features_of(boosters), base, _cells(asked), _tests(asked), edges)

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Contributions to the rows of a matrix (n, k), shape (n, k + 1), the base last."""
        rows = _checked(matrix, self.features)
        out = np.zeros((len(rows), self.features + 1))
        out[:, -1] = self.base
        _in_parts(lambda part: explain(rows[part], self.cells, self.tests, self.edges, out[part]), len(rows), threads)
        return out


class _Grown(NamedTuple):
    """Steps of a tree, those below each, what those that end in a leaf are worth, and how many nodes it needs."""

    edges: list[Edge]
    below: list[tuple[int, int]]
    ended: list[float]
    nodes: int


def _grown(asked: Asked, tree: Tree, weight: float) -> _Grown:
    edges = asked.edges(tree)
    ended = [1.0 if edge.leaf < 0 else weight * tree.values[edge.leaf] for edge in edges]
    return _Grown(edges, _below(edges), ended, nodes_of(edges))


def _below(edges: Sequence[Edge]) -> list[tuple[int, int]]:
    """Places of the two steps below each; of one that ends in a leaf, its own and `NOWHERE`."""
    found: list[list[int]] = [[] for _ in edges]
    for place, edge in enumerate(edges):
        if edge.parent:
            found[edge.parent - 1].append(FIRST + place)
    return [(two[0], two[1]) if two else (FIRST + place, NOWHERE) for place, two in enumerate(found)]


def _edges(asked: Asked, weighed: Sequence[tuple[Tree, float]]) -> Edges:
    trees = [_grown(asked, tree, weight) for tree, weight in weighed if tree.nodes]
    # A group of four nodes is a pass of its own over its tree's steps.
    passes = [(tree, min(left, LANES)) for tree in trees for left in range(tree.nodes, 0, -LANES)]
    found = [edge for tree, _ in passes for edge in tree.edges]
    again = np.array([edge.again for edge in found], np.bool_)
    places, states = _kept(again, _states(trees))
    return Edges(
        np.array(_starts([len(tree.edges) for tree, _ in passes]), np.int32),
        np.array([lanes for _, lanes in passes], np.int32),
        np.array([ROOT if edge.parent == 0 else edge.parent - 1 + FIRST for edge in found], np.int32),
        np.array([below for tree, _ in passes for below in tree.below], np.int32).reshape(len(found), 2),
        np.array([edge.column for edge in found], np.int32),
        np.array([(edge.test, edge.upper) for edge in found], np.int32).reshape(len(found), 2),
        again,
        places,
        states,
    )


def _states(trees: Sequence[_Grown]) -> FloatArray:
    """Factors and weights of all passes in the order of the trees, shape (m, 3, 2, 4).

    They are worked out for all trees of one number of nodes together.
    """
    made: dict[int, FloatArray] = {}
    for number in {tree.nodes for tree in trees}:
        alike = [place for place, tree in enumerate(trees) if tree.nodes == number]
        edges = [edge for place in alike for edge in trees[place].edges]
        found = steps(edges, [value for place in alike for value in trees[place].ended], number)
        parts = pairwise(_starts([len(trees[place].edges) for place in alike]))
        for place, (start, end) in zip(alike, parts, strict=True):
            made[place] = found[:, start:end]
    none = np.zeros((0, STATES, 2, LANES))
    return np.concatenate([none, *(group for place in range(len(trees)) for group in made[place])])


def _kept(again: Flags, states: FloatArray) -> tuple[Ints, FloatArray]:
    """Where the states of each step would begin, and those that a row can be in, each a cache line of its own."""
    can_be = np.repeat(True, STATES) & (again[:, None] | (np.arange(STATES) > 0))
    starts = np.cumsum(can_be.sum(axis=1)) - can_be.sum(axis=1)
    found = on_lines((int(can_be.sum()), 2, LANES))
    found[:] = states[can_be]
    return (starts - ~again).astype(np.int32), found
