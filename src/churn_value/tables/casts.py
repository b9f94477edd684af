"""Reading values: each kind of column as its stored type, with a flag for values that cannot be read.

Nothing is guessed and nothing fails: a value that cannot be read becomes null with `bad` true, and `cleaning` decides.
Source columns may be text (all of a CSV is) or typed (Parquet, DuckDB, frames).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from churn_value.tables.specs import Kind

MAX_MINOR = 10**15
"""Largest amount accepted, in minor units; sums of nine thousand of them still fit 64 bits."""

MONEY_DECIMALS = 9
EXACT_FLOAT = 2**53
FIRST_STAMP, LAST_STAMP = "1900-01-01", "2200-01-01"
TRUE_TEXTS = ("true", "t", "yes", "y", "1", "1.0")
FALSE_TEXTS = ("false", "f", "no", "n", "0", "0.0")

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")
_DATE_ONLY = r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}$"
_WITH_OFFSET = r"[:\d](\.\d+)?\s?(Z|UTC|[+-]\d{2}(:?\d{2})?)$"

_ZONED = dt.Timestamp(timezone="UTC")
_NAIVE = dt.Timestamp()


def engine_function(name: str, takes: tuple[dt.DataType, dt.DataType], gives: dt.DataType) -> Callable[..., Any]:
    """Function of the engine that Ibis has no word for."""

    def declared(first: Any, second: Any) -> Any:
        raise NotImplementedError

    found: Callable[..., Any] = ibis.udf.scalar.builtin(declared, name=name, signature=(takes, gives))
    return found


_MAJOR = dt.Decimal(38, MONEY_DECIMALS)
_clock_at = engine_function("timezone", (dt.string, _ZONED), _NAIVE)
_instant_of = engine_function("timezone", (dt.string, _NAIVE), _ZONED)
_round_even = engine_function("round_even", (_MAJOR, dt.int32), dt.Decimal(38, 0))


@dataclass(frozen=True, slots=True)
class Reading:
    """A source column read as a contract column.

    Parameters
    ----------
    value
        Stored type; null where missing or bad.
    missing
        Whether the source says nothing: null, NaN or an empty text.
    naive
        Time columns: whether it is a clock reading without zone or offset; None when the column cannot hold one.
    """

    value: ir.Value
    missing: ir.BooleanValue
    naive: ir.BooleanValue | None = None

    @property
    def bad(self) -> ir.BooleanValue:
        """Whether the source says something that cannot be read."""
        return ~self.missing & self.value.isnull()


def _filled(source: ir.Value) -> ir.Value:
    """Source with null for what says nothing."""
    if source.type().is_string():
        return blank_to_null(source)
    if source.type().is_floating():
        return ibis.ifelse(source.isnan(), ibis.null(source.type()), source)
    return source


def blank_to_null(text: ir.StringValue) -> ir.StringValue:
    """Text, or null when it is empty; blanks are kept, ids are never trimmed."""
    return text.nullif("")


def as_text(source: ir.Value) -> ir.StringValue:
    """Any scalar as text; whole floats without their ``.0``, so that 17850.0 is ``17850``."""
    kind = source.type()
    if kind.is_string():
        return blank_to_null(source)
    if kind.is_floating():
        number = source.cast("float64")
        whole = number.try_cast("int64")
        text = ibis.ifelse(whole.cast("float64") == number, whole.cast("string"), number.cast("string"))
        return ibis.ifelse(number.isnan(), ibis.null("string"), text)
    return source.cast("string")


def read_id(source: ir.Value) -> Reading:
    """Id as opaque text: the text of a text source untouched, numbers written out.

    A text with a NUL character is bad, and so is a float too large to be told from its neighbours.
    """
    text = as_text(source)
    bad = text.contains("\x00")
    if source.type().is_floating():
        bad = bad | (source.abs() > EXACT_FLOAT)
    return Reading(ibis.ifelse(bad, ibis.null("string"), text), text.isnull())


def read_text(source: ir.Value) -> Reading:
    """Category or free text; empty text is null."""
    text = as_text(source)
    return Reading(text, text.isnull())


def read_kind(source: ir.Value) -> Reading:
    """Word of a list, in lower case without blanks around it."""
    text = blank_to_null(as_text(source).strip().lower())
    return Reading(text, text.isnull())


def read_number(source: ir.Value) -> Reading:
    """Finite double."""
    filled = _filled(source)
    number = filled.try_cast("float64")
    finite = ibis.ifelse(number.isnan() | number.isinf(), ibis.null("float64"), number)
    return Reading(finite, filled.isnull())


def _as_decimal(source: ir.Value) -> ir.DecimalValue:
    # A float passes through its shortest decimal text, so 2.675 is 2.675 and not 2.67499999999999982236431605997495353.
    text = source.cast("string") if source.type().is_floating() else source
    return text.try_cast(_MAJOR)


def to_minor(major: ir.DecimalValue, exponent: int) -> ir.IntegerValue:
    """Major units as integer minor units, halves to the even one; null above `MAX_MINOR`."""
    small = ibis.ifelse(major.abs() <= MAX_MINOR, major, ibis.null(_MAJOR))
    minor = _round_even(small * ibis.literal(10**exponent, "int32"), 0)
    return ibis.ifelse(minor.abs() <= MAX_MINOR, minor, ibis.null(dt.Decimal(38, 0))).cast("int64")


def read_money(source: ir.Value, exponent: int, rate: ir.FloatingValue | None = None) -> Reading:
    """Amount in major units as integer minor units.

    The amount is taken to nine decimals, multiplied by `rate` where given, and rounded half to even at the minor unit.
    """
    filled = _filled(source)
    major = _as_decimal(filled)
    if rate is not None:
        major = ibis.ifelse(rate == 1.0, major, _as_decimal(major.cast("float64") * rate))
    return Reading(to_minor(major, exponent), filled.isnull())


def read_minor(source: ir.Value) -> Reading:
    """Amount that is already in integer minor units; a fraction is bad."""
    filled = _filled(source)
    major = _as_decimal(filled)
    whole = ibis.ifelse(major == _round_even(major, 0), major, ibis.null(_MAJOR))
    return Reading(to_minor(whole, 0), filled.isnull())


def read_flag(source: ir.Value) -> Reading:
    """Boolean, from booleans, 0 and 1, or the usual English words."""
    if source.type().is_boolean():
        return Reading(source, source.isnull())
    text = as_text(source).lower()
    flag = ibis.cases(
        (text.isin(TRUE_TEXTS), True),
        (text.isin(FALSE_TEXTS), False),
        else_=ibis.null("boolean"),
    )
    return Reading(flag, text.isnull())


def read_label(source: ir.Value, positive: str | None) -> Reading:
    """Label 0 or 1: whether the text is `positive`, or a flag when `positive` is None; 1.0 is 1, as a text too."""
    if positive is None:
        flag = read_flag(source)
        return Reading(flag.value.cast("int8"), flag.missing)
    text = as_text(source)
    is_it = text == positive
    if _NUMBER.fullmatch(positive):
        is_it |= (text.try_cast("float64") == float(positive)).fill_null(False)
    return Reading(is_it.cast("int8"), text.isnull())


def in_range(stamp: ir.TimestampValue) -> ir.TimestampValue:
    """Stamps that can be meant, null for others."""
    inside = (stamp >= ibis.timestamp(FIRST_STAMP)) & (stamp < ibis.timestamp(LAST_STAMP))
    return ibis.ifelse(inside, stamp, ibis.null("timestamp(6)"))


def _to_utc(clock: ir.TimestampValue, zone: str | None) -> ir.TimestampValue:
    if zone in (None, "UTC"):
        return in_range(clock.cast("timestamp(6)"))
    # The range comes first: zones are not defined for every stamp a column can hold.
    return _clock_at("UTC", _instant_of(zone, in_range(clock.cast("timestamp")))).cast("timestamp(6)")


def _read_time_text(source: ir.StringValue, zone: str | None) -> Reading:
    text = blank_to_null(source)
    is_day = text.re_search(_DATE_ONLY)
    has_offset = text.re_search(_WITH_OFFSET) & ~is_day
    clock = _to_utc(text.try_cast("timestamp"), zone)
    instant = in_range(_clock_at("UTC", text.try_cast(_ZONED)).cast("timestamp(6)"))
    stamp = ibis.ifelse(has_offset, instant, clock)
    naive = stamp.notnull() & ~has_offset & ~is_day
    return Reading(stamp, text.isnull(), naive)


def read_time(source: ir.Value, zone: str | None) -> Reading:
    """Instant as a UTC timestamp in microseconds.

    Stamps without offset are clock readings of `zone`. In the hour that clocks show twice the later instant is meant; a
    reading that clocks skipped is moved on by the gap. A day without time is its midnight. Finer digits are cut off.
    """
    kind = source.type()
    if kind.is_string():
        return _read_time_text(source, zone)
    if kind.is_date():
        return Reading(_to_utc(source.cast("timestamp"), zone), source.isnull())
    if kind.timezone is not None:
        stamp = in_range(_clock_at("UTC", source.cast(_ZONED)).cast("timestamp(6)"))
        return Reading(stamp, source.isnull())
    return Reading(_to_utc(source, zone), source.isnull(), source.notnull())


def read_day(source: ir.Value) -> Reading:
    """Calendar day; a stamp counts as the day it is written with."""
    filled = _filled(source)
    kind = source.type()
    if kind.is_date():
        return Reading(filled, filled.isnull())
    day = filled.try_cast("timestamp").date() if kind.is_string() else filled.date()
    return Reading(day, filled.isnull())


_HOLDERS: Mapping[str, tuple[str, ...]] = {
    "time": ("timestamp", "date"),
    "day": ("timestamp", "date"),
    "money": ("integer", "floating", "decimal"),
    "number": ("integer", "floating", "decimal"),
    "flag": ("boolean", "integer", "floating"),
    "label": ("boolean", "integer", "floating"),
}
_ID_HOLDERS = ("integer", "floating", "decimal", "boolean", "uuid")


def readable(kind: Kind, source: dt.DataType) -> bool:
    """Whether a source column of that type can hold values of the kind at all; text may hold any."""
    holders = ("string", "null", *_HOLDERS.get(kind, _ID_HOLDERS))
    return any(getattr(source, f"is_{holder}")() for holder in holders)
