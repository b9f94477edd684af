"""From exact additive contributions of some hundred features to a few reasons a manager understands.

Contributions of the features of one group are added, so that the groups and the base still sum to the raw score.
Groups are ordered by the size of their sum. A group of which nothing is known about the customer gives no reason (the
model may read absence, but absence explains nothing to a manager), nor does one that hardly moves the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.scoring.answer import Importance, Reason, Sum
from churn_value.scoring.quantities import Described, Floats
from churn_value.scoring.reason_catalog import BY_FEATURE, Head, sentence
from churn_value.scoring.wording import Language, minor_units

HIGH_SHARE, MEDIUM_SHARE, LEAST_SHARE = 0.25, 0.10, 0.02
SCALES: Mapping[Head, str] = {"churn": "log_odds", "value": "log_amount"}


@dataclass(frozen=True, slots=True)
class Group:
    """Features whose contributions are added: their code, and their places among the model's features."""

    code: str
    places: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Values:
    """Feature values as they were offered, by place among the model's features."""

    features: tuple[Described, ...]
    columns: tuple[npt.NDArray[Any], ...]
    known: npt.NDArray[np.bool_]
    """Shape (n, k)."""


def groups_of(features: Sequence[Described]) -> tuple[Group, ...]:
    """Groups in the order of their first feature; profile attributes are groups of their own."""
    places: dict[str, list[int]] = {}
    for place, feature in enumerate(features):
        key = f"{feature.group} {feature.name}" if feature.group in BY_FEATURE else feature.group
        places.setdefault(key, []).append(place)
    return tuple(Group(key.split(" ")[0], tuple(found)) for key, found in places.items())


def values_of(frame: pd.DataFrame, features: Sequence[Described]) -> Values:
    """Values of the model's features in `frame`, which has a column for each."""
    columns = tuple(_column(frame[f.name], f) for f in features)
    known = np.column_stack([frame[f.name].notna().to_numpy() for f in features]).astype(np.bool_)
    return Values(tuple(features), columns, known)


def _column(series: pd.Series, feature: Described) -> npt.NDArray[Any]:
    if feature.dtype == "number":
        return series.to_numpy(dtype=np.float64)
    return series.to_numpy(dtype=object)


def group_sums(contributions: Floats, groups: Sequence[Group]) -> Floats:
    """Sum of each group's contributions, added one column after the other so that bits do not depend on the batch.

    Parameters
    ----------
    contributions
        Shape (n, k + 1), base last.

    Returns
    -------
    ndarray of shape (n, number of groups)
    """
    sums = np.zeros((len(contributions), len(groups)))
    for position, group in enumerate(groups):
        for place in group.places:
            sums[:, position] += contributions[:, place]
    return sums


def _speakers(contributions: Floats, sums: Floats, groups: Sequence[Group], known: npt.NDArray[np.bool_]) -> Floats:
    """Place of each group's feature that says most: the largest contribution in the direction of the group's sum.

    Only features with a value speak; -1 where none has. Shape (n, number of groups).
    """
    speakers = np.full(sums.shape, -1.0)
    for position, group in enumerate(groups):
        places = np.asarray(group.places)
        toward = np.where(sums[:, [position]] < 0, -contributions[:, places], contributions[:, places])
        toward = np.where(known[:, places], toward, -np.inf)
        speakers[:, position] = np.where(known[:, places].any(axis=1), places[toward.argmax(axis=1)], -1)
    return speakers


@dataclass(frozen=True, slots=True)
class Explained:
    """Contributions of one head, grouped. Arrays with n rows."""

    head: Head
    groups: tuple[Group, ...]
    sums: Floats
    order: npt.NDArray[np.int64]
    """Groups by size of their sum, largest first; ties in catalog order. Shape (n, number of groups)."""
    speakers: npt.NDArray[np.int64]
    share: Floats
    """Size of each group's sum over the total of sizes, 0 to 1. Shape (n, number of groups)."""
    base: Floats
    total: Floats
    raw: Floats

    def books(self, row: int) -> Sum:
        """Base, sum of contributions and raw score of a row."""
        return Sum(SCALES[self.head], float(self.base[row]), float(self.total[row]), float(self.raw[row]))


def explained(head: Head, contributions: Floats, raw: Floats, values: Values) -> Explained:
    """Group the contributions of one head.

    Parameters
    ----------
    contributions
        Shape (n, k + 1), in the order of the model's features, base last.
    raw
        Raw score that they add up to, shape (n,).
    values
        What was offered, in the same order.
    """
    groups = groups_of(values.features)
    sums = group_sums(contributions, groups)
    speakers = _speakers(contributions, sums, groups, values.known).astype(np.int64)
    sizes = np.abs(sums)
    total, size = np.zeros(len(sums)), np.zeros(len(sums))
    for position in range(len(groups)):
        total += sums[:, position]
        size += sizes[:, position]
    share = sizes / np.where(size > 0, size, 1.0)[:, None]
    order = np.argsort(-np.where(speakers >= 0, sizes, -1.0), axis=1, kind="stable")
    return Explained(head, groups, sums, order, speakers, share, contributions[:, -1], total, raw)


def _importance(share: float) -> Importance:
    if share >= HIGH_SHARE:
        return "high"
    return "medium" if share >= MEDIUM_SHARE else "low"


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells reasons in a language and currency, against typical values."""

    values: Values
    typical: Mapping[str, float | str | None]
    currency: str
    language: Language

    def reasons(self, explained: Explained, row: int, top: int) -> tuple[Reason, ...]:
        """The `top` reasons of a row, largest first; fewer where little is known."""
        told: list[Reason] = []
        for group in explained.order[row, :top].tolist():
            share, speaker = float(explained.share[row, group]), int(explained.speakers[row, group])
            if speaker >= 0 and share >= LEAST_SHARE:
                told.append(self._told(explained, row, group, speaker, share))
        return tuple(told)

    def _told(self, explained: Explained, row: int, group: int, speaker: int, share: float) -> Reason:
        feature = self.values.features[speaker]
        value, typical = _plain(self.values.columns[speaker][row]), self.typical.get(feature.name)
        contribution = float(explained.sums[row, group])
        direction: Any = "up" if contribution > 0 else "down"
        text = sentence(
            feature,
            value,
            typical,
            head=explained.head,
            direction=direction,
            currency=self.currency,
            language=self.language,
        )
        return Reason(
            code=explained.groups[group].code,
            feature=feature.name,
            value=self._shown(feature, value),
            typical=self._shown(feature, typical),
            contribution=contribution,
            direction=direction,
            importance=_importance(share),
            text=text,
        )

    def _shown(self, feature: Described, value: float | str | None) -> float | str | None:
        """Amounts in currency units, everything else as it is."""
        if isinstance(value, float) and "_minor" in feature.name:
            return value / minor_units(self.currency)
        return value


def _plain(value: object) -> float | str:
    """A value as Python has it."""
    return float(value) if isinstance(value, float) else str(value)
