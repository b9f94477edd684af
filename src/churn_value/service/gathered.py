"""Where the features of a request's items come from: the scored table, the event store, or the request itself.

A customer by id is answered from the last scored feature table, until an event of theirs has arrived that is not in the
company's own tables yet: from then on from the events in the store, as of the midnight after now.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import date, datetime

import pandas as pd

from churn_value.service.champion import Served
from churn_value.service.events import Gathered, features_from_events, features_from_store, live_as_of
from churn_value.service.given import frame_from_features
from churn_value.service.requests import EventsItem, FeaturesItem, ItemFault, LiveItem, Request, StoredItem
from churn_value.service.serving import Serving
from churn_value.service.store import FeatureStore


def gather(request: Request, served: Served, serving: Serving, now: datetime) -> Gathered:
    """One-row feature frame, or fault, of each item.

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
    faults = {index: item for index, item in enumerate(request.items) if isinstance(item, ItemFault)}
    stored = {index: item.customer_id for index, item in enumerate(request.items) if isinstance(item, StoredItem)}
    given = {index: item for index, item in enumerate(request.items) if isinstance(item, FeaturesItem)}
    events = {index: item for index, item in enumerate(request.items) if isinstance(item, EventsItem)}
    asked = {index: item for index, item in enumerate(request.items) if isinstance(item, LiveItem)}
    live = {index: (item.customer_id, item.as_of or live_as_of(now)) for index, item in asked.items()}
    live |= _with_news(stored, served, serving, now)
    stored = {index: customer_id for index, customer_id in stored.items() if index not in live}
    parts = [_from_table(stored, served, serving.store), _from_features(given, served)]
    if events:
        parts.append(features_from_events(events, served.event_features, now))
    if live:
        parts.append(_from_events(live, served, serving))
    rows: dict[int, pd.DataFrame] = {}
    for part_rows, part_faults in parts:
        rows |= part_rows
        faults |= part_faults
    return rows, faults


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


def _from_events(items: Mapping[int, tuple[str, date]], served: Served, serving: Serving) -> Gathered:
    """Features from the events in the store."""
    unavailable = dict.fromkeys(items, ItemFault("EVENTS_UNSUPPORTED", "customer_id"))
    if not _usable(served, serving):
        return {}, unavailable
    try:
        return features_from_store(items, served.event_features, serving.events)
    except sqlite3.Error:
        return {}, unavailable


def _from_table(customer_ids: Mapping[int, str], served: Served, store: FeatureStore) -> Gathered:
    """Features from the last scored table."""
    rows: dict[int, pd.DataFrame] = {}
    faults: dict[int, ItemFault] = {}
    needed = set(served.bundle.catalog.names)
    for index, row in zip(customer_ids, store.find(list(customer_ids.values())), strict=True):
        if row is None:
            faults[index] = ItemFault("CUSTOMER_NOT_FOUND", "customer_id")
        elif not needed.issubset(row.columns):
            faults[index] = ItemFault("FEATURES_OUTDATED", "customer_id")
        else:
            rows[index] = row
    return rows, faults


def _from_features(items: Mapping[int, FeaturesItem], served: Served) -> Gathered:
    """Features that the caller sent."""
    rows: dict[int, pd.DataFrame] = {}
    faults: dict[int, ItemFault] = {}
    for index, item in items.items():
        try:
            rows[index] = frame_from_features(item, served.bundle)
        except ItemFault as fault:
            faults[index] = fault
    return rows, faults
