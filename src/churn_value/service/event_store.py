"""Events that have arrived, by customer: one SQLite file, appended by every worker, read by the next score.

SQLite in WAL mode takes one writer at a time and any number of readers, from several processes. ``synchronous=FULL``
syncs the log at each commit, so an acknowledged event outlives a kill of the process and a loss of power. Rows are kept
as cleaning accepted them (canonical columns, integer minor units, microseconds), so that a score only reads them.

`customer_id` stands in clear: the store is the company's own table of events. The file is readable by its owner only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from threading import local
from typing import Any, Literal

from churn_value.errors import DataContractError
from churn_value.features.asof import CLOCKS

Status = Literal["accepted", "duplicate", "completed", "conflict"]
StoredRow = Mapping[str, Any]
FORMAT = 1
APPLICATION = 0x43565645  # "CVVE" in the file's header
LONGEST_WAIT_S = 5.0
_SCHEMA = """
CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  event_id TEXT NOT NULL,
  customer_id TEXT NOT NULL,
  content TEXT NOT NULL,
  arrived_us INTEGER NOT NULL,
  is_live INTEGER NOT NULL,
  UNIQUE (source, event_id)
) STRICT;
CREATE INDEX event_of_customer ON event (customer_id, seq);
CREATE INDEX live_customer ON event (customer_id) WHERE is_live = 1;
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One canonical row on its way into the store.

    Parameters
    ----------
    source
        Table of the contract.
    event_id
        What tells the row from all others of its table; the same again is the same event.
    customer_id
        Whom it is about.
    content
        Canonical columns that are not null; times in microseconds.
    """

    source: str
    event_id: str
    customer_id: str
    content: StoredRow


def merged(source: str, before: StoredRow, now: StoredRow) -> dict[str, Any] | None:
    """What two accounts of one event say together; None when they contradict each other.

    They may differ in what becomes known later, as a ticket's resolution or an invoice's payment: once told it stays,
    whichever account comes first. `known_at` is that of the first.
    """
    together = {**now, **before}
    for name in {*before, *now} - {"known_at"}:
        told = [value for value in (before.get(name), now.get(name)) if value not in (None, False)]
        if before.get(name) == now.get(name):
            continue
        if name not in CLOCKS[source].hidden or len(told) > 1:
            return None
        together[name] = told[0] if told else False
    return together


class EventStore:
    """The file of one company.

    Parameters
    ----------
    path
        The SQLite file; see `create`.

    Attributes
    ----------
    fault
        Code of why the file cannot be used, or None. A company without live events has no file and no fault.
    currency
        What amounts are in; None while there is no file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = local()
        self.fault: str | None = None
        self.currency: str | None = None

    @classmethod
    def create(cls, path: Path, currency: str) -> EventStore:
        """Store at `path`, made when it is not there.

        Raises
        ------
        DataContractError
            ``EVENTS_CURRENCY`` when it holds amounts of another currency; ``EVENTS_UNREADABLE`` when it is no store.
        """
        store = cls(path)
        if not path.exists():
            _make(path, currency)
        store.refresh()
        if store.fault is not None:
            raise DataContractError("the file must be a store of events", code=store.fault, where=str(path))
        if store.currency != currency:
            raise DataContractError(
                "a store of events has one currency",
                code="EVENTS_CURRENCY",
                where=str(path),
                received=f"{currency}, the store has {store.currency}",
                remedy="move the file away and load the history again",
            )
        return store

    @property
    def is_open(self) -> bool:
        """Whether there is a file and it can be read."""
        return self.currency is not None

    def refresh(self) -> None:
        """Look whether the file has come, gone, or become unreadable."""
        if not self._path.exists():
            self.fault, self.currency = None, None
            return
        try:
            with self._reading() as connection:
                marks = [
                    connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
                ]
                found = connection.execute("SELECT value FROM setting WHERE name = 'currency'").fetchone()
        except sqlite3.Error:
            self.fault, self.currency = "EVENTS_UNREADABLE", None
            return
        readable = marks == [APPLICATION, FORMAT] and found is not None
        self.fault, self.currency = (None, str(found[0])) if readable else ("EVENTS_UNREADABLE", None)

    def append(self, arrivals: Sequence[Arrival], *, now: datetime, live: bool = True) -> list[Status]:
        """Keep rows, all in one transaction that is on the disk when this returns.

        Parameters
        ----------
        arrivals
            In the order they count as having come.
        now
            When they came, UTC.
        live
            False for rows of the company's own tables: they are history, and a live event among them becomes history.

        Returns
        -------
        list of str
            Per row: ``accepted``; ``duplicate``, the same content under the same id (`known_at` aside);
            ``completed``, see `merged`; ``conflict``, other content under the same id, which changes nothing.

        Raises
        ------
        sqlite3.Error
            When nothing could be written; then nothing was.
        """
        arrived_us = int(now.timestamp() * 1_000_000)
        with self._writing() as connection:
            return [_put(connection, one, arrived_us, live=live) for one in arrivals]

    def live(self, customer_ids: Sequence[str]) -> set[str]:
        """Those customers of whom an event has come that is not in the company's own tables yet."""
        query = "SELECT 1 FROM event WHERE customer_id = ? AND is_live = 1 LIMIT 1"
        with self._reading() as connection:
            return {one for one in set(customer_ids) if connection.execute(query, (one,)).fetchone()}

    def rows(self, customer_ids: Sequence[str]) -> dict[str, dict[str, list[StoredRow]]]:
        """Canonical rows by customer and table, in the order they came; customers without any are left out."""
        query = "SELECT source, content FROM event WHERE customer_id = ? ORDER BY seq"
        found: dict[str, dict[str, list[StoredRow]]] = {}
        with self._reading() as connection:
            for one in dict.fromkeys(customer_ids):
                for source, content in connection.execute(query, (one,)):
                    row = {**json.loads(content), "customer_id": one}
                    found.setdefault(one, {}).setdefault(source, []).append(row)
        return found

    def count(self) -> int:
        """Rows of the store."""
        with self._reading() as connection:
            return int(connection.execute("SELECT count(*) FROM event").fetchone()[0])

    def _connection(self) -> sqlite3.Connection:
        """Connection of the calling thread, opened again when the file has been replaced."""
        inode = self._path.stat().st_ino
        held = getattr(self._thread, "held", None)
        if held is None or held[0] != inode:
            if held is not None:
                held[1].close()
            self._thread.held = held = (inode, _connect(self._path))
        connection: sqlite3.Connection = held[1]
        return connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One consistent view of the file."""
        try:
            connection = self._connection()
        except FileNotFoundError as error:
            raise sqlite3.OperationalError(str(error)) from None
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection()
        except FileNotFoundError as error:
            raise sqlite3.OperationalError(str(error)) from None
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=LONGEST_WAIT_S, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _make(path: Path, currency: str) -> None:
    """Write an empty store beside `path`, then rename it there: nobody sees half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    connection = _connect(fresh)
    try:
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("INSERT INTO setting VALUES ('currency', ?)", (currency,))
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    fresh.replace(path)


def _put(connection: sqlite3.Connection, one: Arrival, arrived_us: int, *, live: bool) -> Status:
    key = (one.source, one.event_id)
    held = connection.execute(
        "SELECT customer_id, content FROM event WHERE source = ? AND event_id = ?", key
    ).fetchone()
    if held is None:
        connection.execute(
            "INSERT INTO event (source, event_id, customer_id, content, arrived_us, is_live) VALUES (?, ?, ?, ?, ?, ?)",
            (*key, one.customer_id, _text(one.content), arrived_us, live),
        )
        return "accepted"
    before = json.loads(held[1])
    together = merged(one.source, before, one.content) if held[0] == one.customer_id else None
    if together is None:
        return "conflict"
    changed = together != before
    if changed or not live:
        query = "UPDATE event SET content = ?, is_live = ? WHERE source = ? AND event_id = ?"
        connection.execute(query, (_text(together), live, *key))
    return "completed" if changed else "duplicate"


def _text(content: StoredRow) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
