"""What another policy would change: who would move, and counts and value by tier before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from churn_value.monitoring.migration import NONE

KEPT = ["customer_id", "tier", "tier_rank", "overall_score", "expected_value", "churn_probability", "value_at_risk"]
_SUMS = ("customers", "expected_value", "value_at_risk")


@dataclass(frozen=True)
class Preview:
    """Two policies on the same customers.

    Attributes
    ----------
    tiers
        One row per tier of either policy, best first: ``tier``, then customers, expected value and value at risk
        [currency units] before (``_before``) and after (``_after``); 0 where the policy has no such tier.
    matrix
        Customers by tier before (rows) and after (columns); ``(none)`` has those without a tier.
    movers
        Who gets another tier: customer_id, before, after, overall_before, overall_after, expected_value,
        churn_probability, value_at_risk; the most valuable first.
    customers
        Customers looked at.
    """

    tiers: pd.DataFrame
    matrix: pd.DataFrame
    movers: pd.DataFrame
    customers: int

    @property
    def moved_share(self) -> float:
        """Share of customers who get another tier, 0 to 1; NaN for none."""
        return len(self.movers) / self.customers if self.customers else float("nan")

    @property
    def moved_value(self) -> float:
        """Expected value of those who get another tier [currency units]."""
        return float(self.movers["expected_value"].sum())


def preview(
    before: pd.DataFrame, after: pd.DataFrame, tiers_before: Sequence[str], tiers_after: Sequence[str]
) -> Preview:
    """Compare the answers of two policies to the same customers.

    Parameters
    ----------
    before, after
        Score tables of the same customers, each once; see `scoring.table`.
    tiers_before, tiers_after
        Tiers of the policies, best first.

    Raises
    ------
    ValueError
        When the tables do not hold the same customers once each.
    """
    one, other = (table[KEPT].sort_values("customer_id", ignore_index=True) for table in (before, after))
    if one["customer_id"].duplicated().any() or not one["customer_id"].equals(other["customer_id"]):
        msg = "both tables must hold the same customers, each once"
        raise ValueError(msg)
    one["tier"], other["tier"] = (table["tier"].astype(object).fillna(NONE) for table in (one, other))
    order = [*tiers_after, *(code for code in tiers_before if code not in tiers_after), NONE]
    sides = [_by_tier(table, order, suffix) for table, suffix in ((one, "before"), (other, "after"))]
    table = pd.concat(sides, axis="columns")
    held = table[["customers_before", "customers_after"]].sum(axis="columns") > 0
    named = table.index.isin([*tiers_before, *tiers_after])
    matrix = pd.crosstab(one["tier"], other["tier"])
    matrix = matrix.reindex(index=[*tiers_before, NONE], columns=[*tiers_after, NONE], fill_value=0)
    return Preview(
        tiers=table[held | named].reset_index(names="tier"),
        matrix=matrix.rename_axis(index="before", columns="after").astype("int64"),
        movers=_movers(one, other),
        customers=len(one),
    )


def _by_tier(table: pd.DataFrame, order: Sequence[str], suffix: str) -> pd.DataFrame:
    found = table.groupby("tier").agg(
        customers=("customer_id", "size"),
        expected_value=("expected_value", "sum"),
        value_at_risk=("value_at_risk", "sum"),
    )
    found = found.reindex(list(order), fill_value=0).astype({"customers": "int64"})
    return found[list(_SUMS)].add_suffix(f"_{suffix}")


def _movers(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "customer_id": before["customer_id"],
            "before": before["tier"],
            "after": after["tier"],
            "overall_before": before["overall_score"],
            "overall_after": after["overall_score"],
            "expected_value": after["expected_value"],
            "churn_probability": after["churn_probability"],
            "value_at_risk": after["value_at_risk"],
        }
    )
    moved = table[table["before"] != table["after"]]
    return moved.sort_values(["expected_value", "customer_id"], ascending=[False, True], ignore_index=True)
