"""Rows of a ready-made churn table: whose they are, of which day, and in which fold."""

from __future__ import annotations

import hashlib
from datetime import date

import ibis
import ibis.expr.types as ir


def snapshot_rows(snapshots: ir.Table) -> ir.Table:
    """Customer, date and label of each snapshot; an undated one stands on the first day there is."""
    return snapshots.select("customer_id", "label", as_of=ibis.coalesce(snapshots.as_of, ibis.date(1970, 1, 1)))


def newest(rows: ir.Table, as_of: date) -> ir.Table:
    """The newest snapshot of each customer by a date."""
    past = rows.filter(rows.as_of <= as_of)
    return past.filter(past.as_of == past.as_of.max().over(ibis.window(group_by="customer_id")))


def fold_of_customer(customer_id: str) -> str:
    """Fold of a customer where dates make none: 60 % train, 20 % calibration, 20 % test, by SHA-256 of the id."""
    bucket = int.from_bytes(hashlib.sha256(customer_id.encode()).digest()[:8], "big") % 100
    return "train" if bucket < 60 else "calibration" if bucket < 80 else "test"
