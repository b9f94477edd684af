"""Where the features of a request's items come from: the scored table, the event store, or the request itself.

A customer by id is answered from the last scored feature table, until an event of theirs has arrived that is not in the
company's own tables yet: from then on from the events in the store, as of the midnight after now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from churn_value.scoring.offered import Offered
from churn_value.service.champion import Served
from churn_value.service.events.features import Found, features_from_events, features_from_store, live_as_of
from churn_value.service.given import offered_features
from churn_value.service.requests import EventsItem, FeaturesItem, ItemFault, LiveItem, Request, StoredItem
from churn_value.service.serving import Serving
from churn_value.service.store import FeatureStore, Kept


@dataclass(frozen=True, slots=True)
class Gathered:
    """What the items of a request are scored from, or why one is not.

    Attributes
    ----------
    rows, faults
        One row, or the fault, of each item by its index.
    kept
        Rows of the scored table by customer, with the previous answers that they were scored with; None where a
        customer was never scored.
    """

    rows: dict[int, Offered] = field(default_factory=dict)
    faults: dict[int, ItemFault] = field(default_factory=dict)
    kept: dict[str, Kept | None] = field(default_factory=dict)


def gather(request: Request, served: Served, serving: Serving, now: datetime) -> Gathered:
    """Row, or fault, of each item.

    Parameters
    ----------
    request
        With its items.
    served
        The model whose features are needed.
    serving
        Gives the scored table and the event store.
    now
        Moment of scoring, UTC.
    """
    found = Gathered(faults={place: one for place, one in enumerate(request.items) if isinstance(one, ItemFault)})
    stored = {index: item.customer_id for index, item in enumerate(request.items) if isinstance(item, StoredItem)}
    given = {index: item for index, item in enumerate(request.items) if isinstance(item, FeaturesItem)}
    events = {index: item for index, item in enumerate(request.items) if isinstance(item, EventsItem)}
    asked = {index: item for index, item in enumerate(request.items) if isinstance(item, LiveItem)}
    live = {index: (item.customer_id, item.as_of or live_as_of(now)) for index, item in asked.items()}
    live |= _with_news(stored, served, serving, now)
    stored = {index: customer_id for index, customer_id in stored.items() if index not in live}
    _from_table(stored, found, served, serving.store)
    _from_features(given, found, served)
    if events:
        _take(features_from_events(events, served.event_features, now), found)
    if live:
        _take(_from_events(live, served, serving), found)
    return found


def _take(part: Found, found: Gathered) -> None:
    rows, faults = part
    found.rows.update(rows)
    found.faults.update(faults)


def remember(gathered: Sequence[Gathered], store: FeatureStore) -> None:
    """Look up the table rows of the customers for whom none was read yet."""
    others = [{str(row.ids[0]) for row in found.rows.values()} - found.kept.keys() for found in gathered]
    wanted = sorted(frozenset[str]().union(*others))
    kept = dict(zip(wanted, store.find(wanted), strict=True))
    for found, own in zip(gathered, others, strict=True):
        found.kept.update((one, kept[one]) for one in own)


def _with_news(
    stored: Mapping[int, str], served: Served, serving: Serving, now: datetime
) -> dict[int, tuple[str, date]]:
    """Customers by id whose events say more than the scored table."""
    if not stored or not _usable(served, serving):
        return {}
    try:
        live = serving.events.live(list(stored.values()))
    except sqlite3.Error:
        # The store's fault is on readiness; the scored table still answers.
        return {}
    return {index: (one, live_as_of(now)) for index, one in stored.items() if one in live}


def _usable(served: Served, serving: Serving) -> bool:
    return serving.events.is_open and serving.events.currency == served.bundle.config.currency


def _from_events(items: Mapping[int, tuple[str, date]], served: Served, serving: Serving) -> Found:
    """Features from the events in the store."""
    unavailable = dict.fromkeys(items, ItemFault("EVENTS_UNSUPPORTED", "customer_id"))
    if not _usable(served, serving):
        return {}, unavailable
    try:
        return features_from_store(items, served.event_features, serving.events)
    except sqlite3.Error:
        return {}, unavailable


def _from_table(customer_ids: Mapping[int, str], found: Gathered, served: Served, store: FeatureStore) -> None:
    """Features from the last scored table."""
    expected = served.bundle.expected
    for index, kept in zip(customer_ids, store.find(list(customer_ids.values())), strict=True):
        if kept is None:
            found.faults[index] = ItemFault("CUSTOMER_NOT_FOUND", "customer_id")
        elif not kept.has(expected):
            found.faults[index] = ItemFault("FEATURES_OUTDATED", "customer_id")
        else:
            found.rows[index] = kept.offered(expected)
            found.kept[customer_ids[index]] = kept


def _from_features(items: Mapping[int, FeaturesItem], found: Gathered, served: Served) -> None:
    """Features that the caller sent."""
    for index, item in items.items():
        try:
            found.rows[index] = offered_features(item, served.bundle.expected)
        except ItemFault as fault:
            found.faults[index] = fault
