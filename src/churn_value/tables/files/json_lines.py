"""JSON Lines: an object in each line, as logs of visits and queues of events are written.

Keys become columns, keys of objects within objects parted by a point, as in ``page.url``; arrays stay
text.
Every value becomes text, as those of a CSV do, so that nothing is guessed; null, a key that is not there and an empty
text are null. Of a key that stands twice in an object the first value counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from churn_value.errors import SchemaError
from churn_value.tables import rows
from churn_value.tables.content import literal, quoted
from churn_value.tables.files.encodings import OF_GZIP, in_utf8
from churn_value.tables.files.text_files import BrokenRow, TextFormat, broken_file, broken_rows, check_names

_NEVER_IN_JSON = "\x01"
"""Control characters must be escaped in JSON, so that this one parts nothing: a line is one column of a CSV."""


def load_json_lines(
    connection: Any, name: str, files: Sequence[Path], written: TextFormat, where: str
) -> tuple[BrokenRow, ...]:
    """Read files into a temporary table of texts, numbered in `rows.ROW`; their columns are the keys of all of them.

    Returns
    -------
    Lines that are no JSON object, in the order of the files.

    Raises
    ------
    SchemaError
        When a file is in another encoding or cannot be unpacked, no line is an object, or column names are doubtful.
    """
    lines = f"{name}_lines"
    connection.raw_sql(f"CREATE TEMP TABLE {quoted(lines)} (number BIGINT, line VARCHAR, good BOOLEAN)")
    try:
        unread = _read_lines(connection, lines, files, written, where)
        columns = _columns(connection, lines, files, where)
        _spread(connection, name, lines, columns)
        broken = connection.con.execute(
            f"SELECT number, line FROM {quoted(lines)} WHERE NOT good ORDER BY rowid"  # noqa: S608 - quoted
        ).fetchall()
    finally:
        connection.raw_sql(f"DROP TABLE {quoted(lines)}")
    return (*unread, *(BrokenRow(int(number), line) for number, line in broken))


def _read_lines(
    connection: Any, lines: str, files: Sequence[Path], written: TextFormat, where: str
) -> tuple[BrokenRow, ...]:
    unread: list[BrokenRow] = []
    for path in files:
        try:
            with in_utf8([path], written.encoding, where) as (readable,):
                connection.raw_sql(_inserting(lines, readable))
        except (*OF_GZIP, duckdb.Error) as error:
            raise broken_file([path], where, str(error).splitlines()[0]) from None
        unread += broken_rows(connection, lines, [path], where)
    return tuple(unread)


def _inserting(lines: str, path: Path) -> str:
    return (
        f"INSERT INTO {quoted(lines)} "  # noqa: S608 - quoted
        "SELECT number, line, CASE WHEN json_valid(line) THEN json_type(line) = 'OBJECT' ELSE false END FROM ("
        f"SELECT row_number() OVER () AS number, line FROM read_csv({literal(str(path))}, "
        f"columns = {{'line': 'VARCHAR'}}, auto_detect = false, header = false, delim = {literal(_NEVER_IN_JSON)}, "
        "quote = '', escape = '', nullstr = '', strict_mode = false, store_rejects = true, "
        f"rejects_table = {literal(lines + '_rejects')}, rejects_scan = {literal(lines + '_scans')})"
        ") WHERE trim(line) <> ''"
    )


def _columns(connection: Any, lines: str, files: Sequence[Path], where: str) -> dict[str, str]:
    """JSON pointer of each column."""
    found, is_array = connection.con.execute(
        "SELECT json_group_structure(CASE WHEN good THEN line::JSON END), "  # noqa: S608 - quoted
        f"coalesce(trim(arg_min(line, rowid)) = '[', false) FROM {quoted(lines)}"
    ).fetchone()
    paths = ", ".join(str(path) for path in files[:3])
    if is_array or found in (None, '"NULL"'):
        raise SchemaError(
            "a file of JSON Lines must hold an object in each line",
            code="BROKEN_FILE",
            where=where,
            received=f"{'an array' if is_array else 'no line that is one'} in {paths}",
            remedy="write it as pandas does with orient='records' and lines=True; jq -c '.[]' makes lines of an array",
        )
    leaves = list(_leaves(json.loads(found)))
    names = [".".join(keys) for keys in leaves]
    check_names(names, files[0], where)
    return {name: "".join(f"/{_escaped(key)}" for key in keys) for name, keys in zip(names, leaves, strict=True)}


def _leaves(structure: Mapping[str, Any], *above: str) -> Iterator[tuple[str, ...]]:
    for key, inner in structure.items():
        if isinstance(inner, dict) and inner:
            yield from _leaves(inner, *above, key)
        else:
            yield (*above, key)


def _escaped(key: str) -> str:
    """Key as a part of a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _spread(connection: Any, name: str, lines: str, columns: Mapping[str, str]) -> None:
    pointers = ", ".join(literal(pointer) for pointer in columns.values())
    selected = ", ".join(
        f"nullif(found[{number}], '') AS {quoted(column)}" for number, column in enumerate(columns, start=1)
    )
    connection.raw_sql(
        f"CREATE TEMP TABLE {quoted(name)} AS "  # noqa: S608 - quoted
        f"SELECT {selected}, row_number() OVER (ORDER BY place) AS {quoted(rows.ROW)} FROM ("
        f"SELECT json_extract_string(line, [{pointers}]) AS found, rowid AS place FROM {quoted(lines)} WHERE good)"
    )
