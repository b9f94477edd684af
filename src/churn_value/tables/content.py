"""A hash of a table's content that does not depend on the order of its rows, nor on threads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import ibis.expr.datatypes as dt


def quoted(name: str) -> str:
    """Name as a SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Text as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def row_text(columns: Mapping[str, dt.DataType]) -> str:
    """SQL expression that writes a row so that different rows give different texts.

    Texts carry their length, so no separator can be imitated; null is ``-``. Only casts whose text is fixed by the
    type are used (integers, ISO days, microseconds, shortest decimal of a double), so the hash outlives an engine.
    """
    return " || ',' || ".join(_cell(name, kind) for name, kind in columns.items())


def _cell(name: str, kind: dt.DataType) -> str:
    column = quoted(name)
    if kind.is_string():
        return f"coalesce(length({column}) || ':' || {column}, '-')"
    if kind.is_timestamp():
        return f"coalesce(epoch_us({column})::VARCHAR, '-')"
    return f"coalesce({column}::VARCHAR, '-')"


def content_of(connection: Any, table: str, columns: Mapping[str, dt.DataType]) -> tuple[int, int, str]:
    """Number of rows, of different rows, and an order-independent hash.

    Each row is hashed with MD5 and the two 64-bit halves are summed exactly over rows: addition commutes, and a
    repeated row counts twice. This tells data sets apart; it is not meant to withstand forgery.

    Returns
    -------
    Rows, different rows, hexadecimal SHA-256 over column names, types, count and sums.
    """
    query = (
        "SELECT count(*), count(DISTINCT h), coalesce(sum((h & 18446744073709551615)::UBIGINT), 0)::VARCHAR, "  # noqa: S608
        "coalesce(sum((h >> 64)::UBIGINT), 0)::VARCHAR "
        f"FROM (SELECT md5_number({row_text(columns)}) AS h FROM {quoted(table)})"
    )
    total, distinct, low, high = connection.con.execute(query).fetchall()[0]
    names = [[name, str(kind)] for name, kind in columns.items()]
    text = json.dumps([names, total, low, high], ensure_ascii=False)
    return int(total), int(distinct), hashlib.sha256(text.encode()).hexdigest()
