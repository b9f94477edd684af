"""What one row of the past is, for the features that see it: of one table of the contract, or of several at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import ibis.expr.types as ir

RowValue = Callable[[Any], ir.Value]
Shape = Literal["days", "keys", "latest"]
FEWEST_PARTS = 2


@dataclass(frozen=True, slots=True)
class Measure:
    """An integer column of the rows a feature sees, and how rows of one day or key combine."""

    value: RowValue
    how: Literal["sum", "min", "max"] = "sum"


@dataclass(frozen=True, slots=True, eq=False)
class Grain:
    """What one row of the past is: a day, a key such as an order or a category, or the latest version.

    Parameters
    ----------
    source
        Table of the contract.
    name
        What one row is, as in ``"day"`` or ``"order"``.
    shape
        ``days``: one row per (customer, as_of, day). ``keys``: per (customer, as_of, key), with each measure also
        counted within each window. ``latest``: one row per (customer, as_of).
    key
        Columns that name the key, computed row by row.
    before
        Measures of raw rows, combined per day before as_of dates come in; they cannot see a masked clock.
    after
        Measures of past rows, which see clocks masked at as_of as well as ``as_of_day`` and the measures of `before`.
    carried
        Columns, computed row by row, that `after` needs beside them.
    masked
        Clocks that `after` needs: null from as_of on, else day numbers.
    kept
        Condition on a raw row to be of this grain at all.
    requires
        Columns without which the grain has no meaning.
    gaps_of
        ``days`` only: measure whose days are chained, giving ``previous_day`` and ``gap_days``.
    silence_of
        ``days`` only: measure after whose last day `is_silent` is true, on every day where there is none.
    parts
        Grains of several tables whose rows are put together, each with the same measures; see `together`.
    """

    source: str
    name: str
    shape: Shape = "days"
    key: Mapping[str, RowValue] = field(default_factory=dict)
    before: Mapping[str, Measure] = field(default_factory=dict)
    after: Mapping[str, Measure] = field(default_factory=dict)
    carried: Mapping[str, RowValue] = field(default_factory=dict)
    masked: tuple[str, ...] = ()
    kept: RowValue | None = None
    requires: frozenset[str] = frozenset()
    gaps_of: str | None = None
    silence_of: str | None = None
    parts: tuple[Grain, ...] = ()

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Measures of `before` and `after` in one mapping."""
        return {**self.before, **self.after}

    @property
    def tables(self) -> tuple[str, ...]:
        """Tables of the contract whose rows it reads."""
        return tuple(part.source for part in self.parts) or (self.source,)

    def over(self, present: Mapping[str, frozenset[str]]) -> Grain | None:
        """The grain over the tables at hand; None where it has no meaning.

        Several tables put together are those of them that are there, at least two: one alone has its own grain.
        """
        if not self.parts:
            return self if self.source in present and self.requires <= present[self.source] else None
        there = tuple(part for part in self.parts if part.over(present) is not None)
        return together(self, there) if len(there) >= FEWEST_PARTS else None

    def columns(self, present: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """Columns that features of the grain may require; of several tables as ``table.column``."""
        if not self.parts:
            return present[self.source]
        return frozenset(f"{part.source}.{column}" for part in self.parts for column in present[part.source])


def together(whole: Grain, parts: Sequence[Grain]) -> Grain:
    """Days of several tables as one: of each day, the measures of all tables' rows.

    Every row keeps the clocks of its own table, so it is past when it is past there.

    Parameters
    ----------
    whole
        Name, gaps and silence.
    parts
        Grains of days, each of another table, with the same measures in the same order.
    """
    return replace(whole, source="+".join(part.source for part in parts), before=parts[0].before, parts=tuple(parts))
