"""CSV files: every column as text, broken lines set aside, broken files refused by name.

Ids keep leading zeros because nothing is guessed from the text; `casts` reads each column as what the contract says.
Files are UTF-8, with or without a byte order mark, comma-separated, or as their table says, quoted with ``"``; an empty
field is null.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from churn_value.errors import SchemaError
from churn_value.tables import rows
from churn_value.tables.content import literal, quoted
from churn_value.tables.files.encodings import OF_GZIP, in_utf8, is_utf8, not_in, not_utf8, unpacked
from churn_value.tables.files.text_files import BrokenRow, TextFormat, broken_file, broken_rows, check_names

SEPARATORS = (",", ";", "\t", "|")
_PEEK_BYTES = 1 << 20
_HEADER_LINES = 100


def load_csv(
    connection: Any, name: str, files: Sequence[Path], written: TextFormat, where: str
) -> tuple[BrokenRow, ...]:
    """Read files with one header into a temporary table of texts, numbered in `rows.ROW`.

    Returns
    -------
    Lines that do not fit the header, in the order of the files.

    Raises
    ------
    SchemaError
        When a file is in another encoding, has no or a doubtful header, or a quote that is never closed.
    """
    header = _one_header(files, written, where)
    try:
        with in_utf8(files, written.encoding, where) as readable:
            connection.raw_sql(_reading(name, readable, header, written.separator))
    except (*OF_GZIP, duckdb.Error) as error:
        raise broken_file(files, where, str(error).splitlines()[0]) from None
    return broken_rows(connection, name, files, where)


def _reading(name: str, files: Sequence[Path], header: Sequence[str], separator: str) -> str:
    columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in header)
    paths = ", ".join(literal(str(path)) for path in files)
    return (
        f"CREATE TEMP TABLE {quoted(name)} AS SELECT *, row_number() OVER () AS {quoted(rows.ROW)} "  # noqa: S608
        f"FROM read_csv([{paths}], "
        f"columns = {{{columns}}}, auto_detect = false, header = true, delim = {literal(separator)}, "
        "quote = '\"', escape = '\"', nullstr = '', store_rejects = true, "
        f"rejects_table = {literal(name + '_rejects')}, rejects_scan = {literal(name + '_scans')})"
    )


def _one_header(files: Sequence[Path], written: TextFormat, where: str) -> list[str]:
    headers = {path: read_header(path, written, where) for path in files}
    first = headers[files[0]]
    for path, header in headers.items():
        if header != first:
            raise SchemaError(
                "files of one table must have the same header",
                code="HEADERS_DIFFER",
                where=where,
                received=f"{path.name}: {', '.join(header)}; {files[0].name}: {', '.join(first)}",
                remedy="narrow the path, or write the files alike",
            )
    return first


def read_header(path: Path, written: TextFormat, where: str) -> list[str]:
    """Column names in the first line of a CSV file.

    Raises
    ------
    SchemaError
        When the file is empty or in another encoding, or a name is empty or stands there twice (capitals do not tell
        names apart).
    """
    text = _decoded(_start(path, where), written.encoding, path, where)
    header = next(csv.reader(text.splitlines(keepends=True), delimiter=written.separator), [])
    if not header:
        raise SchemaError(
            "a CSV file must begin with its column names", code="EMPTY_FILE", where=where, received=str(path)
        )
    _check_separator(header, written.separator, where)
    if any("\ufffd" in name for name in header):
        raise not_in(path, written.encoding, 1, where)
    check_names(header, path, where)
    return header


def _check_separator(header: Sequence[str], separator: str, where: str) -> None:
    """No table has a single column, so one long name is a header parted by something else."""
    found = next((other for other in SEPARATORS if other != separator and other in header[0]), None)
    if len(header) == 1 and found is not None:
        raise SchemaError(
            "the columns of a CSV file must be parted by the table's separator",
            code="SEPARATOR_WRONG",
            where=where,
            received=f"separator {separator!r}, and one name in the first line that holds {found!r}",
            remedy=f'write separator: "{found.replace(chr(9), chr(92) + "t")}" beside the table\'s path',
        )


def _start(path: Path, where: str) -> bytes:
    try:
        with unpacked(path) as file:
            return file.read(_PEEK_BYTES)
    except OF_GZIP as error:
        raise broken_file([path], where, str(error)) from None


def _decoded(start: bytes, encoding: str, path: Path, where: str) -> str:
    """The first lines as text; a character cut in two at the end is left out."""
    if is_utf8(encoding):
        return _utf8(start, path, where)
    try:
        text = codecs.getincrementaldecoder(encoding)(errors="replace").decode(start)
    except UnicodeError:  # UTF-16 without a byte order mark
        raise not_in(path, encoding, 1, where) from None
    return text.removeprefix("\ufeff")


def _utf8(start: bytes, path: Path, where: str) -> str:
    lines = start.splitlines()[:_HEADER_LINES] or [start]
    try:
        lines[0].decode("utf-8")
    except UnicodeDecodeError:
        raise not_utf8(lines, path, where) from None
    if b"\x00" in lines[0]:
        raise not_utf8(lines, path, where)
    return start.decode("utf-8-sig", errors="replace")
