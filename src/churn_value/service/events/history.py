"""A company's own tables as the history of its event store, so that live events of its customers have a past."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import ibis
import pyarrow as pa

from churn_value.config import Config
from churn_value.errors import ConfigError
from churn_value.service.events.arrivals import arrival_of, content_id
from churn_value.service.events.features import stored_rows
from churn_value.service.events.ledger import Arrival, History
from churn_value.service.events.store import EventStore
from churn_value.tables.load import Tables

ROWS_AT_ONCE = 20_000


def as_kept(config: Config) -> Config:
    """Configuration under which tables are read for the store: returns keep their own date, as live ones do.

    The policy of returns is applied whenever features are made, over all that is known of a customer by then.

    Raises
    ------
    ConfigError
        ``NO_EVENTS`` for a company whose data are snapshots.
    """
    if config.is_snapshot:
        raise ConfigError(
            "snapshots are scored as they are, not from events",
            code="NO_EVENTS",
            where=str(config.source_file or config.name),
            remedy="score with python -m pipelines.score",
        )
    plain: dict[str, Any] = {
        name: table.model_copy(update={"returns": "by_return_date"}) for name, table in config.tables.items()
    }
    return config.model_copy(update={"tables": plain})


def load_history(store: EventStore, tables: Tables, *, now: datetime) -> History:
    """Make accepted rows of all tables the history of a store; loading them again changes nothing.

    Parameters
    ----------
    store
        Of the same currency.
    tables
        Read under `as_kept`.
    now
        When they are loaded, UTC.
    """
    return store.replace_history(_batches(tables), now=now)


def _batches(tables: Tables) -> Iterator[list[Arrival]]:
    for name, table in tables.events.items():
        if name != "snapshots":
            query = ibis.to_sql(table.order_by("customer_id"), dialect="duckdb")
            yield from _arrivals(name, tables.connection.con.sql(query).to_arrow_reader(ROWS_AT_ONCE))


def _arrivals(name: str, batches: Iterable[pa.RecordBatch]) -> Iterator[list[Arrival]]:
    """Rows by customer, each with an id; equal ones of a customer are counted."""
    customer, seen = None, Counter[str]()
    for batch in batches:
        arrivals = []
        for row in stored_rows(pa.Table.from_batches([batch])):
            if row["customer_id"] != customer:
                customer, seen = row["customer_id"], Counter()
            repeat = 0
            if "event_id" not in row:
                own = {key: value for key, value in row.items() if key != "customer_id"}
                key = content_id(name, str(customer), own)
                repeat, seen[key] = seen[key], seen[key] + 1
            arrivals.append(arrival_of(name, str(customer), row, repeat))
        yield arrivals
