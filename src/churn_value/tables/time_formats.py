"""Times that are not written as ISO 8601: written anew as the configuration says that they are to be read.

Nothing is guessed: whether 10/2/2017 is in October or in February only the company knows. What a format does not read
stays as it was written, so that `casts` calls it bad instead of missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from churn_value.errors import ConfigError, SchemaError
from churn_value.tables.casts import FIRST_STAMP, LAST_STAMP, as_text, engine_function, in_range
from churn_value.tables.missing import source_column

UNIX: Mapping[str, int] = MappingProxyType({"unix_s": 10**6, "unix_ms": 10**3, "unix_us": 1})
"""Counts since 1970-01-01T00:00Z, and the microseconds in one."""

COMMON = (
    *("%m/%d/%Y %H:%M", "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p"),
    *("%m/%d/%Y", "%d/%m/%Y", "%m/%d/%y", "%d/%m/%y", "%m/%d/%y %H:%M", "%d/%m/%y %H:%M"),
    *("%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%d-%m-%Y", "%m-%d-%Y", "%d-%m-%Y %H:%M", "%d-%b-%Y"),
    *("%Y%m%d", "%Y%m%d%H%M%S", "%Y.%m.%d", "%Y年%m月%d日", "%Y年%m月%d日 %H:%M", "%Y年%m月%d日 %H:%M:%S", *UNIX),
)
"""Tried when a column cannot be read, to say what it might be."""

UNLIKELY_BEFORE = "1990"
"""Every number is some count since 1970; what few companies have rows of is not proposed."""

_OF_DAYS, _OF_HOURS = frozenset("YymbBdjaA%"), frozenset("HIMSfp")
_DIRECTIVE = re.compile(r"%(.?)")
_WRITTEN_DAY, _WRITTEN_TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f"
_MICROS = dt.Decimal(38, 6)
_EPOCH = ibis.timestamp("1970-01-01")
_FIRST, _LAST = (ibis.timestamp(stamp).epoch_seconds() for stamp in (FIRST_STAMP, LAST_STAMP))
_parsed = engine_function("try_strptime", (dt.string, dt.string), dt.Timestamp())


def with_times(raw: ir.Table, formats: Mapping[str, str], where: str) -> ir.Table:
    """Source in which the times of the listed columns are ISO 8601 text.

    Parameters
    ----------
    raw
        Source rows.
    formats
        How each column's times are written: directives of ``strptime`` (`_OF_DAYS`, `_OF_HOURS`), read in the table's
        time zone, or one of `UNIX`, which are instants.
    where
        Of the table in the configuration, for errors.

    Raises
    ------
    ConfigError
        ``TIME_FORMAT`` when a format does not say which day it is, or has a directive that is not known.
    SchemaError
        When a column is not in the source, or holds times already.
    """
    return raw.mutate(**{name: _column(raw, name, text, f"{where}.time_formats") for name, text in formats.items()})


def _column(raw: ir.Table, name: str, written: str, where: str) -> ir.StringValue:
    source = source_column(raw, name, "time_formats", where)
    kind = source.type()
    if not (kind.is_string() or kind.is_numeric()):
        raise SchemaError(
            "time_formats are for texts and numbers",
            code="COLUMN_TYPE",
            where=f"{where}.{name}",
            received=f"type {kind}",
            remedy="take the column out of time_formats: its times can be read as they are",
        )
    _check(written, f"{where}.{name}")
    text = as_text(source)
    return ibis.coalesce(iso_text(text, written), text)


def _check(written: str, where: str) -> None:
    if written in UNIX:
        return
    said = _DIRECTIVE.findall(written)
    unknown = [f"%{one}" for one in said if one not in _OF_DAYS | _OF_HOURS]
    day = {"j"} <= {*said} or ("d" in said and {*said} & {"m", "b", "B"})
    if unknown or not day or not {*said} & {"Y", "y"}:
        raise ConfigError(
            "a time format must say year, month and day by directives of strptime",
            code="TIME_FORMAT",
            where=where,
            received=f"{written!r}" + (f", of which {' '.join(unknown)} cannot be read" if unknown else ""),
            remedy=f"write it as in '%d/%m/%Y %H:%M:%S', or one of {', '.join(UNIX)}; offsets: ISO 8601 only",
        )


def iso_text(text: ir.StringValue, written: str) -> ir.StringValue:
    """Times as ISO 8601 text, null where the format does not read them; days without a time stay days."""
    if written in UNIX:
        count = text.try_cast(_MICROS)
        per_second = 10**6 // UNIX[written]
        near_enough = ibis.ifelse(count.between(_FIRST * per_second, _LAST * per_second), count, ibis.null(_MICROS))
        micros = (near_enough * UNIX[written]).cast("int64")
        return (_EPOCH + micros.as_interval("us")).strftime(f"{_WRITTEN_TIME}Z")
    has_hours = not _OF_HOURS.isdisjoint(_DIRECTIVE.findall(written))
    return in_range(_parsed(text, written)).strftime(_WRITTEN_TIME if has_hours else _WRITTEN_DAY)


def formats_that_read(raw: ir.Table, source: ir.Value) -> list[str]:
    """Those of the `COMMON` formats that read every value of a column that has any."""
    text = as_text(source)
    isos = [iso_text(text, written) for written in COMMON]
    counted = raw.aggregate([text.count(), *(iso.count(where=iso > UNLIKELY_BEFORE) for iso in isos)])
    filled, *counts = counted.to_pyarrow().to_pylist()[0].values()
    return [written for written, count in zip(COMMON, counts, strict=True) if count == filled > 0]
