"""One CSV table from bytes, or a named refusal: the document that MLflow's clients may send instead of JSON.

CSV says of no cell what it is. The served model's catalog does: cells of numeric features are numbers, all others are
texts as they stand, so that the id 007 stays 007. An empty cell is null.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterator
from math import inf, isfinite
from typing import Any

from churn_value.service.problems import refusal
from churn_value.service.strict_json import decoded

MEDIA_TYPE = "text/csv"
NULLS = frozenset({"", "NaN"})
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")


def parse(body: bytes, numbers: Collection[str], most_rows: int) -> dict[str, Any]:
    """Table in `body` in the form that JSON clients send it in: ``{"dataframe_split": {"columns", "data"}}``.

    Parameters
    ----------
    body
        UTF-8, with a byte order mark or without: a line of names, then lines of as many cells. Cells are separated by
        commas, and may stand in double quotes, in which one is doubled. Empty lines are nothing.
    numbers
        Columns whose cells are numbers; ``NaN`` is null there, as pandas may write it.
    most_rows
        Rows, at most.

    Raises
    ------
    RequestError
        ``CSV_INVALID``, ``CSV_HEADER_INVALID``, ``CSV_ROW_RAGGED`` or ``CSV_NUMBER_INVALID``, the last two with the
        row, counted from 0; ``BODY_EMPTY``, ``BODY_NOT_UTF8``, ``TEXT_HAS_NUL`` or ``ITEMS_TOO_MANY``.
    """
    text = decoded(body).removeprefix("\ufeff")
    if "\0" in text:
        raise refusal("TEXT_HAS_NUL")
    lines = _lines(text)
    names = next(lines, [])
    if not all(names) or not names or len(set(names)) != len(names):
        raise refusal("CSV_HEADER_INVALID")
    data: list[list[float | str | None]] = []
    for row, cells in enumerate(lines):
        if row == most_rows:
            raise refusal("ITEMS_TOO_MANY", field="items")
        if len(cells) != len(names):
            raise refusal("CSV_ROW_RAGGED", field=f"row {row}")
        pairs = zip(names, cells, strict=True)
        data.append([_number(cell, name, row) if name in numbers else cell or None for name, cell in pairs])
    return {"dataframe_split": {"columns": names, "data": data}}


def _number(cell: str, name: str, row: int) -> float | None:
    """Number in a cell; `name` is the catalog's, so that a refusal may tell it."""
    if cell in NULLS:
        return None
    value = float(cell) if _NUMBER.fullmatch(cell) else inf
    if not isfinite(value):
        raise refusal("CSV_NUMBER_INVALID", field=f"row {row}, {name}")
    return value


def _lines(text: str) -> Iterator[list[str]]:
    """Lines that hold anything."""
    try:
        yield from filter(None, csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise refusal("CSV_INVALID") from None
