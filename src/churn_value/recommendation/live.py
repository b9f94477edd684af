"""Habits of a few customers from their events at once, by statements prepared once, as a service needs them."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from churn_value.recommendation.baskets import Baskets, bought_before
from churn_value.recommendation.habits import beside, columns_wanted, told
from churn_value.recommendation.recommender import Recommender
from churn_value.tables.load import open_connection


class LiveHabits:
    """Makes the habits of a handful of (customer, as_of), those that `habits.habits` gives of whole tables.

    Parameters
    ----------
    schema
        Columns of accepted purchases.
    present
        Columns that the company's purchases really have.
    recommender
        Of the bundle, or None.

    Notes
    -----
    One question is answered at a time; further threads wait.
    """

    def __init__(self, schema: ibis.Schema, present: frozenset[str], recommender: Recommender | None) -> None:
        self._recommender, self._lock = recommender, Lock()
        self._schema = schema.to_pyarrow()
        backend = open_connection(threads=1)
        self._connection = backend.con
        self._connection.execute("PRAGMA disable_optimizer")
        self._columns = [name for name in columns_wanted(present, recommender) if name in schema.names]
        purchases = backend.create_table("purchases", schema=schema)
        spine = backend.create_table("spine", schema=ibis.schema({"customer_id": "string", "as_of": "date"}))
        for name in self._columns:
            text = ibis.to_sql(bought_before(purchases, name, spine), dialect="duckdb")
            self._connection.execute(f"PREPARE bought_{name} AS {text}")

    def beside(self, features: pd.DataFrame, purchases: pa.Table | None) -> pd.DataFrame:
        """Feature rows with their customers' habits beside them.

        Parameters
        ----------
        features
            Rows of ``customer_id`` and ``as_of`` (date), each pair once.
        purchases
            Accepted rows of these customers; None where there are none.
        """
        places = [str(place) for place in range(len(features))]
        customers, days = features["customer_id"].tolist(), features["as_of"].tolist()
        rows = self._schema.empty_table() if purchases is None else purchases.select(self._schema.names)
        spine = pa.table({"customer_id": pa.array(customers, pa.string()), "as_of": pa.array(days, pa.date32())})
        with self._lock:
            found = self._answered({"purchases": rows.cast(self._schema), "spine": spine})
        asked = {(one, np.datetime64(day, "D")): place for one, day, place in zip(customers, days, places, strict=True)}
        seen = {}
        for name, cells in found.items():
            cells["customer_id"] = [
                asked[one, np.datetime64(day, "D")]
                for one, day in zip(cells["customer_id"], pd.to_datetime(cells["as_of"]), strict=True)
            ]
            seen[name] = Baskets.of(cells)
        return beside(features, told(seen, places, self._recommender))

    def _answered(self, content: Mapping[str, pa.Table]) -> dict[str, pd.DataFrame]:
        self._connection.begin()
        try:
            for name, table in content.items():
                self._connection.register("incoming", table)
                self._connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM incoming")  # noqa: S608 - fixed names
            return {name: self._connection.execute(f"EXECUTE bought_{name}").df() for name in self._columns}
        finally:
            self._connection.rollback()
