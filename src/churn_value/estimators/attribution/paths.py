"""Trees taken apart into what a row can be asked: cells of a feature, tests on cells, and the steps of each path.

All values of a feature that no node tells apart share a cell, so a row is first a few small integers. A test is the
set of cells that pass it, as the bits of an integer. Going left at a node is a test; two nodes of one path that ask the
same feature are one test, the intersection. Numbers, missing values, zeros and categories are then all alike.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from churn_value.estimators.attribution.text import MISSING_NAN, MISSING_ZERO, Node, Tree

# LightGBM reads numbers this close to 0 as 0; its constant is a float32.
ZERO = float(np.float32(1e-35))


@dataclass(frozen=True, slots=True)
class Column:
    """A feature and its cells.

    Attributes
    ----------
    feature
        Column of the matrix.
    edges
        Of a number: thresholds, increasing. The cells are ``(edges[i - 1], edges[i]]``, above all, 0, and missing.
    codes
        Of a category: how many codes have a cell; one cell more takes everything else. 0 for a number.
    """

    feature: int
    edges: tuple[float, ...]
    codes: int

    @property
    def cells(self) -> int:
        """Number of cells."""
        return self.codes + 1 if self.codes else len(self.edges) + 3

    def going_left(self, node: Node) -> int:
        """Cells that go left at a node, as the bits of an integer."""
        if node.codes is not None:
            return node.codes
        zero_left = node.default_left if node.missing == MISSING_ZERO else node.threshold >= 0
        missing_left = node.default_left if node.missing == MISSING_NAN else zero_left
        intervals = (1 << bisect_right(self.edges, node.threshold)) - 1
        zero = len(self.edges) + 1
        return intervals | zero_left << zero | missing_left << zero + 1


@dataclass(frozen=True, slots=True)
class Edge:
    """A step down a tree, and all that its path has asked of the step's feature so far.

    Attributes
    ----------
    parent
        Place of the step above among the tree's steps, counted from 1; 0 at the root.
    column
        Place of the feature among the columns.
    test, upper
        Places in `Asked.tests` of what a row must pass for this step, and for the steps above that asked its feature.
    share, upper_share
        Cover below over cover above, multiplied over the steps that asked the feature, with this one and without.
    leaf
        Leaf that the step ends in; -1 if it goes on.
    again
        Whether a step above has asked the same feature.
    """

    parent: int
    column: int
    test: int
    upper: int
    share: float
    upper_share: float
    leaf: int
    again: bool


class Passed(NamedTuple):
    """What a path has asked of a column: the cells that pass, and the share of cover."""

    cells: int
    share: float


@dataclass(slots=True)
class Asked:
    """Columns and the distinct tests on them."""

    columns: tuple[Column, ...]
    tests: dict[tuple[int, int], int] = field(default_factory=dict)
    """Place of each (column, cells)."""
    _places: dict[tuple[int, bool], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Columns by feature and kind."""
        for place, column in enumerate(self.columns):
            self._places[column.feature, column.codes > 0] = place

    def test(self, column: int, cells: int) -> int:
        """Place of a test, new or known."""
        return self.tests.setdefault((column, cells), len(self.tests))

    def left(self, node: Node) -> tuple[int, int]:
        """Column that a node asks, and the cells that go left."""
        column = self._places[node.feature, node.codes is not None]
        return column, self.columns[column].going_left(node)

    def edges(self, tree: Tree) -> list[Edge]:
        """Steps of a tree, each after the one above it."""
        found: list[Edge] = []
        if tree.nodes:
            self._walk(tree, 0, 0, {}, found)
        return found

    def _walk(self, tree: Tree, place: int, parent: int, above: Mapping[int, Passed], found: list[Edge]) -> None:
        """Add the steps below a node; `above` says by column what its path has asked."""
        node = tree.nodes[place]
        column, left = self.left(node)
        upper = above.get(column) or Passed((1 << self.columns[column].cells) - 1, 1.0)
        for child, cells in ((node.left, upper.cells & left), (node.right, upper.cells & ~left)):
            cover = tree.node_covers[child] if child >= 0 else tree.leaf_covers[~child]
            passed = Passed(cells, upper.share * (cover / tree.node_covers[place]))
            tests = self.test(column, cells), self.test(column, upper.cells)
            leaf = -1 if child >= 0 else ~child
            found.append(Edge(parent, column, *tests, passed.share, upper.share, leaf, column in above))
            if child >= 0:
                self._walk(tree, child, len(found), {**above, column: passed}, found)


def asked_by(trees: Sequence[Tree]) -> Asked:
    """Columns with the cells that the nodes of all trees tell apart."""
    edges: dict[int, set[float]] = {}
    codes: dict[int, int] = {}
    for tree in trees:
        for node in tree.nodes:
            if node.codes is None:
                edges.setdefault(node.feature, set()).add(node.threshold)
            else:
                codes[node.feature] = max(codes.get(node.feature, 1), node.codes.bit_length())
    numbers = [Column(feature, tuple(sorted(found)), 0) for feature, found in edges.items()]
    categories = [Column(feature, (), number) for feature, number in codes.items()]
    return Asked(tuple(sorted([*numbers, *categories], key=lambda column: (column.feature, column.codes))))
