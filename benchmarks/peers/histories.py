"""What is usually made of purchases by hand: recency, frequency, age, and the amounts."""

from __future__ import annotations

import pandas as pd

RFM = ("days_since_last", "purchase_days", "mean_amount_minor", "age_days", "spend_minor")


def histories(purchases: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """One row per customer with a purchase before `as_of`, by customer_id.

    Returns
    -------
    DataFrame
        The five columns of `RFM`, and the BTYD literature's ``frequency`` (repeat days), ``recency`` (age at the last
        purchase [days]), ``T`` [days] and ``monetary_value`` (mean of repeat days [minor units], 0 without).
    """
    days = purchases[purchases["day"] < as_of].groupby(["customer_id", "day"], as_index=False)["amount_minor"].sum()
    days = days[days["amount_minor"] > 0].sort_values(["customer_id", "day"])
    grouped = days.groupby("customer_id")
    found = grouped.agg(first=("day", "min"), last=("day", "max"), purchase_days=("day", "size"))
    found["spend_minor"] = grouped["amount_minor"].sum()
    found["mean_amount_minor"] = found["spend_minor"] / found["purchase_days"]
    found["days_since_last"] = (as_of - found["last"]).dt.days
    found["age_days"] = (as_of - found["first"]).dt.days
    found["frequency"] = found["purchase_days"] - 1
    found["recency"] = (found["last"] - found["first"]).dt.days
    found["T"] = found["age_days"]
    later = found["spend_minor"] - grouped["amount_minor"].first()
    found["monetary_value"] = (later / found["frequency"]).where(found["frequency"] > 0, 0.0)
    known: pd.DataFrame = found.drop(columns=["first", "last"]).reset_index()
    return known


def outcomes(purchases: pd.DataFrame, as_of: pd.Timestamp, days: int) -> pd.DataFrame:
    """``churned`` and ``value_minor`` of every customer with a purchase in ``[as_of, as_of + days)``; others absent."""
    window = purchases[(purchases["day"] >= as_of) & (purchases["day"] < as_of + pd.Timedelta(days=days))]
    return window.groupby("customer_id", as_index=False).agg(value_minor=("amount_minor", "sum")).assign(churned=0.0)
