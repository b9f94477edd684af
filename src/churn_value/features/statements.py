"""Statements over a few customers' rows, prepared once: what a service needs within milliseconds.

A catalog's SQL takes a second to write and a tenth of one to plan, both for nothing new: the same features, other rows.
Here statements are prepared over tables with fixed names. One question is one transaction: rows in, statements of those
tables that have rows, and a rollback, so that nothing of it is there for the next.

The optimizer is off: with it DuckDB plans a prepared statement again whenever it is run, and a plan that leans on the
statistics of other rows would be wrong. What is asked for are sums of integers, so no plan changes their bits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy.typing as npt
import pyarrow as pa

from churn_value.tables.load import open_connection
from churn_value.tables.returns import at_purchase_date

GIVEN = "purchases_given"
Columns = Mapping[str, npt.NDArray[Any]]
"""Columns of a statement's answer; those that may be null are masked."""
Asked = Sequence[tuple[str, date]]
"""Pairs of customer_id and as_of, each once."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """A prepared statement, and the tables without which it has nothing to say."""

    name: str
    tables: frozenset[str]


class Statements:
    """Prepared statements over tables of rows and the spine of who is asked for.

    Parameters
    ----------
    schemas
        Columns of each table.
    returns
        ``by_purchase_date`` gives returns the date of the purchase they undo, as cleaning does for a whole table.

    Attributes
    ----------
    schemas
        As given.
    spine
        ``customer_id`` and ``as_of`` of who is asked for, to build statements from.

    Notes
    -----
    One question is answered at a time; further threads wait.
    """

    def __init__(self, schemas: Mapping[str, ibis.Schema], *, returns: str = "by_return_date") -> None:
        self.schemas = schemas
        self._lock, self._statements = Lock(), list[_Statement]()
        self._tables = {name: name for name in schemas}
        backend = open_connection(threads=1)
        self._connection = backend.con
        self._connection.execute("PRAGMA disable_optimizer")
        for name, schema in schemas.items():
            if name == "purchases" and returns == "by_purchase_date":
                self._tables[name] = GIVEN
                given = backend.create_table(GIVEN, schema=schema)
                backend.create_view(name, at_purchase_date(given))
            else:
                backend.create_table(name, schema=schema)
        self.spine = backend.create_table("spine", schema=ibis.schema({"customer_id": "string", "as_of": "date"}))

    def table(self, name: str) -> ir.Table:
        """A table to build statements from."""
        return ibis.table(self.schemas[name], name=name)

    def prepare(self, name: str, answer: ir.Table, reads: Collection[str]) -> None:
        """Prepare a statement over `table` and `spine`; it is run where one of the tables it reads has rows."""
        self._connection.execute(f"PREPARE {name} AS {ibis.to_sql(answer, dialect='duckdb')}")
        self._statements.append(_Statement(name, frozenset(reads)))

    def answered(self, rows: Mapping[str, pa.Table], asked: Asked) -> dict[str, Columns]:
        """Answers of the statements that were run, by name.

        Parameters
        ----------
        rows
            Canonical rows by table of `schemas`, in its columns; tables left out have none.
        asked
            Who is asked for; rows of other customers are ignored.
        """
        filled = {name: table for name, table in rows.items() if table.num_rows}
        with self._lock, self._question(filled, asked):
            return {
                one.name: self._connection.execute(f"EXECUTE {one.name}").fetchnumpy()
                for one in self._statements
                if not filled.keys().isdisjoint(one.tables)
            }

    @contextmanager
    def _question(self, rows: Mapping[str, pa.Table], asked: Asked) -> Iterator[None]:
        """Rows and spine in their tables while it lasts."""
        customers, days = zip(*asked, strict=True)
        spine = pa.table({"customer_id": pa.array(customers, pa.string()), "as_of": pa.array(days, pa.date32())})
        self._connection.begin()
        try:
            for name, content in (
                {self._tables[name]: table for name, table in rows.items()} | {"spine": spine}
            ).items():
                self._connection.register("incoming", content)
                self._connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM incoming")  # noqa: S608 - contract names
            yield
        finally:
            self._connection.rollback()


def table_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table of a source; keys that a row lacks are null, others are ignored."""
    cells = pa.array(rows, pa.struct(list(schema)))
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(cells)]).cast(schema)
