"""Small canonical worlds: rows written as ASCII tables or dicts, and the whole catalog run over them."""

from __future__ import annotations

from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa

from churn_value.features.catalog import ATTRIBUTES_OF_CONTRACT, EVERY_COLUMN, Catalog, catalog, source_schema

LADDER = (7, 28, 90)
ATTRIBUTES = {**ATTRIBUTES_OF_CONTRACT, "score_band": "category", "balance": "number"}
OWN_ATTRIBUTES = {"customers": {"score_band"}, "snapshots": {"balance"}}
PRESENT = {name: columns | OWN_ATTRIBUTES.get(name, set()) for name, columns in EVERY_COLUMN.items()}
TABLES = tuple(PRESENT)


def full_catalog(ladder=LADDER) -> Catalog:
    return catalog(PRESENT, ladder, ATTRIBUTES)


def _cell(text: str, kind: pa.DataType):
    if text == "":
        return None
    if pa.types.is_timestamp(kind):
        return datetime.fromisoformat(text)
    if pa.types.is_date(kind):
        return date.fromisoformat(text)
    if pa.types.is_boolean(kind):
        return {"yes": True, "no": False}[text]
    if pa.types.is_integer(kind):
        return int(text)
    return float(text) if pa.types.is_floating(kind) else text


def rows_of(source: str, table: str) -> list[dict]:
    """Rows of an ASCII table: a header, then one row per line, cells between bars, blank for null."""
    kinds = arrow_schema(source)
    header, *lines = [line for line in table.strip().splitlines() if line.strip()]
    names = [name.strip() for name in header.split("|")]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [{name: _cell(cell, kinds.field(name).type) for name, cell in zip(names, row, strict=True)} for row in cells]


def arrow_schema(source: str) -> pa.Schema:
    return source_schema(source, ATTRIBUTES).to_pyarrow()


def arrow_rows(source: str, rows: list[dict]) -> pa.Table:
    """Rows as the tables room hands them over: every column there, `known_at` filled with the event's own time."""
    clock = {"payments": "due_at", "contracts": "started_at"}.get(source, "event_time")
    schema = arrow_schema(source)
    if "known_at" in schema.names:
        rows = [{**row, "known_at": row.get("known_at") or row[clock]} for row in rows]
    return pa.Table.from_pylist(rows, schema=schema)


def spine_rows(rows: list[tuple[str, date]]) -> pa.Table:
    schema = pa.schema({"customer_id": pa.string(), "as_of": pa.date32()})
    return pa.Table.from_pylist([{"customer_id": c, "as_of": day} for c, day in rows], schema=schema)


class Engine:
    """The catalog's SQL, written once, run over one small world after another."""

    def __init__(self, features: Catalog, threads: int = 1) -> None:
        self.catalog = features
        self._database = duckdb.connect(config={"threads": threads})

    def _store(self, name: str, rows: pa.Table) -> None:
        with self._database.cursor() as cursor:
            cursor.register("given_rows", rows)
            cursor.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given_rows")

    def table(self, tables: dict[str, list[dict]], spine: list[tuple[str, date]]) -> pa.Table:
        """Feature rows as Arrow, in the order of (customer_id, as_of)."""
        for source in self.catalog.schemas:
            self._store(source, arrow_rows(source, tables.get(source, [])))
        self._store("spine", spine_rows(spine))
        ordered = f"SELECT * FROM ({self.catalog.sql}) ORDER BY customer_id, as_of"
        with self._database.cursor() as cursor:
            return cursor.sql(ordered).to_arrow_table()

    def __call__(self, tables, spine) -> dict[tuple[str, date], dict]:
        """Feature values by spine row; null is None."""
        rows = self.table(tables, spine).to_pylist()
        return {(row.pop("customer_id"), row.pop("as_of")): row for row in rows}


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
