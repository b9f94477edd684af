"""Groups of features that belong together, and the sums of their contributions, for all rows at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple, Self

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
    starts
        Where each group begins in `order`, and the end of the last, shape (G + 1,).
    """

    groups: tuple[Group, ...]
    order: Places
    starts: Places

    @classmethod
    def of(cls, features: Sequence[Described]) -> Self:
        """Grouping of a model's features."""
        groups = groups_of(features)
        order = _whole([place for group in groups for place in group.places])
        return cls(groups, order, _whole([0, *accumulate(len(group.places) for group in groups)]))

    def weighed(self, contributions: Floats, known: npt.NDArray[np.bool_]) -> Weighed:
        """What each group counts for, row by row, so that bits do not depend on the batch.

        Parameters
        ----------
        contributions
            Shape (n, k + 1), base last.
        known
            Which features have a value, shape (n, k).
        """
        shape = (len(contributions), len(self.groups))
        found = Weighed(np.zeros(shape), np.empty(shape, np.int64), np.empty(shape), np.empty(shape[0]))
        _weigh(contributions, known, self.order, self.starts, found)
        return found


class Weighed(NamedTuple):
    """What groups count for; arrays of shape (n, G), `total` of shape (n,).

    Attributes
    ----------
    sums
        Of the contributions of each group's features, added one after the other.
    speakers
        Place of each group's feature that says most: the largest contribution in the direction of the group's sum. Only
        features with a value speak, the first of equal ones; -1 where none has.
    share
        Size of each group's sum over the total of sizes, 0 to 1.
    total
        Sum of `sums`.
    """

    sums: Floats
    speakers: Places
    share: Floats
    total: Floats

    def order(self) -> Places:
        """Groups by size of their sum, largest first, those without a speaker last; ties in catalog order."""
        ranked: Places = np.argsort(-np.where(self.speakers >= 0, np.abs(self.sums), -1.0), axis=1, kind="stable")
        return ranked


@compiled
def _weigh(contributions: Floats, known: npt.NDArray[np.bool_], order: Places, starts: Places, found: Weighed) -> None:
    for row in range(len(contributions)):
        total = size = 0.0
        for group in range(len(starts) - 1):
            for place in order[starts[group] : starts[group + 1]]:
                found.sums[row, group] += contributions[row, place]
            moved = found.sums[row, group]
            speaker, most = NOBODY, -np.inf
            for place in order[starts[group] : starts[group + 1]]:
                toward = -contributions[row, place] if moved < 0 else contributions[row, place]
                if known[row, place] and (speaker == NOBODY or toward > most):
                    speaker, most = place, toward
            found.speakers[row, group] = speaker
            total += moved
            size += abs(moved)
        found.total[row] = total
        for group in range(len(starts) - 1):
            found.share[row, group] = abs(found.sums[row, group]) / (size if size > 0 else 1.0)


def _whole(values: Sequence[int]) -> Places:
    return np.array(values, dtype=np.int64)
