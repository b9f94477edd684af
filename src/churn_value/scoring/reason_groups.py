"""Groups of features that belong together, and the sums of their contributions, for all rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import numpy as np
import numpy.typing as npt

from churn_value.estimators.compiled import compiled
from churn_value.scoring.quantities import Described, Floats
from churn_value.scoring.reason_catalog import BY_FEATURE

Places = npt.NDArray[np.int64]
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Group:
    """Features whose contributions are added: their code, and their places among the model's features."""

    code: str
    places: tuple[int, ...]


def groups_of(features: Sequence[Described]) -> tuple[Group, ...]:
    """Groups in the order of their first feature; profile attributes are groups of their own."""
    places: dict[str, list[int]] = {}
    for place, feature in enumerate(features):
        key = f"{feature.group} {feature.name}" if feature.group in BY_FEATURE else feature.group
        places.setdefault(key, []).append(place)
    return tuple(Group(key.split(" ")[0], tuple(found)) for key, found in places.items())


@dataclass(frozen=True, slots=True)
class Grouping:
    """Groups as arrays.

    Attributes
    ----------
    groups
        G groups.
    order
        Places of the features, group after group, shape (k,).
    member
        Group of each of `order`, shape (k,).
    starts
        Where each group begins in `order`, shape (G,).
    """

    groups: tuple[Group, ...]
    order: Places
    member: Places
    starts: Places

    @classmethod
    def of(cls, features: Sequence[Described]) -> Self:
        """Grouping of a model's features."""
        groups = groups_of(features)
        sizes = [len(group.places) for group in groups]
        order = _whole([place for group in groups for place in group.places])
        starts = _whole([0, *accumulate(sizes)][:-1])
        return cls(groups, order, np.repeat(np.arange(len(groups)), sizes), starts)

    def sums(self, contributions: Floats) -> Floats:
        """Sum of each group's contributions, added one column after the other so that bits do not depend on the batch.

        Parameters
        ----------
        contributions
            Shape (n, k + 1), base last.

        Returns
        -------
        ndarray of shape (n, G)
        """
        sums = np.zeros((len(contributions), len(self.groups)))
        _add(contributions, self.order, self.member, sums)
        return sums

    def speakers(self, contributions: Floats, sums: Floats, known: npt.NDArray[np.bool_]) -> Places:
        """Place of each group's feature that says most: the largest contribution in the direction of the group's sum.

        Only features with a value speak, the first of equal ones; -1 where none has. Shape (n, G).
        """
        own, there = contributions[:, self.order], known[:, self.order]
        toward = np.where(there, np.where((sums < 0)[:, self.member], -own, own), -np.inf)
        most = np.maximum.reduceat(toward, self.starts, axis=1)
        nobody = len(self.order)
        first = np.where(there & (toward == most[:, self.member]), np.arange(nobody), nobody)
        place = np.append(self.order, NOBODY)
        found: Places = place[np.minimum.reduceat(first, self.starts, axis=1)]
        return found


@compiled
def _add(contributions: Floats, order: Places, member: Places, sums: Floats) -> None:
    for row in range(len(contributions)):
        for place in range(len(order)):
            sums[row, member[place]] += contributions[row, order[place]]


def _whole(values: Sequence[int]) -> Places:
    return np.array(values, dtype=np.int64)
