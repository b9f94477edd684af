"""What the event store's file holds and says: its tables, when two accounts of an event agree, and its statements.

Everything here works inside a transaction of `store`.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from churn_value.errors import DataContractError
from churn_value.features.clocks import CLOCKS

Status = Literal["accepted", "duplicate", "completed", "conflict"]
StoredRow = Mapping[str, Any]
SCHEMA = """
CREATE TABLE event (
  seq INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  event_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  customer_id TEXT NOT NULL,
  content TEXT NOT NULL,
  arrived_us INTEGER NOT NULL,
  UNIQUE (source, event_id, generation)
) STRICT;
CREATE INDEX event_of_customer ON event (customer_id, generation);
CREATE INDEX live_customer ON event (customer_id) WHERE generation = 0;
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO setting VALUES ('generation', '0');
"""
INSERT = (
    "INSERT OR REPLACE INTO event (source, event_id, generation, customer_id, content, arrived_us) "
    "VALUES (?, ?, ?, ?, ?, ?)"
)


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


@dataclass(frozen=True, slots=True)
class History:
    """What a new history consists of: its rows, the live rows that stay beside it, and those it contradicted."""

    rows: int
    live: int
    overruled: int


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


def in_force(connection: sqlite3.Connection) -> int:
    """Generation of the history in force."""
    return int(connection.execute("SELECT value FROM setting WHERE name = 'generation'").fetchone()[0])


def values(one: Arrival, generation: int, arrived_us: int) -> tuple[object, ...]:
    """Values of `INSERT` for a row."""
    return (one.source, one.event_id, generation, one.customer_id, _text(one.content), arrived_us)


def put(connection: sqlite3.Connection, one: Arrival, current: int, arrived_us: int) -> Status:
    """Keep a live row beside the history in force, unless it says nothing new or something else."""
    query = (
        "SELECT customer_id, content FROM event WHERE source = ? AND event_id = ? AND generation IN (0, ?) "
        "ORDER BY generation LIMIT 1"
    )
    held = connection.execute(query, (one.source, one.event_id, current)).fetchone()
    if held is None:
        connection.execute(INSERT, values(one, 0, arrived_us))
        return "accepted"
    before = json.loads(held[1])
    together = merged(one.source, before, one.content) if held[0] == one.customer_id else None
    if together is None:
        return "conflict"
    if together == before:
        return "duplicate"
    whole = Arrival(one.source, one.event_id, one.customer_id, together)
    connection.execute(INSERT, values(whole, 0, arrived_us))
    return "completed"


def flip(connection: sqlite3.Connection, generation: int) -> History:
    """Put a whole history in force, unless a newer one is, and settle the live rows that it has too."""
    if in_force(connection) > generation:
        raise DataContractError("a newer history was loaded meanwhile; it stands", code="HISTORY_OVERTAKEN")
    connection.execute("UPDATE setting SET value = ? WHERE name = 'generation'", (str(generation),))
    connection.execute("DELETE FROM event WHERE generation > 0 AND generation < ?", (generation,))
    both = connection.execute(
        "SELECT l.seq, l.source, h.content, l.content, h.customer_id = l.customer_id FROM event AS l JOIN event AS h "
        "USING (source, event_id) WHERE l.generation = 0 AND h.generation = ?",
        (generation,),
    ).fetchall()
    overruled = 0
    for seq, source, history, live, is_same in both:
        together = merged(source, json.loads(history), json.loads(live)) if is_same else None
        overruled += together is None
        if together is None or together == json.loads(history):
            connection.execute("DELETE FROM event WHERE seq = ?", (seq,))
        else:
            connection.execute("UPDATE event SET content = ? WHERE seq = ?", (_text(together), seq))
    counted = "SELECT count(*) FILTER (WHERE generation > 0), count(*) FILTER (WHERE generation = 0) FROM event"
    rows, live_rows = connection.execute(counted).fetchone()
    return History(int(rows), int(live_rows), overruled)


def _text(content: StoredRow) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True)
