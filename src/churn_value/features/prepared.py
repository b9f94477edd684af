"""Features of a few customers at once, by statements that were prepared once: what a service needs within milliseconds.

A catalog's SQL takes a second to write and a tenth of one to plan, both for nothing new: the same features, other rows.
Here each source and grain has its own prepared statement over tables with fixed names. One question is one transaction:
rows in, statements of those sources that have rows, and a rollback, so that nothing of it is there for the next.

The optimizer is off: with it DuckDB plans a prepared statement again whenever it is run, and a plan that leans on the
statistics of other rows would be wrong. Features are sums of integers, so no plan changes their bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from threading import Lock
from typing import Any

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from churn_value.features.asof import scans
from churn_value.features.catalog import Catalog
from churn_value.features.declare import Feature
from churn_value.tables.load import open_connection
from churn_value.tables.returns import at_purchase_date
from churn_value.timeline import EPOCH

Floats = npt.NDArray[np.float64]
GIVEN = "purchases_given"


@dataclass(frozen=True, slots=True)
class _Scan:
    """One prepared statement: the features of one source and grain."""

    name: str
    tables: tuple[str, ...]
    features: tuple[Feature, ...]


class PreparedFeatures:
    """Makes a catalog's features for a handful of (customer, as_of), bit by bit those of `asof.build`.

    Parameters
    ----------
    catalog
        The features.
    returns
        ``by_purchase_date`` gives returns the date of the purchase they undo, as cleaning does for a whole table.

    Attributes
    ----------
    schemas
        Columns that rows of each source have, as Arrow types.

    Notes
    -----
    One question is answered at a time; further threads wait.
    """

    def __init__(self, catalog: Catalog, *, returns: str = "by_return_date") -> None:
        self._catalog, self._lock = catalog, Lock()
        self._schemas = catalog.schemas
        self.schemas: Mapping[str, pa.Schema] = {name: one.to_pyarrow() for name, one in self._schemas.items()}
        self._tables = {name: name for name in self._schemas}
        backend = open_connection(threads=1)
        self._connection = backend.con
        self._connection.execute("PRAGMA disable_optimizer")
        for name, schema in self._schemas.items():
            if name == "purchases" and returns == "by_purchase_date":
                self._tables[name] = GIVEN
                given = backend.create_table(GIVEN, schema=schema)
                backend.create_view(name, at_purchase_date(given))
            else:
                backend.create_table(name, schema=schema)
        backend.create_table("spine", schema=ibis.schema({"customer_id": "string", "as_of": "date"}))
        self._scans = tuple(self._prepared())
        self._numbers = [f for f in catalog.features if f.dtype == "number"]
        self._categories = [f for f in catalog.features if f.dtype != "number"]

    def _prepared(self) -> Iterator[_Scan]:
        tables = {name: ibis.table(schema, name=name) for name, schema in self._schemas.items()}
        spine = ibis.table({"customer_id": "string", "as_of": "date"}, name="spine")
        for number, (group, table) in enumerate(scans(self._catalog.features, tables, spine)):
            self._connection.execute(f"PREPARE scan_{number} AS {ibis.to_sql(table, dialect='duckdb')}")
            yield _Scan(f"scan_{number}", group[0].grain.tables, group)

    def frame(self, rows: Mapping[str, pa.Table], asked: Sequence[tuple[str, date]]) -> pd.DataFrame:
        """Features of the (customer_id, as_of) asked for, each pair once, in their order.

        Parameters
        ----------
        rows
            Canonical rows by source, in the columns of `schemas`; sources left out have none.
        asked
            Pairs to answer; rows of other customers are ignored.

        Returns
        -------
        pandas.DataFrame
            ``customer_id``, ``as_of``, then the features: numbers as float64, categories as text or None.
        """
        filled = {name: table for name, table in rows.items() if table.num_rows and name in self._schemas}
        with self._lock, self._question(filled, asked):
            found = [
                (scan, self._connection.execute(f"EXECUTE {scan.name}").fetchnumpy())
                for scan in self._scans
                if not filled.keys().isdisjoint(scan.tables)
            ]
        return self._assembled(found, asked)

    @contextmanager
    def _question(self, rows: Mapping[str, pa.Table], asked: Sequence[tuple[str, date]]) -> Iterator[None]:
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

    def _assembled(
        self, found: Sequence[tuple[_Scan, Mapping[str, Any]]], asked: Sequence[tuple[str, date]]
    ) -> pd.DataFrame:
        places = {(customer, (day - EPOCH).days): place for place, (customer, day) in enumerate(asked)}
        empties = [np.nan if f.empty is None else float(f.empty) for f in self._numbers]
        cells: Floats = np.tile(np.array(empties, dtype=np.float64), (len(asked), 1))
        columns = {f.name: place for place, f in enumerate(self._numbers)}
        texts = {f.name: np.full(len(asked), None, dtype=object) for f in self._categories}
        for scan, table in found:
            keys = zip(table["customer_id"].tolist(), table["as_of_day"].tolist(), strict=True)
            into = np.array([places[key] for key in keys], dtype=np.int64)
            for f in scan.features:
                if f.dtype == "number":
                    _put(cells[:, columns[f.name]], into, table[f.name])
                else:
                    texts[f.name][into] = np.ma.filled(table[f.name], None)
        keys_frame = pd.DataFrame({"customer_id": [one for one, _ in asked], "as_of": [day for _, day in asked]})
        numbers = pd.DataFrame(cells, columns=list(columns))
        return pd.concat([keys_frame, numbers, pd.DataFrame(texts, index=keys_frame.index)], axis=1)


def _put(column: Floats, into: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
    """Values at their places; a masked one, which is null, leaves what stands there: the meaning of empty."""
    known = ~np.ma.getmaskarray(values)
    column[into[known]] = np.ma.getdata(values)[known]


def table_of(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows as a table of a source; keys that a row lacks are null, others are ignored."""
    cells = pa.array(rows, pa.struct(list(schema)))
    return pa.Table.from_batches([pa.RecordBatch.from_struct_array(cells)]).cast(schema)
