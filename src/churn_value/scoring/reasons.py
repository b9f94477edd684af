"""From exact additive contributions of some hundred features to a few reasons a manager understands.

Contributions of the features of one group are added, so that the groups and the base still sum to the raw score.
Groups are ordered by the size of their sum. A group of which nothing is known about the customer gives no reason (the
model may read absence, but absence explains nothing to a manager), nor does one that hardly moves the score.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.estimators.feature_rows import FeatureRows
from churn_value.scoring.answer import Reason, Sum
from churn_value.scoring.peers import EVERYBODY, NO_PEERS, Peers
from churn_value.scoring.quantities import Described, Floats, places_among
from churn_value.scoring.reason_catalog import Direction, Head, peers_in_words, phrasing, reason_texts
from churn_value.scoring.reason_groups import Group, Grouping, Places, Weighed
from churn_value.scoring.spoken import Phrasebook, Spoken, numbers_written
from churn_value.scoring.wording import Language, minor_units

LEAST_SHARE = 0.02
SCALES: Mapping[Head, str] = {"churn": "log_odds", "value": "log_amount"}


@dataclass(frozen=True, slots=True)
class Values:
    """Feature values as they were offered, by place among the model's features."""

    features: tuple[Described, ...]
    names: tuple[str, ...]
    rows: FeatureRows
    known: npt.NDArray[np.bool_]
    """Shape (n, k)."""

    def cell(self, place: int, row: int) -> float | str:
        """Value of a feature of a row."""
        found: float | str = self.rows.cells(self.names[place]).item(row)
        return found

    def cells(self, places: Places) -> list[list[float | str]]:
        """Values of some features of each row: those at `places`, shape (n, m); whatever at -1."""
        if not self.rows.names:
            return [[self.cell(place, row) for place in own] for row, own in enumerate(places.tolist())]
        taken, texts = places_among(self.rows.names, self.names)
        found: list[list[float | str]] = self.rows.block[np.arange(len(places))[:, None], taken[places]].tolist()
        for row, at in np.argwhere(np.isin(places, texts)).tolist() if texts else ():
            found[row][at] = self.cell(places[row, at], row)
        return found


def values_of(rows: pd.DataFrame | FeatureRows, features: Sequence[Described]) -> Values:
    """Values of the model's features, of which `rows` has all."""
    if not isinstance(rows, FeatureRows):
        numbers = [f.name for f in features if f.dtype == "number"]
        rows = FeatureRows.of(rows, numbers, [f.name for f in features if f.dtype != "number"])
    names = tuple([feature.name for feature in features])
    places, texts = places_among(rows.names, names)
    known = ~np.isnan(rows.block[:, places]) if rows.names else np.empty((len(rows), len(features)), dtype=np.bool_)
    for place in texts:
        known[:, place] = [text is not None for text in rows.texts[names[place]].tolist()]
    return Values(tuple(features), names, rows, known)


@dataclass(frozen=True, slots=True)
class Explained:
    """Contributions of one head, grouped. Arrays with n rows."""

    head: Head
    groups: tuple[Group, ...]
    weighed: Weighed
    order: npt.NDArray[np.int64]
    """See `Weighed.order`. Shape (n, number of groups)."""
    base: Floats
    raw: Floats

    def books(self, row: int) -> Sum:
        """Base, sum of contributions and raw score of a row."""
        return Sum(SCALES[self.head], float(self.base[row]), float(self.weighed.total[row]), float(self.raw[row]))


def explained(
    head: Head, contributions: Floats, raw: Floats, values: Values, grouping: Grouping | None = None
) -> Explained:
    """Group the contributions of one head.

    Parameters
    ----------
    contributions
        Shape (n, k + 1), in the order of the model's features, base last.
    raw
        Raw score that they add up to, shape (n,).
    values
        What was offered, in the same order.
    grouping
        Of the same features; None works it out.
    """
    grouping = grouping or Grouping.of(values.features)
    weighed = grouping.weighed(contributions, values.known)
    return Explained(head, grouping.groups, weighed, weighed.order(), contributions[:, -1], raw)


class Teller:
    """Tells the reasons of one head in a language and currency, against typical values.

    Typical values are those of the customer's group of `peers`, where it has any, else those of everybody; `alike` has
    the group of each row. A `phrasebook` of the same features, typical values and currency saves wording them again.
    """

    def __init__(
        self,
        explained: Explained,
        values: Values,
        typical: Mapping[str, float | str | None],
        *,
        currency: str,
        language: Language,
        top: int,
        peers: Peers = NO_PEERS,
        alike: Sequence[int] | None = None,
        phrasebook: Phrasebook | None = None,
    ) -> None:
        self._explained, self._values, self._typical = explained, values, typical
        self._currency, self._language = currency, language
        self._peers, self._alike = peers, [EVERYBODY] * len(explained.base) if alike is None else alike
        self._phrasebook: Phrasebook = {} if phrasebook is None else phrasebook
        self._top, self._echoes = top, _echoes(values.names)
        # As many more as may turn out to be told already.
        order, rows = explained.order[:, : top + len(self._echoes)], np.arange(len(explained.base))[:, None]
        speakers = explained.weighed.speakers[rows, order]
        self._sums: list[list[float]] = explained.weighed.sums[rows, order].tolist()
        self._shares: list[list[float]] = explained.weighed.share[rows, order].tolist()
        self._speakers: list[list[int]] = speakers.tolist()
        self._cells = values.cells(speakers)

    def reasons(self, row: int) -> tuple[Reason, ...]:
        """The top reasons of a row, largest first, each fact once; fewer where little is known."""
        speakers, sums, shares, cells = self._speakers[row], self._sums[row], self._shares[row], self._cells[row]
        alike = self._alike[row]
        return tuple(
            [
                self._spoken(speakers[at], sums[at], alike).reason(cells[at], sums[at], shares[at])
                for at in self._top_of(row)
            ]
        )

    def written(self) -> list[str]:
        """The JSON of the reasons of every row."""
        units = [_units(feature, self._currency) for feature in self._values.features]
        shown = [
            [0.0 if isinstance(cell, str) else cell / units[place] for cell, place in zip(*own, strict=True)]
            for own in zip(self._cells, self._speakers, strict=True)
        ]
        numbers, moved = numbers_written(shown), numbers_written(self._sums)
        return [f"[{','.join(self._written(row, numbers[row], moved[row]))}]" for row in range(len(self._alike))]

    def _written(self, row: int, numbers: Sequence[str], moved: Sequence[str]) -> list[str]:
        speakers, sums, shares, cells = self._speakers[row], self._sums[row], self._shares[row], self._cells[row]
        alike = self._alike[row]
        return [
            self._spoken(speakers[at], sums[at], alike).written(cells[at], numbers[at], moved[at], shares[at])
            for at in self._top_of(row)
        ]

    def _top_of(self, row: int) -> Sequence[int]:
        """Which of the groups that might be told are: each has a speaker and counts for something."""
        speakers, shares = self._speakers[row], self._shares[row]
        weighty = [at for at, share in enumerate(shares) if share >= LEAST_SHARE and speakers[at] >= 0]
        top = weighty[: self._top]
        speaking = [speakers[at] for at in top]
        if self._echoes.keys().isdisjoint(speaking):
            return top
        return [at for at in weighty if not self._is_echo(row, speakers[at], speaking)][: self._top]

    def _is_echo(self, row: int, speaker: int, speaking: Collection[int]) -> bool:
        """Whether a feature would say what another that speaks already says."""
        other = self._echoes.get(speaker)
        if other is None or other not in speaking:
            return False
        return self._values.cell(speaker, row) == self._values.cell(other, row)

    def _spoken(self, place: int, contribution: float, alike: int) -> Spoken:
        direction: Direction = "up" if contribution > 0 else "down"
        key = (self._explained.head, self._language, place, direction, alike)
        return self._phrasebook.get(key) or self._phrasebook.setdefault(key, self._worded(*key[2:]))

    def _worded(self, place: int, direction: Direction, alike: int) -> Spoken:
        feature = self._values.features[place]
        group = self._peers.told_by(alike, feature.name)
        typical = (self._typical if group == EVERYBODY else self._peers.typical[group]).get(feature.name)
        said = phrasing(
            feature,
            typical,
            head=self._explained.head,
            direction=direction,
            currency=self._currency,
            language=self._language,
            peers=peers_in_words(self._peers, group, self._language),
        )
        units = _units(feature, self._currency)
        named = None if typical is None else self._peers.code(group)
        return Spoken.of(feature.group, feature.name, typical, named, direction, units=units, phrasing=said)


@lru_cache(maxsize=64)
def _echoes(names: tuple[str, ...]) -> Mapping[int, int]:
    """Place of each feature that may echo another, and the place of that other."""
    places = {name: place for place, name in enumerate(names)}
    named = reason_texts().echoes.items()
    return {places[one]: places[other] for one, other in named if one in places and other in places}


def _units(feature: Described, currency: str) -> int:
    """What values of a feature are divided by before they are shown: 1 for what is no amount."""
    return minor_units(currency) if "_minor" in feature.name else 1
