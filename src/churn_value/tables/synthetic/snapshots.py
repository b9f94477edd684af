"""The ready-made churn table that many people start from, drawn off the other tables at one day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

NOISE_COLUMNS = (
    "purchases.channel",
    "purchases.category",
    "purchases.product_id",
    "purchases.quantity",
    "visits.channel",
    "visits.item",
    "visits.category",
    "visits.duration_s",
    "feedback.topic",
    "feedback.text",
    "customers.region",
    "customers.gender",
    "customers.lucky_number",
    "customers.favourite_colour",
    "snapshots.region",
    "snapshots.gender",
    "snapshots.lucky_number",
    "snapshots.favourite_colour",
)
"""Columns, as ``table.column``, whose values say nothing about churn or value; how many rows there are does."""

_PROFILE = (
    "region",
    "birth_year",
    "gender",
    "plan",
    "source",
    "survey_panel",
    "pays_by_invoice",
    "lucky_number",
    "favourite_colour",
)


class _Past:
    """Rows before a midnight, reduced per customer; customers without any get 0, or null for the last of something."""

    def __init__(self, frames: Mapping[str, pd.DataFrame], as_of: date, customers: pd.Index) -> None:
        self.as_of = pd.Timestamp(as_of, tz="UTC")
        self._frames = frames
        self._customers = customers

    def rows(self, table: str, clock: str = "event_time", days: int | None = None) -> pd.DataFrame:
        """Rows before as_of on both clocks, at most so many days old."""
        rows = self._frames[table]
        known = rows["known_at"] if "known_at" in rows else rows[clock]
        past = (rows[clock] < self.as_of) & (known < self.as_of)
        if days is not None:
            past &= rows[clock] >= self.as_of - pd.Timedelta(days=days)
        return rows[past]

    def count(self, rows: pd.DataFrame) -> pd.Series:
        """Rows per customer."""
        return rows.groupby("customer_id").size().reindex(self._customers, fill_value=0)

    def age_days(self, stamps: pd.Series, customer: pd.Series) -> pd.Series:
        """Whole days from the latest stamp of each customer to as_of; null without one."""
        latest = stamps.groupby(customer).max().reindex(self._customers)
        age: pd.Series = (self.as_of - latest.dt.floor("D")).dt.days.astype(np.float64)
        return age


def _customers_at(past: _Past) -> pd.DataFrame:
    """Profile of each customer as it held at as_of."""
    rows = past.rows("customers", "valid_from")
    return rows.drop_duplicates("customer_id", keep="last").set_index("customer_id")


def _behaviour(past: _Past) -> dict[str, pd.Series]:
    bought = past.rows("purchases")
    bought = bought[~bought["is_return"]]
    lately = past.rows("purchases", days=365)
    spent = (lately["amount"] * 100).round().groupby(lately["customer_id"]).sum() / 100
    orders = bought.drop_duplicates("order_id")
    recent = orders[orders["event_time"] >= past.as_of - pd.Timedelta(days=90)]
    return {
        "orders": past.count(orders),
        "orders_90d": past.count(recent),
        "spend_365d": spent,
        "days_since_last_order": past.age_days(orders["event_time"], orders["customer_id"]),
        "visits_30d": past.count(past.rows("visits", days=30)),
        "visits_180d": past.count(past.rows("visits", days=180)),
    }


def _attitude(past: _Past) -> dict[str, pd.Series]:
    feedback = past.rows("feedback", days=365)
    share = (feedback["score"] - feedback["scale_min"]) / (feedback["scale_max"] - feedback["scale_min"])
    bills = past.rows("payments", "due_at", days=365)
    late = bills["paid_at"].isna() | (bills["paid_at"] > bills["due_at"].dt.ceil("D"))
    return {
        "satisfaction_365d": share.groupby(feedback["customer_id"]).mean(),
        "complaints_365d": past.count(feedback[feedback["kind"] == "complaint"]),
        "bills_365d": past.count(bills),
        "late_bills_365d": past.count(bills[late]),
    }


def snapshots(frames: Mapping[str, pd.DataFrame], as_of: date, outcomes: pd.DataFrame) -> pd.DataFrame:
    """One row per customer who bought before as_of: profile, aggregates of the past, and the label.

    Parameters
    ----------
    frames
        The other six tables.
    as_of
        Day the rows describe.
    outcomes
        customer_id and churned, as `World.outcomes` gives them for the same day.

    Returns
    -------
    pandas.DataFrame
        customer_id, as_of, label (1: no order in the outcome window), then attributes.
    """
    everyone = pd.Index(outcomes["customer_id"])
    past = _Past(frames, as_of, everyone)
    people = _customers_at(past).reindex(everyone)
    table = people[list(_PROFILE)].assign(
        tenure_days=(past.as_of - people["signup_at"]).dt.days.astype(np.float64), **_behaviour(past), **_attitude(past)
    )
    table["spend_365d"] = table["spend_365d"].fillna(0.0)
    table.insert(0, "as_of", past.as_of.as_unit("us"))
    table.insert(1, "label", outcomes["churned"].to_numpy())
    return table[table["orders"] > 0].rename_axis("customer_id").reset_index()
