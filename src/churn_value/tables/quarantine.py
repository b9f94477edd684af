"""The quarantine file: rows that were set aside, with their reason, as they came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from churn_value.tables import rows
from churn_value.tables.content import quoted


def write_quarantine(connection: Any, raw: ir.Table, stage: ir.Table, path: Path) -> None:
    """Write rows set aside to a Parquet file, in the order of the source.

    Columns are the source's row number (from 1), the reason, the column it was found in, and the whole row as JSON
    text. The file holds personal data as it came: keep it where the source is kept. It is written whole or not at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    bad = stage.filter(stage[rows.REASON].notnull()).select(rows.ROW, rows.REASON, rows.AT)
    both = bad.inner_join(raw, rows.ROW)
    fields = ", ".join(f"{quoted(name)} := t.{quoted(name)}" for name in raw.columns if name != rows.ROW)
    query = (
        f"SELECT {rows.ROW}, {rows.REASON}, {rows.AT}, to_json(struct_pack({fields}))::VARCHAR AS raw "
        f"FROM ({ibis.to_sql(both, dialect='duckdb')}) AS t ORDER BY {rows.ROW}"  # noqa: S608 - compiled by Ibis
    )
    partial = path.with_suffix(".partial")
    connection.raw_sql(f"COPY ({query}) TO {_literal(partial)} (FORMAT parquet)")
    partial.replace(path)


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def read_quarantine(path: Path) -> list[dict[str, Any]]:
    """Rows of a quarantine file, each with its raw row parsed.

    Examples
    --------
    >>> for row in read_quarantine(Path("quarantine/purchases.parquet")):  # doctest: +SKIP
    ...     print(row["source_row"], row["reason"], row["raw"])
    """
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return [{**row, "raw": json.loads(row["raw"])} for row in found]
