"""The quarantine file: rows that were set aside, with their reason, as they came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from churn_value.tables import rows
from churn_value.tables.content import literal, quoted
from churn_value.tables.files.text_files import BrokenRow

BROKEN_ROW = "BROKEN_ROW"


def write_quarantine(connection: Any, raw: ir.Table, stage: ir.Table, broken: Sequence[BrokenRow], path: Path) -> None:
    """Write rows set aside to a Parquet file, in the order of the source.

    Columns: `source_row` (number from 1; of a `BROKEN_ROW` the number of its line in the file), `reason`,
    `reason_column` and `raw`, the whole row as JSON text. The file holds personal data as it came: keep it where the
    source is kept. It is written whole or not at all.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    bad = stage.filter(stage[rows.REASON].notnull()).select(rows.ROW, rows.REASON, rows.AT)
    both = ibis.to_sql(bad.inner_join(raw, rows.ROW), dialect="duckdb")
    fields = ", ".join(f"{quoted(name)} := t.{quoted(name)}" for name in raw.columns if name != rows.ROW)
    broken_rows = ibis.to_sql(_as_table(connection, broken), dialect="duckdb")
    query = (
        f"SELECT {rows.ROW} AS source_row, {rows.REASON} AS reason, {rows.AT} AS reason_column, "  # noqa: S608 - quoted
        f"to_json(struct_pack({fields}))::VARCHAR AS raw FROM ({both}) AS t "
        f"UNION ALL ({broken_rows}) ORDER BY source_row, reason"
    )
    partial = path.with_suffix(".partial")
    connection.raw_sql(f"COPY ({query}) TO {literal(str(partial))} (FORMAT parquet)")
    partial.replace(path)


def _as_table(connection: Any, broken: Sequence[BrokenRow]) -> ir.Table:
    table = pa.table(
        {
            "source_row": pa.array([row.line for row in broken], pa.int64()),
            "reason": pa.array([BROKEN_ROW] * len(broken), pa.string()),
            "reason_column": pa.array([None] * len(broken), pa.string()),
            "raw": pa.array([json.dumps({"line": row.text}, ensure_ascii=False) for row in broken], pa.string()),
        }
    )
    connection.con.register("__broken_rows", table)
    return connection.table("__broken_rows")


def read_quarantine(path: Path) -> list[dict[str, Any]]:
    """Rows of a quarantine file, each with its raw row parsed.

    Examples
    --------
    >>> for row in read_quarantine(Path("quarantine/purchases.parquet")):  # doctest: +SKIP
    ...     print(row["source_row"], row["reason"], row["raw"])
    """
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return [{**row, "raw": json.loads(row["raw"])} for row in found]
