"""How features are written down; the grain of their rows is in `grain`.

An author writes a function of `Past` and states its unit, the meaning of "nothing happened" and a text in two
languages; the function's name is the column's. One declaration gives one feature per window or half-life.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import ibis.expr.types as ir

from churn_value.features.grain import Grain
from churn_value.features.past import Past

Ladder = tuple[int, ...]
Spans = Callable[[Ladder], tuple[int | None, ...]]
Reduction = Callable[[Past], ir.Scalar]
FeatureType = Literal["number", "category"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One output column: a reduction over what was known of one source.

    Parameters
    ----------
    name
        Column name; windows and half-lives are its suffix.
    grain
        What a row of the past is for this feature.
    reduce
        The definition.
    window_days, half_life_days
        Lookback window and half-life; None where there is none.
    longest_days
        Longest window of the ladder the feature belongs to.
    unit
        Unit of the values.
    dtype
        ``number`` (float64) or ``category`` (string).
    empty
        Value when nothing happened; None: null, "not known".
    en, zh
        What it is, in words.
    group
        Stable code under which reasons speak of it.
    requires
        Columns of the source without which the feature is left out.
    """

    name: str
    grain: Grain
    reduce: Reduction
    unit: str
    group: str
    en: str
    zh: str
    empty: int | None = None
    dtype: FeatureType = "number"
    window_days: int | None = None
    half_life_days: int | None = None
    longest_days: int | None = None
    requires: frozenset[str] = frozenset()

    @property
    def source(self) -> str:
        """Table of the contract it is computed from; several are joined by ``+``."""
        return self.grain.source


@dataclass(frozen=True, slots=True)
class Declaration:
    """A feature before the windows are known: `expanded` gives one feature per window or half-life."""

    name: str
    grain: Grain
    reduce: Reduction
    unit: str
    group: str
    en: str
    zh: str
    empty: int | None
    dtype: FeatureType
    windows: Spans
    half_lives: Spans
    requires: frozenset[str]
    has_suffix: bool

    def over(self, present: Mapping[str, frozenset[str]]) -> Declaration | None:
        """The declaration over the tables and columns at hand; None where it has no meaning."""
        grain = self.grain.over(present)
        if grain is None or not self.requires <= grain.columns(present):
            return None
        return replace(self, grain=grain)

    def expanded(self, ladder: Ladder) -> Iterator[Feature]:
        """Features for a ladder of windows, shortest first."""
        for window in self.windows(ladder):
            for half_life in self.half_lives(ladder):
                yield self._one(window, half_life, ladder[-1])

    def _one(self, window: int | None, half_life: int | None, longest: int) -> Feature:
        spans = (window, half_life) if self.has_suffix else ()
        suffix = "".join(f"_{span}d" for span in spans if span is not None)
        return Feature(
            name=self.name + suffix,
            grain=self.grain,
            reduce=self.reduce,
            unit=self.unit,
            group=self.group,
            en=self.en.format(
                window=f"in the last {window} days" if window else "in the whole history",
                half_life=f"{half_life} days",
                longest=f"{longest} days",
            ),
            zh=self.zh.format(
                window=f"近{window}天" if window else "历史累计", half_life=f"{half_life}天", longest=f"{longest}天"
            ),
            empty=self.empty,
            dtype=self.dtype,
            window_days=window,
            half_life_days=half_life,
            longest_days=longest,
            requires=self.requires | self.grain.requires,
        )


def ever(ladder: Ladder) -> tuple[int | None, ...]:  # noqa: ARG001 - a way to choose spans
    """No window: the whole history."""
    return (None,)


def each(ladder: Ladder) -> tuple[int | None, ...]:
    """Every window."""
    return ladder


def each_and_ever(ladder: Ladder) -> tuple[int | None, ...]:
    """Every window, then the whole history."""
    return (*ladder, None)


def but_longest(ladder: Ladder) -> tuple[int | None, ...]:
    """Every window that has a longer one to be compared with."""
    return ladder[:-1]


def middle(ladder: Ladder) -> tuple[int | None, ...]:
    """The middle window."""
    return (ladder[len(ladder) // 2],)


def middle_and_ever(ladder: Ladder) -> tuple[int | None, ...]:
    """The middle window and the whole history."""
    return (*middle(ladder), None)


def middle_and_longest(ladder: Ladder) -> tuple[int | None, ...]:
    """The middle window and the longest."""
    return tuple(dict.fromkeys((*middle(ladder), ladder[-1])))


def longest(ladder: Ladder) -> tuple[int | None, ...]:
    """The longest window."""
    return (ladder[-1],)


def spread(ladder: Ladder) -> tuple[int | None, ...]:
    """Shortest, middle and longest: as half-lives, quick to slow."""
    return tuple(dict.fromkeys((ladder[0], ladder[len(ladder) // 2], ladder[-1])))


def feature(
    grain: Grain,
    *,
    unit: str,
    group: str,
    en: str,
    zh: str,
    empty: int | None = None,
    dtype: FeatureType = "number",
    windows: Spans = ever,
    half_lives: Spans = ever,
    requires: Sequence[str] = (),
    has_suffix: bool = True,
) -> Callable[[Reduction], Declaration]:
    """Declare a feature; the decorated function's name is the column's.

    Parameters
    ----------
    grain
        What a row of the past is.
    unit, group, empty, dtype, requires
        As in `Feature`.
    en, zh
        Texts; ``{window}``, ``{half_life}`` and ``{longest}`` are replaced by spans of days.
    windows, half_lives
        Which rungs of the ladder it is computed for.
    has_suffix
        Whether windows and half-lives are part of the name; without, there must be only one.
    """

    def declare(reduce: Reduction) -> Declaration:
        return Declaration(
            name=reduce.__name__,
            grain=grain,
            reduce=reduce,
            unit=unit,
            group=group,
            en=en,
            zh=zh,
            empty=empty,
            dtype=dtype,
            windows=windows,
            half_lives=half_lives,
            requires=frozenset(requires),
            has_suffix=has_suffix,
        )

    return declare


def declared(module: Mapping[str, object]) -> tuple[Declaration, ...]:
    """Declarations among a module's names, in the order they were written."""
    return tuple(value for value in module.values() if isinstance(value, Declaration))
