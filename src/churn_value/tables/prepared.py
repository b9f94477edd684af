"""Cleaning of a few rows at once, by statements that were prepared once: what a service needs within milliseconds.

The rules are those of `cleaning`, written into one statement per table over rows in the types that JSON has. A column
that no row sends is null, which every rule reads as absent; only constants of the configuration and the choice between
major and minor units depend on whether a column is there at all, so those make statements of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churn_value.config import Config
from churn_value.tables import rows as staging
from churn_value.tables.attributes import AttributeType, attribute_type_of
from churn_value.tables.cleaning import judged, viewed
from churn_value.tables.contract import CONTRACT
from churn_value.tables.frames import mapped_rows
from churn_value.tables.load import open_connection, rules_of, utc_naive
from churn_value.tables.reading import check_time_zone, readings
from churn_value.tables.repeats import marks_repeats, repeats_query
from churn_value.tables.specs import Column, TableSpec

Scalar = str | float | bool | None
Row = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows as cleaning sees them, in the order they were given.

    Parameters
    ----------
    rows
        Canonical columns under their stored names; attributes last.
    reasons, columns
        Code of `reasons.REASONS` a row is set aside for and the column it is found in; None for accepted rows.
    """

    rows: pa.Table
    reasons: tuple[str | None, ...]
    columns: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class _Statement:
    """A prepared statement, the table it reads, and the columns it takes and gives."""

    name: str
    table: str
    takes: pa.Schema
    gives: pa.Schema


class PreparedCleaning:
    """Cleans rows of a company's tables, bit by bit as `load.tables_from_frames` does.

    Parameters
    ----------
    config
        Its tables, currency, rates and time zones.
    attributes
        Attribute columns of customers and snapshots, with their type.

    Notes
    -----
    One question is answered at a time; further threads wait. Each is a transaction that is rolled back.
    """

    def __init__(self, config: Config, attributes: Mapping[str, AttributeType]) -> None:
        self._config, self._attributes, self._lock = config, attributes, Lock()
        self._backend = open_connection(threads=1)
        self._connection = self._backend.con
        # With the optimizer DuckDB plans a prepared statement again whenever it is run.
        self._connection.execute("PRAGMA disable_optimizer")
        self._backend.create_table("moment", schema=ibis.schema({"now": "timestamp(6)"}))
        self._statements: dict[tuple[str, frozenset[str], bool], _Statement] = {}

    def judged(self, table: str, rows: Sequence[Row], now: datetime, *, repeats: bool) -> Judged:
        """Canonical rows with the first reason against each.

        Parameters
        ----------
        table
            A table of the configuration.
        rows
            By the contract's column names, ``customer_id`` included; numbers are floats, times texts.
        now
            Moment that no event may be later than, UTC.
        repeats
            Whether rows that repeat or contradict others of the same call are set aside too.
        """
        with self._lock:
            statement = self._statement(table, self.decisive(table, rows), repeats=repeats)
            sent = _sent(rows, statement.takes)
            with self._question(statement.table, sent, now):
                cells = self._connection.execute(f"EXECUTE {statement.name}").fetchnumpy()
        found = pa.table([_arrow(cells[field.name], field.type) for field in statement.gives], schema=statement.gives)
        found = found.sort_by(staging.ROW)
        reasons, columns = (tuple(found[name].to_pylist()) for name in (staging.REASON, staging.AT))
        return Judged(found.drop_columns([staging.ROW, staging.REASON, staging.AT]), reasons, columns)

    def decisive(self, table: str, rows: Sequence[Row]) -> frozenset[str]:
        """Columns sent that matter by being there: only rows that agree on them may be cleaned together."""
        minor = {column.stored for column in CONTRACT[table].mappable if column.kind == "money"}
        return frozenset((minor | set(self._config.tables[table].constants)) & {name for row in rows for name in row})

    @contextmanager
    def _question(self, table: str, rows: pa.Table, now: datetime) -> Iterator[None]:
        self._connection.begin()
        try:
            self._connection.execute("INSERT INTO moment VALUES (?)", [utc_naive(now)])
            self._connection.register("incoming", rows)
            self._connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM incoming")  # noqa: S608 - our names
            yield
        finally:
            self._connection.rollback()

    def _statement(self, table: str, decisive: frozenset[str], *, repeats: bool) -> _Statement:
        """Statement for a table; written when first asked for."""
        key = (table, decisive, repeats)
        if key not in self._statements:
            name = f"rows_{len(self._statements)}"
            schema = self._schema(CONTRACT[table], decisive)
            raw = self._backend.create_table(name, schema=schema)
            sql, gives = self._sql(table, raw, repeats=repeats)
            self._connection.execute(f"PREPARE clean_{name} AS {sql}")
            self._statements[key] = _Statement(f"clean_{name}", name, schema.to_pyarrow(), gives.to_pyarrow())
        return self._statements[key]

    def _schema(self, spec: TableSpec, decisive: frozenset[str]) -> ibis.Schema:
        constants = self._config.tables[spec.name].constants
        columns = {staging.ROW: "int64"}
        for column in spec.mappable:
            name = column.stored if column.stored in decisive else column.name
            if name in decisive or name not in constants:
                columns[name] = _sent_type(column)
        if spec.has_attributes:
            own = {column.name for column in spec.columns}
            extra = {name: kind for name, kind in self._attributes.items() if name not in own}
            columns |= {name: "float64" if kind == "number" else "string" for name, kind in extra.items()}
        return ibis.schema(columns)

    def _sql(self, table: str, raw: ir.Table, *, repeats: bool) -> tuple[str, ibis.Schema]:
        """Text of a statement, and the columns it gives."""
        spec = CONTRACT[table]
        mapped = mapped_rows(self._config, table, raw)
        moment = ibis.table({"now": "timestamp(6)"}, name="moment")
        rules = rules_of(self._config, table, moment.now.as_scalar())
        check_time_zone(self._backend, mapped, rules)
        read = readings(mapped, rules)
        known = dict(self._attributes) | {c.name: attribute_type_of(c) for c in spec.columns if c.attribute}
        view = viewed(mapped, read, known)
        stage = judged(mapped, read, ibis.table(view.schema(), name="viewed"), rules)
        parts = {"viewed": view, "judged": stage}
        named = ", ".join(f"{name} AS ({ibis.to_sql(part, dialect='duckdb')})" for name, part in parts.items())
        present = frozenset(read)
        last = "SELECT * FROM judged"
        if repeats and marks_repeats(spec, present):
            last = f"SELECT * FROM ({repeats_query(spec, stage, 'judged', present)})"  # noqa: S608 - contract names
        return f"WITH {named} {last}", stage.schema()


def _sent_type(column: Column) -> str:
    """Type in which JSON has a column."""
    if column.kind in ("money", "number", "label"):
        return "float64"
    return "boolean" if column.kind == "flag" else "string"


def _sent(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    numbered: dict[str, Any] = {staging.ROW: pa.array(range(len(rows)), pa.int64())}
    for field in schema:
        if field.name != staging.ROW:
            numbered[field.name] = pa.array([_as(row.get(field.name), field.type) for row in rows], field.type)
    return pa.table(numbered)


def _as(value: Scalar, kind: pa.DataType) -> Scalar:
    return float(value) if pa.types.is_floating(kind) and value is not None else value


def _arrow(cells: npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Column of a result; masked cells are null."""
    values = np.ma.getdata(cells)
    values = values.astype("datetime64[D]") if pa.types.is_date(kind) else values
    return pa.array(values, kind, mask=np.ma.getmaskarray(cells))
