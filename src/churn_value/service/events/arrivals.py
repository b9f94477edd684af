"""``POST /v1/events``: new purchases, visits, feedback and payments of customers, kept before they are acknowledged.

A row is checked by the table contract, cleaned by the code that cleans whole tables, and kept as cleaning left it. Each
row has its own outcome; all accepted rows of a request are one transaction, and the answer is sent when it is on disk.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from churn_value.features.clocks import CLOCKS
from churn_value.service.events.features import EventFeatures, stored_rows
from churn_value.service.events.ledger import Arrival, StoredRow
from churn_value.service.events.rows import Row
from churn_value.service.events.store import EventStore
from churn_value.service.problems import refusal
from churn_value.service.requests import FAULTS, CustomerId, ItemFault, Scalar
from churn_value.service.serving import Serving
from churn_value.tables.contract import CONTRACT

MOST_ROWS = 1_000
Place = tuple[str, int]
Outcome = Literal["accepted", "duplicate", "completed", "conflict", "invalid"]
log = logging.getLogger("churn_value.service")

ROW_FAULTS: Mapping[str, str] = {
    "EVENT_ID_MISSING": "A row needs an event_id: without it, one that is sent twice would count twice.",
    "EVENT_CONFLICT": "The event_id is known with other content; what was kept first stands.",
}


class ArrivalItem(BaseModel):
    """New events of one customer: per table of the contract a list of rows by canonical column names."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    customer_id: CustomerId
    events: Annotated[dict[str, list[dict[str, Scalar]]], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class _Sent:
    """A row on its way: its place in the request, whom it is about, and itself by the contract's columns."""

    index: int
    customer_id: str
    table: str
    number: int
    row: Row

    @property
    def place(self) -> str:
        return f"events.{self.table}.{self.number}"


class _Outcomes:
    """What has become of each row."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, str, int], tuple[Outcome, dict[str, str | None] | None]] = {}

    def put(self, sent: _Sent, status: Outcome) -> None:
        fault: dict[str, str | None] | None = None
        if status == "conflict":
            fault = {"code": "EVENT_CONFLICT", "field": sent.place, "text": ROW_FAULTS["EVENT_CONFLICT"]}
        self._found[sent.index, sent.table, sent.number] = (status, fault)

    def refuse(self, sent: _Sent, fault: ItemFault) -> None:
        text = ROW_FAULTS.get(fault.code) or FAULTS[fault.code][1]
        error = {"code": fault.code, "field": fault.field, "text": text}
        self._found[sent.index, sent.table, sent.number] = ("invalid", error)

    def of(self, index: int) -> list[dict[str, Any]]:
        """Rows of an item, in the order sent."""
        return [
            {"table": table, "row": number, "status": status, "error": error}
            for (item, table, number), (status, error) in self._found.items()
            if item == index
        ]

    def counts(self) -> dict[str, int]:
        """Rows by status."""
        return dict(Counter(status for status, _ in self._found.values()))


def receive(document: object, serving: Serving, *, request_id: str, now: datetime) -> dict[str, Any]:
    """Content of the response to ``POST /v1/events``.

    Parameters
    ----------
    document
        As parsed: ``{"items": [{"customer_id": …, "events": {table: [row, …]}}]}``.
    serving
        State of the worker.
    request_id
        Put into the response.
    now
        Moment of arrival, UTC: `known_at` of rows that give none, and what no event may be later than.

    Raises
    ------
    RequestError
        When the request as a whole is refused: its envelope, no model, no store, or a disk that takes no more.
    """
    items = _items(document)
    store, maker = _ready(serving)
    outcomes = _Outcomes()
    sent = [
        _Sent(index, item.customer_id, table, number, row)
        for index, item in items.items()
        if isinstance(item, ArrivalItem)
        for table, rows in item.events.items()
        for number, row in enumerate(rows)
    ]
    _keep(sent, store, maker, outcomes, now)
    return {
        "request_id": request_id,
        "received_at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "counts": outcomes.counts(),
        "results": [_result(index, item, outcomes) for index, item in items.items()],
    }


def _items(document: object) -> dict[int, ArrivalItem | ItemFault]:
    """Items of the envelope, checked."""
    if not isinstance(document, dict):
        raise refusal("REQUEST_NOT_OBJECT")
    if document.keys() - {"items"}:
        raise refusal("FIELD_UNKNOWN")
    if "items" not in document:
        raise refusal("FIELD_MISSING", field="items")
    if not isinstance(document["items"], list):
        raise refusal("FIELD_INVALID", field="items")
    if not document["items"]:
        raise refusal("ITEMS_EMPTY", field="items")
    items = {index: _item(item) for index, item in enumerate(document["items"])}
    rows = sum(len(r) for item in items.values() if isinstance(item, ArrivalItem) for r in item.events.values())
    if rows > MOST_ROWS or len(items) > MOST_ROWS:
        raise refusal("ITEMS_TOO_MANY", field="items")
    return items


def _item(item: object) -> ArrivalItem | ItemFault:
    if not isinstance(item, dict):
        return ItemFault("ITEM_NOT_OBJECT")
    try:
        return ArrivalItem.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        code = {"missing": "FIELD_MISSING", "extra_forbidden": "FIELD_UNKNOWN"}.get(first["type"], "FIELD_INVALID")
        name = str(first["loc"][0]) if first["loc"] else ""
        return ItemFault(code, name if name in ArrivalItem.model_fields else None)


def _ready(serving: Serving) -> tuple[EventStore, EventFeatures]:
    """Store and maker, when rows can be checked and kept."""
    served = serving.champion.current
    if served is None:
        raise refusal("NO_MODEL")
    maker = served.event_features
    if not serving.events.is_open or maker is None or serving.events.currency != served.bundle.config.currency:
        raise refusal("EVENTS_UNAVAILABLE")
    return serving.events, maker


def _keep(sent: Sequence[_Sent], store: EventStore, maker: EventFeatures, outcomes: _Outcomes, now: datetime) -> None:
    """Check, clean and append rows; their outcomes are known when this returns."""
    good = []
    for one in sent:
        try:
            good.append(_checked(one, maker, now))
        except ItemFault as fault:
            outcomes.refuse(one, fault)
    arrivals = _cleaned(good, maker, outcomes, now)
    try:
        kept = store.append([arrival for _, arrival in arrivals], now=now) if arrivals else []
    except sqlite3.Error as error:
        log.warning(json.dumps({"event": "events_not_kept", "error": getattr(error, "sqlite_errorname", "SQLITE")}))
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise refusal("STORAGE_FULL" if full else "EVENTS_UNAVAILABLE") from None
    for (one, _), status in zip(arrivals, kept, strict=True):
        outcomes.put(one, status)


def _checked(one: _Sent, maker: EventFeatures, now: datetime) -> _Sent:
    """The row by the contract, with the moment it became known."""
    if one.table not in maker.rules.config.tables or one.table == "snapshots":
        raise ItemFault("TABLE_UNKNOWN", "events")
    row = dict(maker.rules.row(one.table, one.place, one.row, now))
    names = CONTRACT[one.table].names
    if "event_id" in names and not row.get("event_id"):
        raise ItemFault("EVENT_ID_MISSING", one.place)
    if "known_at" in names and row.get("known_at") is None:
        row["known_at"] = now.astimezone(UTC).isoformat()
    return replace(one, row={**row, "customer_id": one.customer_id})


def _cleaned(
    sent: Sequence[_Sent], maker: EventFeatures, outcomes: _Outcomes, now: datetime
) -> list[tuple[_Sent, Arrival]]:
    """Rows that cleaning accepts, as the store keeps them, in the order sent."""
    groups: dict[tuple[str, frozenset[str]], list[_Sent]] = {}
    for one in sent:
        groups.setdefault((one.table, maker.cleaning.decisive(one.table, [one.row])), []).append(one)
    found: dict[Place, tuple[_Sent, Arrival]] = {}
    order = {id(one): number for number, one in enumerate(sent)}
    for (table, _), group in groups.items():
        judged = maker.cleaning.judged(table, [one.row for one in group], now, repeats=False)
        kept = zip(group, stored_rows(judged.rows), judged.reasons, judged.columns, strict=True)
        for one, content, reason, column in kept:
            if reason is None:
                found[table, order[id(one)]] = (one, arrival_of(table, one.customer_id, content))
            else:
                outcomes.refuse(one, ItemFault("EVENTS_REFUSED", f"{one.place}.{column}: {reason}"))
    return [found[place] for place in sorted(found, key=lambda place: place[1])]


def arrival_of(table: str, customer_id: str, content: StoredRow, repeat: int = 0) -> Arrival:
    """Canonical row with what tells it from others.

    That is its `event_id`; of a profile, the customer and the day it holds from; of a row without an id, its content
    and how many such rows come before it.
    """
    own = {name: value for name, value in content.items() if name != "customer_id"}
    event_id = own.get("event_id")
    if event_id is None and table == "customers":
        event_id = json.dumps([customer_id, own.get("valid_from")])
    if event_id is None:
        event_id = content_id(table, customer_id, own, repeat)
    return Arrival(table, str(event_id), customer_id, own)


def content_id(table: str, customer_id: str, content: StoredRow, repeat: int = 0) -> str:
    """Id of a row that has none: a hash of what does not become known later, and how many such rows come before it."""
    later = {"known_at", *CLOCKS[table].hidden}
    told = {name: value for name, value in content.items() if name not in later}
    text = json.dumps([customer_id, told, repeat], ensure_ascii=False, sort_keys=True)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _result(index: int, item: ArrivalItem | ItemFault, outcomes: _Outcomes) -> dict[str, Any]:
    if isinstance(item, ItemFault):
        error = {"code": item.code, "field": item.field, "text": FAULTS[item.code][1]}
        return {"index": index, "customer_id": None, "error": error, "rows": []}
    return {"index": index, "customer_id": item.customer_id, "error": None, "rows": outcomes.of(index)}
