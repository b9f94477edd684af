"""Which columns of each table say when: the clocks by which a row is past, and those of what follows later on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import ibis.expr.types as ir


@dataclass(frozen=True, slots=True)
class Clocks:
    """Time columns of a table of the contract.

    Parameters
    ----------
    event
        When a row happened.
    known
        When our tables could know it; null, or a table without it, means when it happened.
    masked
        Clocks of what follows later on the same row: null from as_of on.
    flags
        Flag of each masked clock that may be set without it: true since the row happened, unless the clock says when.
    undated
        Whether a row without an event time has always been true.
    """

    event: str
    known: str | None = "known_at"
    masked: tuple[str, ...] = ()
    flags: Mapping[str, str] = field(default_factory=dict)
    undated: bool = False

    @property
    def hidden(self) -> tuple[str, ...]:
        """Columns that tell of a later time: out of sight until as_of dates come in."""
        return (*self.masked, *self.flags.values())


CLOCKS: Mapping[str, Clocks] = {
    "purchases": Clocks("event_time"),
    "visits": Clocks("event_time"),
    "feedback": Clocks("event_time", masked=("resolved_at",)),
    # An invoice is past once it was due: before that, not having paid says nothing.
    "payments": Clocks("due_at", masked=("paid_at", "disputed_at"), flags={"disputed_at": "disputed"}),
    "customers": Clocks("valid_from", known=None, masked=("signup_at",), undated=True),
    "contracts": Clocks("started_at", masked=("ended_at",)),
    # A snapshot describes the state at the midnight it is dated, so it is known to that very as_of.
    "snapshots": Clocks("as_of", known=None, undated=True),
}


def day_number_of(clock: ir.Column) -> ir.IntegerColumn:
    """Midnights from 1970-01-01 to the day of a date or timestamp column."""
    day = clock if clock.type().is_date() else clock.date()
    return day.epoch_days().cast("int64")
