"""Events that have arrived, by customer: one SQLite file, appended by every worker, read by the next score.

SQLite in WAL mode takes one writer at a time and any number of readers, from several processes. ``synchronous=FULL``
syncs the log at each commit, so an acknowledged event outlives a kill of the process and a loss of power. Rows are kept
as cleaning accepted them (canonical columns, integer minor units, microseconds), so that a score only reads them.

Rows of generation 0 have arrived through the service: they are live. The company's own tables are the history, of a
generation of its own: a new history is written beside the old one, invisible, and takes its place in one transaction.

`customer_id` stands in clear: the store is the company's own table of events. The file is readable by its owner only.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from threading import local

from churn_value.errors import DataContractError
from churn_value.service.events.ledger import (
    INSERT,
    SCHEMA,
    Arrival,
    History,
    Status,
    StoredRow,
    flip,
    in_force,
    put,
    values,
)

FORMAT = 1
APPLICATION = 0x43565645  # "CVVE" in the file's header
LONGEST_WAIT_S = 5.0


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

    def append(self, arrivals: Sequence[Arrival], *, now: datetime) -> list[Status]:
        """Keep live rows, all in one transaction that is on the disk when this returns.

        Parameters
        ----------
        arrivals
            In the order they count as having come.
        now
            When they came, UTC.

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
        arrived_us = _microseconds(now)
        with self._writing() as connection:
            current = in_force(connection)
            return [put(connection, one, current, arrived_us) for one in arrivals]

    def replace_history(self, batches: Iterable[Sequence[Arrival]], *, now: datetime) -> History:
        """Make the company's own tables the history; readers see the old one until the new one is whole.

        A live row that the new history has too becomes history, unless it says more; where the two contradict each
        other the company's table is right.

        Raises
        ------
        sqlite3.Error
            When it could not be written; then the old history stands.
        """
        arrived_us = _microseconds(now)
        with self._writing() as connection:
            newest = connection.execute("SELECT max(generation) FROM event").fetchone()[0] or 0
            fresh = max(int(newest), in_force(connection)) + 1
        for batch in batches:
            with self._writing() as connection:
                connection.executemany(INSERT, [values(one, fresh, arrived_us) for one in batch])
        with self._writing() as connection:
            return flip(connection, fresh)

    def live(self, customer_ids: Sequence[str]) -> set[str]:
        """Those customers of whom an event has come that is not in the history yet."""
        query = "SELECT 1 FROM event WHERE customer_id = ? AND generation = 0 LIMIT 1"
        with self._reading() as connection:
            return {one for one in set(customer_ids) if connection.execute(query, (one,)).fetchone()}

    def rows(self, customer_ids: Sequence[str]) -> dict[str, dict[str, list[StoredRow]]]:
        """Canonical rows by customer and table, in no particular order; customers without any are left out."""
        query = (
            "SELECT source, event_id, content FROM event WHERE customer_id = ? AND generation IN (0, ?) "
            "ORDER BY generation DESC"
        )
        found: dict[str, dict[str, list[StoredRow]]] = {}
        with self._reading() as connection:
            current = in_force(connection)
            for one in dict.fromkeys(customer_ids):
                # Live rows come last and replace the same event of the history.
                texts = {(source, key): content for source, key, content in connection.execute(query, (one, current))}
                # One call of the parser for all of a customer's rows takes a third of the time of one call each.
                rows = json.loads(f"[{','.join(texts.values())}]")
                for (source, _), row in zip(texts, rows, strict=True):
                    row["customer_id"] = one
                    found.setdefault(one, {}).setdefault(source, []).append(row)
        return found

    def count(self) -> int:
        """Rows that scores see, those of the history that a live one replaces included."""
        with self._reading() as connection:
            query = "SELECT count(*) FROM event WHERE generation IN (0, ?)"
            return int(connection.execute(query, (in_force(connection),)).fetchone()[0])

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
        connection.executescript(SCHEMA)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {FORMAT}")
        connection.execute("INSERT INTO setting VALUES ('currency', ?)", (currency,))
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    fresh.replace(path)


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)
