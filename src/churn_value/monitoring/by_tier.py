"""A scored base by tier: how many customers, how likely they leave, what they are worth and what is at risk."""

from __future__ import annotations

from typing import Any

import pandas as pd

COLUMNS = ("tier", "customers", "mean churn", "expected value", "value at risk")


def by_tier(answers: pd.DataFrame) -> list[list[Any]]:
    """Rows of `COLUMNS`, best tier first.

    Parameters
    ----------
    answers
        Score table: ``tier``, ``tier_rank``, ``customer_id``, ``churn_probability``, ``expected_value`` and
        ``value_at_risk`` [currency units].
    """
    tiers = answers.groupby(["tier_rank", "tier"]).agg(
        customers=("customer_id", "size"),
        churn=("churn_probability", "mean"),
        expected=("expected_value", _total),
        at_risk=("value_at_risk", _total),
    )
    rows: list[list[Any]] = tiers.reset_index("tier").to_numpy().tolist()
    return rows


def _total(amounts: pd.Series[float]) -> float:
    """Sum that is unknown, not 0, where no amount is known."""
    return float(amounts.sum(min_count=1))
