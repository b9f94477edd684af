"""Customers like them: who buys in the same rhythm, and what is typical of those.

A typical value is to show what is unusual about a customer, so the group must not be formed by what the reasons tell.
How long somebody has been silent, or how much was spent, would do just that: the silent would be compared with the
silent. The usual pause between two purchases says who a customer is while saying nothing of whether the next purchase
came. Somebody who shops weekly is compared with weekly shoppers, somebody who bought once with those who bought once;
who never bought, or whose rhythm the tables do not know, with everybody.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from churn_value.scoring.quantities import Described, Floats, column

EVERYBODY, ONCE = -1, 0
BANDS = 5
# Of fewer customers in a group whose value is known, the median is not told, but that of everybody: with 100 its
# standard error, sqrt(pi / 2n) standard deviations for normal values, is an eighth of a standard deviation.
LEAST_CUSTOMERS = 100
# The groups are formed by these: within a group everyone has about the same, which would explain nothing.
FORMING = frozenset({"purchase_days", "mean_gap_days", "frequency"})


@dataclass(frozen=True, slots=True)
class Peers:
    """Groups of a reference population by the mean gap between purchase days.

    Attributes
    ----------
    cuts
        Ends of all rhythms but the slowest, whole days, rising: group 1 buys at least every ``cuts[0]`` days, group 2
        every ``cuts[0]`` to ``cuts[1]``, the last less often than every ``cuts[-1]``. Group 0 bought on one day only.
    customers
        Of each group.
    typical
        By group: typical values of the features that at least `LEAST_CUSTOMERS` of it know; see `typical_of`.
    """

    cuts: tuple[float, ...] = ()
    customers: tuple[int, ...] = ()
    typical: tuple[Mapping[str, float | str], ...] = ()

    @classmethod
    def fit(cls, frame: pd.DataFrame, known: Mapping[str, Floats], features: Sequence[Described]) -> Self:
        """Groups of a population and what is typical of each.

        Parameters
        ----------
        frame
            Feature rows, one per customer.
        known
            Facts of the same rows: ``purchase_days`` and ``mean_gap_days`` [days].
        features
            Those of which a typical value is wanted.
        """
        days, gaps = known["purchase_days"], known["mean_gap_days"]
        cuts = rhythm_cuts(gaps[days > 1])
        if not cuts and not (days == 1).any():
            return cls()
        empty = cls(cuts, (0,) * (len(cuts) + 2))
        groups = np.array(empty.groups(days, gaps))
        told = [feature for feature in features if feature.name not in FORMING]
        members = [frame[groups == group] for group in range(len(cuts) + 2)]
        return cls(
            cuts,
            tuple(len(rows) for rows in members),
            tuple(_typical_of_many(rows, told) for rows in members),
        )

    def groups(self, days: Floats, gaps: Floats) -> list[int]:
        """Group of each customer, -1 where there is none.

        Parameters
        ----------
        days
            Days with a purchase so far, shape (n,).
        gaps
            Mean gap between them [days], shape (n,).
        """
        if not self.customers:
            return [EVERYBODY] * len(days)
        return [self._group(*one) for one in zip(days.tolist(), gaps.tolist(), strict=True)]

    def _group(self, days: float, gap: float) -> int:
        """Comparisons with NaN are false, so that who is not known falls through."""
        if days == 1:
            return ONCE
        return 1 + bisect_left(self.cuts, gap) if days > 1 and gap >= 0 else EVERYBODY

    def told_by(self, group: int, feature: str) -> int:
        """The group, if it has a typical value of the feature, else everybody."""
        return group if group != EVERYBODY and feature in self.typical[group] else EVERYBODY

    def code(self, group: int) -> str:
        """Stable name of a group: ``all``, ``once``, ``every_0_4_days``, ``every_4_9_days``, ``over_30_days``.

        ``repeatedly`` where no rhythms are told apart, because nearly all have the same.

        Examples
        --------
        >>> peers = Peers((4.0, 9.0), (10, 20, 20, 20))
        >>> [peers.code(group) for group in (-1, 0, 1, 2, 3)]
        ['all', 'once', 'every_0_4_days', 'every_4_9_days', 'over_9_days']
        """
        if group == EVERYBODY:
            return "all"
        if group == ONCE:
            return "once"
        if not self.cuts:
            return "repeatedly"
        low, high = self.ends(group)
        return f"over_{low:g}_days" if high is None else f"every_{low:g}_{high:g}_days"

    def ends(self, group: int) -> tuple[float, float | None]:
        """Above which and up to which mean gap a rhythm lies [days]; None is without end."""
        ends = (0.0, *self.cuts, None)
        low, high = ends[group - 1 : group + 1]
        return low or 0.0, high

    def to_json(self) -> dict[str, Any]:
        """JSON-ready content."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Inverse of `to_json`; KeyError or TypeError when it is none."""
        return cls(tuple(content["cuts"]), tuple(content["customers"]), tuple(map(dict, content["typical"])))


NO_PEERS = Peers()


def rhythm_cuts(gaps: Floats) -> tuple[float, ...]:
    """Whole days that part known gaps into at most `BANDS` groups of about equal size; fewer where days coincide.

    Cut k is the ``ceil(k n / 5)``-th smallest of the n gaps, rounded up; the one that leaves nobody above it is left
    out, as is that of a single day.

    Examples
    --------
    >>> rhythm_cuts(np.array([2.5, 3.0, 7.0, 7.0, 30.0, np.nan]))
    (3.0, 7.0)
    """
    known = np.sort(gaps[~np.isnan(gaps)])
    if known.size == 0:
        return ()
    ranks = -(-np.arange(1, BANDS) * known.size // BANDS) - 1
    ends = np.unique(np.ceil(known[ranks]))
    return tuple(float(end) for end in ends if 1 < end < known[-1])


def typical_of(frame: pd.DataFrame, feature: Described) -> tuple[float | str | None, int]:
    """Median of the known numbers or the most frequent category, first by name of equal ones; and how many are known.

    None where nothing is known.
    """
    if feature.dtype != "number":
        counts = counted_texts(frame, feature.name)
        return (counts[0][0] if counts else None), sum(n for _, n in counts)
    values = column(frame, feature.name)
    known = values[~np.isnan(values)]
    return (float(np.median(known)) if known.size else None), known.size


def counted_texts(frame: pd.DataFrame, name: str) -> list[tuple[str, int]]:
    """Categories with their counts, most frequent first, ties by name."""
    if name not in frame.columns:
        return []
    counts = frame[name].dropna().astype(str).value_counts()
    return sorted(((str(value), int(n)) for value, n in counts.items()), key=lambda pair: (-pair[1], pair[0]))


def _typical_of_many(rows: pd.DataFrame, features: Iterable[Described]) -> dict[str, float | str]:
    found = {feature.name: typical_of(rows, feature) for feature in features}
    return {name: value for name, (value, n) in found.items() if value is not None and n >= LEAST_CUSTOMERS}
