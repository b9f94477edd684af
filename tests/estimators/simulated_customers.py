"""Small simulated customers: gamma rates, a chance of leaving after each period, gamma baskets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Column:
    name: str
    dtype: str = "number"


@dataclass(frozen=True)
class Columns:
    features: tuple[Column, ...]


CATALOG = Columns(
    (
        Column("days_since_last_purchase"),
        Column("frequency"),
        Column("recency_days"),
        Column("T_days"),
        Column("monetary_value_minor"),
        Column("spend_minor"),
        Column("purchase_days"),
        Column("noise"),
        Column("attr_region", "category"),
    )
)
HORIZON_DAYS = 90


def _one(rng: np.random.Generator, cohort_days: int) -> dict[str, object] | None:
    rate = rng.gamma(1.2, 1 / 60)
    leaves = rng.exponential(400)
    size = rng.gamma(4.0, 800.0)
    horizon_end = cohort_days + HORIZON_DAYS
    days = np.unique(np.concatenate([[0.0], np.floor(np.cumsum(rng.exponential(1 / rate, 60)))]))
    days = days[(days <= leaves) & (days < horizon_end)]
    amounts = np.round(rng.gamma(4.0, size / 4.0, len(days))) + 1
    past = days < cohort_days
    last = days[past].max()
    repeats = amounts[past][1:]
    return {
        "churned": float(not (~past).any()),
        "value_minor": float(amounts[~past].sum()),
        "days_since_last_purchase": cohort_days - last,
        "frequency": float(past.sum() - 1),
        "recency_days": last,
        "T_days": float(cohort_days),
        "monetary_value_minor": float(repeats.mean()) if len(repeats) else 0.0,
        "spend_minor": float(amounts[past].sum()),
        "purchase_days": float(past.sum()),
        "noise": rng.normal(),
        "attr_region": rng.choice(["north", "south", None]),
    }


def frame(customers: int, seed: int, as_ofs: tuple[str, ...]) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    parts = []
    for as_of in as_ofs:
        rows = pd.DataFrame([_one(rng, int(rng.integers(60, 300))) for _ in range(customers)])
        rows.insert(0, "as_of", pd.Timestamp(as_of))
        rows.insert(0, "customer_id", [f"c{number:05d}" for number in range(customers)])
        parts.append(rows)
    return pd.concat(parts, ignore_index=True)
