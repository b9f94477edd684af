"""Opening Parquet, CSV, JSON Lines and DuckDB as tables of one in-memory DuckDB, through Ibis."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import duckdb
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from churn_value.errors import SchemaError
from churn_value.tables import rows
from churn_value.tables.content import literal, quoted
from churn_value.tables.files.csv_files import load_csv
from churn_value.tables.files.json_lines import load_json_lines
from churn_value.tables.files.text_files import AS_USUAL, BrokenRow, TextFormat

OF_FILES = (duckdb.IOException, duckdb.InvalidInputException, duckdb.SerializationException)
UNKNOWN_TO_IBIS: Mapping[str, dt.DataType] = {"TIMESTAMPTZ_NS": dt.Timestamp(timezone="UTC"), "NULL": dt.string}
"""Types in which pandas writes Parquet: instants with a zone by default, and columns of nothing."""
SUFFIXES = (".parquet", ".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz", ".duckdb")
KINDS: Mapping[str, str] = {suffix: suffix.removesuffix(".gz").replace(".ndjson", ".jsonl") for suffix in SUFFIXES}


@dataclass(frozen=True)
class Source:
    """An open source.

    Parameters
    ----------
    raw
        Its rows, numbered from 1 in `rows.ROW` in the order of sorted file names.
    broken
        Lines of a CSV that do not fit its header.
    """

    raw: ir.Table
    broken: tuple[BrokenRow, ...] = ()


@contextmanager
def opened(
    connection: Any,
    name: str,
    path: str,
    *,
    root: Path,
    where: str,
    table: str | None = None,
    written: TextFormat = AS_USUAL,
) -> Iterator[Source]:
    """Source under a temporary name, gone again at the end.

    Parameters
    ----------
    connection
        Ibis DuckDB backend.
    name
        Name of the temporary view or table.
    path
        File or glob, relative to `root` unless absolute.
    root
        Folder of the data.
    where
        File and key that messages name.
    table
        Table inside a DuckDB file.
    written
        How files of text are.

    Raises
    ------
    SchemaError
        When nothing is there, or it cannot be read as what its name says.
    """
    files = files_at(path, root, where)
    kind = _kind(files, where)
    broken: tuple[BrokenRow, ...] = ()
    with ExitStack() as stack:
        made = "TABLE"
        if kind == ".csv":
            broken = load_csv(connection, name, files, written, where)
        elif kind == ".jsonl":
            broken = load_json_lines(connection, name, files, written, where)
        elif kind == ".parquet":
            made = _view_parquet(connection, name, files, where)
        else:
            made = stack.enter_context(_opened_duckdb(connection, name, files, table, where))
        stack.callback(connection.raw_sql, f"DROP {made} {quoted(name)}")
        source = Source(in_known_types(connection.table(name)), broken)
        try:
            yield source
        except duckdb.Error as error:
            # A damaged block of a Parquet or DuckDB file is met only when its rows are read.
            raise _broken(error, files, where) from None


def in_known_types(table: ir.Table) -> ir.Table:
    """The table in types that Ibis knows: instants in microseconds, and a column of nulls alone as text."""
    raw = {name: str(getattr(kind, "raw_type", "")).strip('"') for name, kind in table.schema().items()}
    casts = {name: table[name].cast(UNKNOWN_TO_IBIS[kind]) for name, kind in raw.items() if kind in UNKNOWN_TO_IBIS}
    return table.select(*(casts.get(name, table[name]).name(name) for name in table.columns)) if casts else table


def files_at(path: str, root: Path, where: str) -> list[Path]:
    """Files of a path or glob, by name.

    Raises
    ------
    SchemaError
        When there is none.
    """
    pattern = root / path
    anchor = Path(pattern.anchor) if pattern.is_absolute() else Path()
    found = [pattern] if pattern.is_file() else sorted(anchor.glob(str(pattern.relative_to(anchor))))
    files = [file for file in found if file.is_file()]
    if not files:
        raise SchemaError(
            "the file must exist",
            code="FILE_NOT_FOUND",
            where=f"{where}.path",
            received=str(pattern),
            remedy="correct the path; it is relative to CHURN_VALUE_DATA, or to ./data",
        )
    return files


def _kind(files: Sequence[Path], where: str) -> str:
    endings = {next((one for one in SUFFIXES if file.name.lower().endswith(one)), file.suffix) for file in files}
    kinds = {KINDS.get(ending, ending) for ending in endings}
    if len(kinds) > 1 or not kinds <= set(SUFFIXES):
        raise SchemaError(
            "a table must come from Parquet, CSV, JSON Lines or DuckDB files, and from one of these",
            code="FILE_TYPE",
            where=f"{where}.path",
            received=", ".join(sorted(kinds)) or "no ending",
            remedy=f"the endings are {', '.join(SUFFIXES)}; save a sheet of a spreadsheet as CSV",
        )
    return kinds.pop()


def _view_parquet(connection: Any, name: str, files: Sequence[Path], where: str) -> str:
    shape = _parquet_shape(connection, files, where)
    offsets, total = [], 0
    for path in files:
        offsets.append(f"({literal(str(path))}, {total})")
        total += shape[str(path)]
    paths = ", ".join(literal(str(path)) for path in files)
    query = (
        f"CREATE TEMP VIEW {quoted(name)} AS SELECT p.* EXCLUDE (__file, file_row_number), "  # noqa: S608
        f"p.file_row_number + 1 + o.before AS {quoted(rows.ROW)} "
        f"FROM read_parquet([{paths}], filename = '__file', file_row_number = true) AS p "
        f"JOIN (VALUES {', '.join(offsets)}) AS o(path, before) ON p.__file = o.path"
    )
    _run(connection, query, files, where)
    return "VIEW"


def _parquet_shape(connection: Any, files: Sequence[Path], where: str) -> dict[str, int]:
    """Rows of each file, after checking that all have the same columns."""
    first: dict[str, str] | None = None
    for path in files:
        query = f"DESCRIBE FROM read_parquet({literal(str(path))})"
        described = _run(connection, query, files, where)
        columns = {row[0]: row[1] for row in described.fetchall()}
        if first is not None and columns != first:
            differing = sorted(set(columns.items()) ^ set(first.items()))
            raise SchemaError(
                "files of one table must have the same columns and types",
                code="HEADERS_DIFFER",
                where=where,
                received=f"{path.name} and {files[0].name} differ in {', '.join(name for name, _ in differing[:5])}",
                remedy="narrow the path, or write the files alike",
            )
        first = columns
    paths = ", ".join(literal(str(path)) for path in files)
    query = f"FROM parquet_file_metadata([{paths}]) SELECT file_name, num_rows"
    counted = _run(connection, query, files, where)
    return {row[0]: int(row[1]) for row in counted.fetchall()}


@contextmanager
def _opened_duckdb(
    connection: Any, name: str, files: Sequence[Path], table: str | None, where: str
) -> Iterator[Literal["TABLE", "VIEW"]]:
    """Rows of a table or view in a DuckDB file, which stays attached meanwhile; gives what was made of them."""
    if len(files) > 1:
        raise SchemaError(
            "a DuckDB path must name one file", code="FILE_TYPE", where=f"{where}.path", received=f"{len(files)} files"
        )
    file = f"{name}_file"
    _run(connection, f"ATTACH {literal(str(files[0]))} AS {quoted(file)} (READ_ONLY)", files, where)
    try:
        held = connection.con.execute(
            "SELECT schema_name, table_name, 'VIEW' FROM duckdb_tables() WHERE database_name = $1 UNION ALL "
            "SELECT schema_name, view_name, 'TABLE' FROM duckdb_views() WHERE NOT internal AND database_name = $1 "
            "ORDER BY ALL",
            [file],
        ).fetchall()
        known = {(row[1] if row[0] == "main" else f"{row[0]}.{row[1]}"): row for row in held}
        if table not in known:
            raise _no_table(table, list(known), where)
        schema, inner, made = known[table]
        # A view's own query is only understood from inside its file, so its rows are copied; a table's are not.
        query = (
            f"CREATE TEMP {made} {quoted(name)} AS SELECT *, row_number() OVER () AS {quoted(rows.ROW)} "  # noqa: S608
            f"FROM {quoted(file)}.{quoted(schema)}.{quoted(inner)}"
        )
        connection.raw_sql(f"USE {quoted(file)}")
        _run(connection, query, files, where)
        connection.raw_sql("USE memory")
        yield made
    finally:
        connection.raw_sql("USE memory")
        connection.raw_sql(f"DETACH {quoted(file)}")


def _no_table(table: str | None, known: list[str], where: str) -> SchemaError:
    close = difflib.get_close_matches(table or "", known, n=1)
    return SchemaError(
        "a DuckDB source must name one of the file's tables",
        code="TABLE_NOT_FOUND",
        where=f"{where}.table",
        received=table or "none",
        remedy=f"did you mean {close[0]}?" if close else f"the tables are {', '.join(known) or 'none'}",
    )


def _run(connection: Any, query: str, files: Sequence[Path], where: str) -> Any:
    try:
        return connection.con.execute(query)
    except duckdb.Error as error:
        raise _broken(error, files, where) from None


def _broken(error: duckdb.Error, files: Sequence[Path], where: str) -> duckdb.Error | SchemaError:
    """Refusal of the files when the error is of what is in them; the error itself otherwise.

    What DuckDB's own checksums and Parquet's decoder find comes as the base class.
    """
    if not isinstance(error, OF_FILES) and type(error) is not duckdb.Error:
        return error
    return SchemaError(
        "the file must be readable as what its name says",
        code="BROKEN_FILE",
        where=f"{where}.path",
        received=f"{(str(error).splitlines() or [''])[0]} in {', '.join(str(path) for path in files[:3])}",
        remedy="write the file again, or correct the path",
    )
