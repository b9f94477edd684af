"""From readings to canonical rows: reasons first, then one rule per table.

Reasons are tried in the order of `reasons.REASONS`; a row is quarantined for the first that applies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import ibis
import ibis.expr.types as ir

from churn_value.tables.casts import Reading
from churn_value.tables.reasons import REASONS
from churn_value.tables.specs import Column, TableSpec

ROW = "__source_row"
REASON = "__reason"
AT = "__reason_column"
"""Names no source column should have; the quarantine file drops their underscores."""

DEFAULT_SCALES: Mapping[str, tuple[float, float]] = {"csat": (1.0, 5.0), "review": (1.0, 5.0), "nps": (0.0, 10.0)}
_BAD_CODE = {
    "id": "BAD_ID",
    "time": "BAD_TIME",
    "day": "BAD_TIME",
    "money": "BAD_AMOUNT",
    "number": "BAD_NUMBER",
    "flag": "BAD_FLAG",
    "label": "BAD_LABEL",
}
_MISSING_CODE = {"id": "MISSING_ID", "time": "MISSING_TIME", "money": "BAD_AMOUNT", "kind": "UNKNOWN_KIND"}


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason to set a row aside, the column it is found in, and when it holds."""

    reason: str
    column: str
    holds: ir.BooleanValue


def column_faults(column: Column, reading: Reading, observed_now: datetime | ir.TimestampValue) -> Iterator[Fault]:
    """Faults that one column can have by itself."""
    now = observed_now if isinstance(observed_now, ir.Value) else ibis.literal(observed_now, "timestamp(6)")
    if column.required and not column.nullable:
        yield Fault(_MISSING_CODE[column.kind], column.name, reading.missing)
    if column.kind in _BAD_CODE:
        code = "BAD_SCORE" if column.name == "score" else _BAD_CODE[column.kind]
        code = "BAD_SCALE" if column.name.startswith("scale_") else code
        yield Fault(code, column.name, reading.bad)
    if column.allowed:
        yield Fault("UNKNOWN_KIND", column.name, ~reading.value.isin(column.allowed))
    if column.kind == "time" and not column.may_be_future:
        yield Fault("EVENT_IN_FUTURE", column.name, reading.value > now)
    if column.kind == "day":
        yield Fault("EVENT_IN_FUTURE", column.name, reading.value > now.date())


def table_faults(table: str, values: Mapping[str, ir.Value]) -> Iterator[Fault]:
    """Faults between columns of a row."""
    if table == "feedback":
        yield from _score_faults(values)
        yield Fault("RESOLVED_BEFORE_OPENED", "resolved_at", values["resolved_at"] < values["event_time"])
    if table == "contracts":
        yield Fault("ENDS_BEFORE_START", "ended_at", values["ended_at"] < values["started_at"])


def _score_faults(values: Mapping[str, ir.Value]) -> Iterator[Fault]:
    score, low, high = values["score"], values["scale_min"], values["scale_max"]
    yield Fault("BAD_SCALE", "scale_max", high <= low)
    yield Fault("BAD_SCALE", "scale_min", score.notnull() & (low.isnull() | high.isnull()))
    yield Fault("BAD_SCORE", "score", (score < low) | (score > high))


def first_fault(faults: list[Fault]) -> tuple[ir.StringValue, ir.StringValue]:
    """Reason and column of the first fault of each row in the documented order; null for good rows."""
    ordered = sorted(faults, key=lambda fault: list(REASONS).index(fault.reason))
    if not ordered:
        return ibis.null("string"), ibis.null("string")
    holds = [fault.holds.fill_null(False) for fault in ordered]
    reason = ibis.cases(*((hold, fault.reason) for hold, fault in zip(holds, ordered, strict=True)), else_=None)
    column = ibis.cases(*((hold, fault.column) for hold, fault in zip(holds, ordered, strict=True)), else_=None)
    return reason, column


def completed(table: str, values: dict[str, ir.Value]) -> dict[str, ir.Value]:
    """Values with the table's own rules applied: defaults, scales and the sign of returns."""
    if table == "feedback":
        return _with_scales(values)
    if table == "purchases":
        return _with_returns_negative(values)
    return values


def _with_scales(values: dict[str, ir.Value]) -> dict[str, ir.Value]:
    kind, low, high = values["kind"], values["scale_min"], values["scale_max"]
    unscaled = low.isnull() & high.isnull()

    def default(end: int) -> ir.Value:
        return ibis.cases(*((kind == name, ends[end]) for name, ends in DEFAULT_SCALES.items()), else_=None)

    low = ibis.ifelse(unscaled, default(0), low).cast("float64")
    high = ibis.ifelse(unscaled, default(1), high).cast("float64")
    satisfaction = (values["score"] - low) / (high - low)
    return values | {"scale_min": low, "scale_max": high, "satisfaction": satisfaction}


def _with_returns_negative(values: dict[str, ir.Value]) -> dict[str, ir.Value]:
    """A return lowers the value whatever sign its source gave it.

    A row is a return when it is flagged as one or its amount is negative; then amount and quantity are made negative,
    and the margin changes sign with the amount.
    """
    amount, margin, quantity = values["amount"], values["margin"], values["quantity"]
    is_return = values["is_return"].fill_null(False) | (amount < 0).fill_null(False)
    flipped = is_return & (amount > 0)
    return values | {
        "is_return": is_return,
        "amount": ibis.ifelse(is_return, -amount.abs(), amount),
        "margin": ibis.ifelse(flipped, -margin, margin),
        "quantity": ibis.ifelse(is_return, -quantity.abs(), quantity),
    }


def null_of(column: Column) -> ir.Value:
    """Typed null of a column the source does not have."""
    return ibis.null(column.stored_type)


def spec_order(spec: TableSpec, values: Mapping[str, ir.Value]) -> dict[str, ir.Value]:
    """Values under their stored names, in the contract's order and types."""
    return {column.stored: values[column.name].cast(column.stored_type) for column in spec.columns}
