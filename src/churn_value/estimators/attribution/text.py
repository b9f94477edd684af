"""LightGBM's text of a booster, read into plain trees: what decides, who goes left, and how many rows went where."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import fsum
from typing import TypeVar

from churn_value.errors import BundleError

MISSING_NONE, MISSING_ZERO, MISSING_NAN = 0, 1, 2
_CATEGORICAL_BIT, _DEFAULT_LEFT_BIT, _MISSING_SHIFT = 1, 2, 2
_WORD_BITS = 32
_Cell = TypeVar("_Cell", int, float)


@dataclass(frozen=True, slots=True)
class Node:
    """A decision.

    Attributes
    ----------
    feature
        Column of the matrix.
    threshold
        Numbers up to it go left; without meaning for categories.
    codes
        Category codes that go left, as the bits of an integer; null for a number.
    missing
        What counts as missing: `MISSING_NONE`, `MISSING_ZERO` or `MISSING_NAN`.
    default_left
        Where a missing number goes.
    left, right
        Children: a node's place, or ``~leaf``.
    """

    feature: int
    threshold: float
    codes: int | None
    missing: int
    default_left: bool
    left: int
    right: int

    @property
    def children(self) -> tuple[int, int]:
        """Left, right."""
        return self.left, self.right


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes with the root first, and leaves; `covers` are the rows that the tree was grown on in each."""

    nodes: tuple[Node, ...]
    node_covers: tuple[int, ...]
    values: tuple[float, ...]
    leaf_covers: tuple[int, ...]

    @property
    def mean(self) -> float:
        """Mean value over the rows that the tree was grown on."""
        covers = zip(self.values, self.leaf_covers, strict=True)
        return fsum(value * cover for value, cover in covers) / (self.node_covers or self.leaf_covers)[0]


@dataclass(frozen=True, slots=True)
class Booster:
    """Trees whose leaf values are added, over a number of features."""

    features: int
    trees: tuple[Tree, ...]


def booster_of(text: str) -> Booster:
    """Trees of a booster that LightGBM wrote as text.

    Raises
    ------
    BundleError
        When the text is damaged, or of a kind that is not made here: several classes, averaged output, linear leaves.
    """
    head, *trees = re.split(r"^Tree=\d+$", text.split("\nend of trees", maxsplit=1)[0], flags=re.MULTILINE)
    try:
        fields = _fields(head)
        if fields.get("num_tree_per_iteration") != "1" or "average_output" in head.split("\n"):
            raise _not_readable("several classes or averaged output")
        return Booster(int(fields["max_feature_idx"]) + 1, tuple(_tree(_fields(part)) for part in trees))
    except (KeyError, ValueError, IndexError) as error:
        raise _not_readable(f"{type(error).__name__}: {error}") from error


def _not_readable(received: str) -> BundleError:
    return BundleError(
        "a booster is the text of one LightGBM regression of plain trees",
        where="model",
        received=received,
        remedy="write the bundle again with this version of churn_value",
    )


def _fields(part: str) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in part.split("\n") if "=" in line)
    return {name: value for name, value in pairs}  # noqa: C416 - pairs are lists, which dict() does not type


def _tree(fields: dict[str, str]) -> Tree:
    if fields["is_linear"] != "0":
        raise _not_readable("linear leaves")
    leaves = int(fields["num_leaves"])
    values = _cells(fields, "leaf_value", float, leaves)
    if leaves == 1:
        return Tree((), (), values, (1,))
    kinds = _cells(fields, "decision_type", int, leaves - 1)
    thresholds = _cells(fields, "threshold", float, leaves - 1)
    features = _cells(fields, "split_feature", int, leaves - 1)
    left, right = (_cells(fields, f"{side}_child", int, leaves - 1) for side in ("left", "right"))
    sets = _category_sets(fields) if int(fields["num_cat"]) else ()
    nodes = tuple(
        Node(
            features[place],
            thresholds[place],
            sets[int(thresholds[place])] if kind & _CATEGORICAL_BIT else None,
            kind >> _MISSING_SHIFT & 3,
            bool(kind & _DEFAULT_LEFT_BIT),
            left[place],
            right[place],
        )
        for place, kind in enumerate(kinds)
    )
    covers = _cells(fields, "internal_count", int, leaves - 1)
    return Tree(nodes, covers, values, _cells(fields, "leaf_count", int, leaves))


def _cells(fields: dict[str, str], name: str, read: Callable[[str], _Cell], number: int) -> tuple[_Cell, ...]:
    cells = tuple(map(read, fields[name].split()))
    if len(cells) != number:
        raise _not_readable(f"{len(cells)} values of {name} instead of {number}")
    return cells


def _category_sets(fields: dict[str, str]) -> Sequence[int]:
    """Codes that go left at each categorical node, as the bits of an integer."""
    words = [int(word) for word in fields["cat_threshold"].split()]
    ends = [int(end) for end in fields["cat_boundaries"].split()]
    return [
        sum(word << (_WORD_BITS * place) for place, word in enumerate(words[start:end]))
        for start, end in pairwise(ends)
    ]
