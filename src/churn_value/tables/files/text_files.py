"""What files of text share: how they are written, lines that are set aside, names of columns, refusals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from churn_value.errors import SchemaError
from churn_value.tables.content import quoted
from churn_value.tables.files.encodings import foreign_lines, not_utf8


@dataclass(frozen=True, slots=True)
class TextFormat:
    """How a table's files of text are written.

    Parameters
    ----------
    separator
        Of the fields of a CSV.
    encoding
        Codec of Python.
    """

    separator: str = ","
    encoding: str = "utf-8"


AS_USUAL = TextFormat()


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A line whose fields do not fit the header.

    Parameters
    ----------
    line
        Number in its file, the header being 1.
    text
        The line as it came.
    """

    line: int
    text: str


def check_names(names: Sequence[str], path: Path, where: str) -> None:
    """Refuse names of columns of which one is empty, or two differ in capitals alone."""
    seen: dict[str, str] = {}
    for name in names:
        if not name.strip():
            raise SchemaError(
                "every column must have a name", code="BAD_HEADER", where=where, received=f"an empty name in {path}"
            )
        if name.casefold() in seen:
            raise SchemaError(
                "column names must differ in more than capitals",
                code="BAD_HEADER",
                where=where,
                received=f"{seen[name.casefold()]} and {name} in {path}",
                remedy="rename one of them",
            )
        seen[name.casefold()] = name


def broken_rows(connection: Any, name: str, files: Sequence[Path], where: str) -> tuple[BrokenRow, ...]:
    """Lines that DuckDB rejected while it read files into the table `name`, in the order of the files.

    Raises
    ------
    SchemaError
        When a file is in another encoding, or a quote is never closed.
    """
    rejects, scans = quoted(name + "_rejects"), quoted(name + "_scans")
    found = connection.con.execute(
        f"SELECT file_id, line, any_value(csv_line), bool_or(error_type = 'UNQUOTED VALUE'), "  # noqa: S608 - quoted
        "bool_or(error_type = 'INVALID ENCODING') "
        f"FROM {rejects} GROUP BY file_id, line ORDER BY file_id, line"
    ).fetchall()
    connection.raw_sql(f"DROP TABLE {rejects}")
    connection.raw_sql(f"DROP TABLE {scans}")
    _check_foreign(files, {file_id for file_id, *_, is_encoding in found if is_encoding}, where)
    for _, line, text, is_quote, _ in found:
        if is_quote and "\n" in text.strip("\r\n"):
            raise broken_file(files, where, f"a quote opened in line {line} and closed in no or another line")
    return tuple(BrokenRow(int(line), text) for _, line, text, *_ in found)


def _check_foreign(files: Sequence[Path], file_ids: Collection[int], where: str) -> None:
    """A few bad bytes are lines to set aside; a file of which no line beyond ASCII is UTF-8 is in another encoding."""
    for file_id in sorted(file_ids):
        path = files[file_id]
        sample = foreign_lines(path)
        if sample:
            raise not_utf8(sample, path, where)


def broken_file(files: Sequence[Path], where: str, received: str) -> SchemaError:
    """Refusal of files that cannot be read at all."""
    return SchemaError(
        "the file must be readable as what its name says",
        code="BROKEN_FILE",
        where=where,
        received=f"{received} in {', '.join(str(path) for path in files[:3])}",
        remedy="write the file again, with one kind of line end and balanced quotes",
    )
