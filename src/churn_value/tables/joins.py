"""Bringing columns of another file to each row: a look-up, never a multiplication of rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from churn_value.config import JoinConfig
from churn_value.errors import SchemaError
from churn_value.tables import rows
from churn_value.tables.casts import as_text
from churn_value.tables.files.sources import opened
from churn_value.tables.files.text_files import TextFormat
from churn_value.tables.mapping import ambiguous, with_nulls
from churn_value.tables.missing import no_such_column


@contextmanager
def joined(
    connection: Any, raw: ir.Table, join: JoinConfig, *, name: str, root: Path, where: str, written: TextFormat
) -> Iterator[ir.Table]:
    """Rows with the other file's columns; rows without a match get nulls.

    Keys are compared as ids are: as text, so that 17850 meets ``17850``.

    Raises
    ------
    SchemaError
        When a key or column is not there, a key stands twice in the other file, or a column name is taken.
    """
    with opened(connection, name, join.path, root=root, where=where, written=written) as source:
        if source.broken:
            raise SchemaError(
                "a file that is looked up must be whole",
                code="BROKEN_FILE",
                where=f"{where}.path",
                received=f"{len(source.broken)} broken lines, the first in line {source.broken[0].line}",
                remedy="correct these lines",
            )
        other = with_nulls(source.raw, join.null_values, where)
        yield _looked_up(raw, other, join, where)


def _looked_up(raw: ir.Table, other: ir.Table, join: JoinConfig, where: str) -> ir.Table:
    keys = {f"__key_{number}": pair for number, pair in enumerate(join.on.items())}
    for here, there in keys.values():
        _need(here, raw, f"{where}.on")
        _need(there, other, f"{where}.on")
    taken = set(join.on.values()) | {rows.ROW}
    columns = join.columns or [column for column in other.columns if column not in taken]
    for column in columns:
        _need(column, other, f"{where}.columns")
        if column.casefold() in {name.casefold() for name in raw.columns}:
            raise ambiguous(column, ["the table itself", join.path], f"{where}.columns")
    looked_up = other.select(
        **{key: as_text(other[there]) for key, (_, there) in keys.items()}, **{name: other[name] for name in columns}
    )
    _check_unique(looked_up, keys, join, where)
    keyed = raw.mutate(**{key: as_text(raw[here]) for key, (here, _) in keys.items()})
    both = keyed.left_join(looked_up, list(keys))
    return both.select(*raw.columns, *columns)


def _need(column: str, table: ir.Table, where: str) -> None:
    if column not in table.columns:
        known = [name for name in table.columns if name != rows.ROW]
        raise no_such_column("the column must be in the file", column, known, where)


def _check_unique(looked_up: ir.Table, keys: dict[str, tuple[str, str]], join: JoinConfig, where: str) -> None:
    present = looked_up.filter(ibis.and_(*(looked_up[key].notnull() for key in keys)))
    repeated = present.group_by(list(keys)).agg(n=present.count()).filter(lambda t: t.n > 1).count().execute()
    if repeated:
        raise SchemaError(
            "a key may stand once in a file that is looked up",
            code="JOIN_KEY_REPEATED",
            where=where,
            received=f"{repeated} keys of {', '.join(join.on.values())} that stand several times in {join.path}",
            remedy="add columns to `on` until the key is unique, or keep one row per key",
        )
