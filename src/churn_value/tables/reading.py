"""Reading the columns of a source, and refusing a table whose columns as a whole are not what they should be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir

from churn_value.errors import ConfigError, SchemaError
from churn_value.tables import casts, number_formats, time_formats
from churn_value.tables.casts import Reading
from churn_value.tables.currencies import minor_exponent
from churn_value.tables.files.text_files import BrokenRow
from churn_value.tables.specs import Column, TableSpec

MIN_ROWS_TO_REFUSE = 10
MAX_BAD_SHARE = 0.5
_TIMES, _NUMBERS = ("time", "day"), ("money", "number")


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of a configuration that cleaning depends on.

    Parameters
    ----------
    currency
        ISO 4217 code that all amounts are brought to.
    rates
        Units of `currency` per unit of other currencies.
    positive
        Text of the label that means churned; None for a flag.
    time_zone
        Zone of stamps without offset; None refuses such stamps.
    observed_now
        Moment of loading, naive UTC, or an expression that gives it; later events are quarantined.
    late_after_days
        Rows known more than this after they happened are counted as late.
    """

    currency: str
    rates: Mapping[str, float]
    positive: str | None
    time_zone: str | None
    observed_now: datetime | ir.TimestampValue
    late_after_days: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """A source whose columns have been given their contract names.

    Parameters
    ----------
    spec
        Table of the contract.
    raw
        Source rows, numbered from 1 in `rows.ROW`.
    columns
        Contract column: expression over `raw`; absent columns are absent.
    attributes
        Attribute: expression over `raw`.
    minor
        Money columns whose source is in minor units already.
    where
        File and key that messages name.
    broken
        Lines that could not be split into columns.
    unread
        Type of each source column that nothing reads.
    """

    spec: TableSpec
    raw: ir.Table
    columns: Mapping[str, ir.Value]
    attributes: Mapping[str, ir.Value]
    minor: frozenset[str]
    where: str
    broken: tuple[BrokenRow, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


def readings(mapped: Mapped, rules: Rules) -> dict[str, Reading]:
    """Reading of each column the source has.

    Raises
    ------
    SchemaError
        When a column's type cannot hold what the contract says.
    """
    rate = _rate(mapped, rules)
    return {
        column.name: _reading(column, mapped, rules, rate)
        for column in mapped.spec.mappable
        if column.name in mapped.columns
    }


def _reading(column: Column, mapped: Mapped, rules: Rules, rate: ir.Value | None) -> Reading:
    source = mapped.columns[column.name]
    if column.name in mapped.minor:
        return casts.read_minor(source)
    if not casts.readable(column.kind, source.type()):
        raise SchemaError(
            f"column {column.name} must hold {_NEEDED[column.kind]}",
            code="COLUMN_TYPE",
            where=mapped.where,
            received=f"type {source.type()}",
            remedy=_remedy(
                mapped, column, f"map another source column to {column.name}, or store it as {_NEEDED[column.kind]}"
            ),
        )
    if source.type().is_null():
        source = source.cast("string")
    match column.kind:
        case "time":
            return casts.read_time(source, rules.time_zone)
        case "money":
            return casts.read_money(source, minor_exponent(rules.currency), rate)
        case "label":
            return casts.read_label(source, rules.positive)
        case kind:
            return _READERS[kind](source)


_READERS: Mapping[str, Callable[[ir.Value], Reading]] = {
    "id": casts.read_id,
    "kind": casts.read_kind,
    "day": casts.read_day,
    "number": casts.read_number,
    "flag": casts.read_flag,
    "text": casts.read_text,
}
_OR_NULL = ", or list texts that mean null under null_values"
_REMEDIES = {
    "label": "write the text that means churned as churn.positive",
    "money": "write numbers with a decimal point and no separators of thousands",
}
_NEEDED = {
    "id": "text or integers",
    "text": "text or numbers",
    "kind": "text",
    "time": "timestamps, dates, or ISO 8601 text",
    "day": "dates, timestamps, or ISO 8601 text",
    "money": "numbers in major units",
    "number": "numbers",
    "flag": "true or false",
    "label": "0 or 1",
}


def _currency_of(mapped: Mapped) -> ir.StringValue | None:
    source = mapped.columns.get("currency")
    return None if source is None else casts.as_text(source).upper()


def _rate(mapped: Mapped, rules: Rules) -> ir.Value | None:
    code = _currency_of(mapped)
    if code is None:
        return None
    known = {rules.currency: 1.0, **rules.rates}
    return ibis.cases((code.isnull(), 1.0), *((code == name, float(rate)) for name, rate in known.items()), else_=None)


def check_time_zone(connection: Any, mapped: Mapped, rules: Rules) -> None:
    """Refuse a time zone the engine does not know.

    Raises
    ------
    ConfigError
        With the name nearest to the one received.
    """
    if rules.time_zone in (None, "UTC"):
        return
    known = [row[0] for row in connection.con.execute("SELECT name FROM pg_timezone_names()").fetchall()]
    if rules.time_zone not in known:
        close = difflib.get_close_matches(str(rules.time_zone), known, n=1)
        raise ConfigError(
            "a time zone must be a name of the tz database",
            code="TIME_ZONE",
            where=f"{mapped.where}.time_zone",
            received=rules.time_zone,
            remedy=f"did you mean {close[0]}?" if close else "write it as in Europe/London",
        )


def check_currencies(mapped: Mapped, rules: Rules) -> None:
    """Refuse a table with amounts in currencies that have no rate.

    Raises
    ------
    SchemaError
        Naming the currencies and how many rows each has.
    """
    code = _currency_of(mapped)
    if code is None:
        return
    known = [rules.currency, *rules.rates]
    other = mapped.raw.select(code=code).filter(lambda t: t.code.notnull() & ~t.code.isin(known))
    counts = other.group_by("code").agg(n=other.count()).order_by("code").limit(10).execute()
    if len(counts):
        found = ", ".join(f"{name} ({n} rows)" for name, n in zip(counts["code"], counts["n"], strict=True))
        raise SchemaError(
            f"amounts must be in {rules.currency}, or in a currency with a rate",
            code="MIXED_CURRENCY",
            where=mapped.where,
            received=found,
            remedy=f"write rates: {{{counts['code'][0]}: <{rules.currency} per {counts['code'][0]}>}}",
        )


def check_columns(mapped: Mapped, read: Mapping[str, Reading], rules: Rules) -> None:
    """Refuse a table one of whose columns is as a whole not what the contract says.

    Raises
    ------
    SchemaError
        ``NAIVE_TIMESTAMP`` when stamps have neither offset nor time zone; ``COLUMN_TYPE`` when more than half of at
        least ten values cannot be read, or fewer and a number format reads all: separators of thousands stand in the
        largest amounts, and to set these aside would lose the best customers.
    """
    asked = {
        name: reading
        for name, reading in read.items()
        if mapped.columns[name].type().is_string() or (reading.naive is not None and rules.time_zone is None)
    }
    if not asked:
        return
    counts = _probe(mapped.raw, asked)
    for name, reading in asked.items():
        if reading.naive is not None and rules.time_zone is None and counts[f"{name}__naive"]:
            raise _naive(mapped, name, counts[f"{name}__naive"])
        filled, bad = counts[f"{name}__filled"], counts[f"{name}__bad"]
        if filled < MIN_ROWS_TO_REFUSE or not bad:
            continue
        if bad > MAX_BAD_SHARE * filled or _is_written_otherwise(mapped, mapped.spec.column(name)):
            raise _unreadable(mapped, name, bad, filled)


def _probe(raw: ir.Table, asked: Mapping[str, Reading]) -> dict[str, int]:
    sums: dict[str, ir.Value] = {}
    for name, reading in asked.items():
        sums[f"{name}__filled"] = raw.count(where=~reading.missing)
        sums[f"{name}__bad"] = raw.count(where=reading.bad)
        if reading.naive is not None:
            sums[f"{name}__naive"] = raw.count(where=reading.naive)
    counted = raw.aggregate(**sums).to_pyarrow().to_pylist()[0]
    return {name: int(count or 0) for name, count in counted.items()}


def _naive(mapped: Mapped, name: str, count: int) -> SchemaError:
    return SchemaError(
        f"stamps of {name} must have an offset, or the table a time_zone",
        code="NAIVE_TIMESTAMP",
        where=mapped.where,
        received=f"{count} stamps without either",
        remedy=f"write tables.{mapped.spec.name}.time_zone, as in Europe/London or UTC",
    )


def _unreadable(mapped: Mapped, name: str, bad: int, filled: int) -> SchemaError:
    column = mapped.spec.column(name)
    kind = column.kind
    return SchemaError(
        f"column {name} must hold {_NEEDED[kind]}",
        code="COLUMN_TYPE",
        where=mapped.where,
        received=f"{bad} of {filled} values that cannot be read",
        remedy=_remedy(mapped, column, _REMEDIES.get(kind, f"map another source column to {name}") + _OR_NULL),
    )


def _remedy(mapped: Mapped, column: Column, other: str) -> str:
    """What to do about a column; for times and numbers first of all to say how they are written."""
    source = mapped.columns[column.name]
    setting, found, example = _formats(mapped, column)
    if not setting:
        return other
    reads = " or ".join(repr(one) for one in found) or f"<how they are written, as in {example!r}>"
    every = ", which reads every one of them" if found else ""
    return f"write {setting}: {{{source.get_name()}: {reads}}}{every}; or {other}"


class _Formats(NamedTuple):
    setting: str = ""
    found: Sequence[str] = ()
    example: str = ""


def _is_written_otherwise(mapped: Mapped, column: Column) -> bool:
    return column.kind in _NUMBERS and bool(_formats(mapped, column).found)


def _formats(mapped: Mapped, column: Column) -> _Formats:
    """The setting that says how a column is written, the usual formats that read all of it, and an example."""
    source = mapped.columns[column.name]
    if column.kind in _TIMES and (source.type().is_string() or source.type().is_numeric()):
        return _Formats("time_formats", time_formats.formats_that_read(mapped.raw, source), "%d/%m/%Y %H:%M")
    if column.kind in _NUMBERS and source.type().is_string():
        return _Formats("number_formats", number_formats.formats_that_read(mapped.raw, source), "1.234,56")
    return _Formats()
