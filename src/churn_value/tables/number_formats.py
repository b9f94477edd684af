"""Numbers that are not written as in 1234.56: written anew as the configuration says that they are to be read.

Nothing is guessed: whether 1.234 is more than a thousand or little more than one only the company knows. What a format
does not read is bad, even where it would be a number if no format were given.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import ibis
import ibis.expr.types as ir

from churn_value.errors import ConfigError, SchemaError
from churn_value.tables.casts import as_text, read_number
from churn_value.tables.missing import source_column

PLAIN = ("1,234.56", "1.234,56", "1 234,56", "1'234.56")
_SIGNED = tuple(
    written
    for number, sign in product(PLAIN, ("$", "€", "£", "¥", "￥", "₹", "R$", "CHF", "USD", "EUR"))
    for written in (f"{sign}{number}", f"{number} {sign}")
) + tuple(f"{number} {sign}" for number, sign in product(PLAIN, ("元", "kr", "zł", "Kč", "руб.")))
"""Tried when a column cannot be read, to say what it might be; with a currency only where none reads it without."""

_EXAMPLE = re.compile(r"(?P<before>\D*?)1(?P<group>[^\d\w]?)234(?:(?P<point>[^\d\w])56)?(?P<after>\D*)")
_BLANKS = " \u00a0\u2009\u202f"
_BLANK = f"[{_BLANKS}]"
_MINUS = "[-\u2212]"


@dataclass(frozen=True, slots=True)
class _Written:
    """An example taken apart: what stands before and after, between thousands, and before decimals."""

    before: str
    group: str
    point: str
    after: str


def with_numbers(raw: ir.Table, formats: Mapping[str, str], where: str) -> ir.Table:
    """Source in which the numbers of the listed columns are written as in ``1234.56``.

    Parameters
    ----------
    raw
        Source rows.
    formats
        How each column would write 1234.56, or 1234 where it has no decimals; what stands before and after, as the sign
        of a currency, may be missing in a value. A minus may stand on either side, and brackets mean one.
    where
        Of the table in the configuration, for errors.

    Raises
    ------
    ConfigError
        ``NUMBER_FORMAT`` when a format is no such example.
    SchemaError
        When a column is not in the source, or holds numbers already.
    """
    return raw.mutate(**{name: _column(raw, name, text, f"{where}.number_formats") for name, text in formats.items()})


def _column(raw: ir.Table, name: str, written: str, where: str) -> ir.StringValue:
    source = source_column(raw, name, "number_formats", where)
    if not source.type().is_string():
        raise SchemaError(
            "number_formats are for texts",
            code="COLUMN_TYPE",
            where=f"{where}.{name}",
            received=f"type {source.type()}",
            remedy="take the column out of number_formats: its values can be read as they are",
        )
    parts = _parts(written, f"{where}.{name}")
    text = as_text(source)
    misleading = read_number(text).value.notnull()
    kept = ibis.ifelse(misleading, text.concat(f" is not written as {written}"), text)
    return ibis.coalesce(_plain(text, parts), kept)


def _parts(written: str, where: str) -> _Written:
    found = _EXAMPLE.fullmatch(written.strip())
    if found is None or (found["point"] is not None and found["point"] == found["group"]):
        raise ConfigError(
            "a number format must be 1234.56, or 1234, as the column would write it",
            code="NUMBER_FORMAT",
            where=where,
            received=repr(written),
            remedy="write it as in '1.234,56', '1 234,56', '$1,234.56' or '1234,56 €'",
        )
    return _Written(found["before"].strip(), found["group"], found["point"] or "", found["after"].strip())


def _plain(text: ir.StringValue, parts: _Written) -> ir.StringValue:
    """Numbers as in 1234.56, null where they are not written so."""
    group, point = _one(parts.group), _one(parts.point)
    whole = rf"\d{{1,3}}(?:{group}\d{{3}})+|\d*" if group else r"\d*"
    decimals = rf"(?:{point}(\d*))?" if point else "()"
    before, after = (f"(?:{re.escape(part)})?" if part else "" for part in (parts.before, parts.after))
    pattern = (
        rf"^{_BLANK}*(\(?)({_MINUS}?){_BLANK}*{before}{_BLANK}*({_MINUS}?)({whole}){decimals}"
        rf"{_BLANK}*{after}{_BLANK}*({_MINUS}?)(\)?){_BLANK}*$"
    )
    opened, first, second, digits, fraction, last, closed = (text.re_extract(pattern, index) for index in range(1, 8))
    signs = opened.length() + sum((sign.length() for sign in (second, last)), first.length())
    digits = digits.re_replace(r"\D", "")
    point_and_fraction = ibis.ifelse(fraction == "", "", ibis.literal(".").concat(fraction))
    number = ibis.ifelse(signs == 1, "-", "").concat(digits, point_and_fraction)
    fits = text.re_search(pattern) & (signs <= 1) & (opened.length() == closed.length())
    return ibis.ifelse(fits & (digits.concat(fraction) != ""), number, ibis.null("string"))


def _one(character: str) -> str:
    return _BLANK if character and character in _BLANKS else re.escape(character)


def formats_that_read(raw: ir.Table, source: ir.Value) -> list[str]:
    """Usual formats that read every value of a column that has any; with a currency where none reads it without."""
    return _reading_all(raw, source, PLAIN) or _reading_all(raw, source, _SIGNED)


def _reading_all(raw: ir.Table, source: ir.Value, tried: tuple[str, ...]) -> list[str]:
    text = as_text(source)
    numbers = [_plain(text, _parts(written, "")) for written in tried]
    counted = raw.aggregate([text.count(), *(number.count() for number in numbers)])
    filled, *counts = counted.to_pyarrow().to_pylist()[0].values()
    return [written for written, count in zip(tried, counts, strict=True) if count == filled > 0]
