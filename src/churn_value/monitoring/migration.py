"""How customers moved between tiers from one score table to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

NEW, GONE, NONE = "(new)", "(gone)", "(none)"


@dataclass(frozen=True)
class Migration:
    """Movement between two score tables.

    Attributes
    ----------
    counts
        Customers by tier before (rows, ``(new)`` last) and now (columns, ``(gone)`` last); best tier first; a customer
        that was answered without a tier is under ``(none)``.
    up, down, stayed
        Customers in both tables with a tier in both, by direction.
    """

    counts: pd.DataFrame
    up: int
    down: int
    stayed: int

    @property
    def stability(self) -> float:
        """Share of customers with a tier in both tables that kept it, 0 to 1; NaN for none."""
        both = self.up + self.down + self.stayed
        return self.stayed / both if both else float("nan")

    @property
    def shares(self) -> pd.DataFrame:
        """Share of each row's customers by tier now; rows without customers are NaN."""
        totals = self.counts.sum(axis="columns").replace(0, np.nan)
        return self.counts.div(totals, axis="index")


def tier_migration(before: pd.DataFrame, now: pd.DataFrame, tiers: Sequence[str]) -> Migration:
    """Matrix of movements.

    Parameters
    ----------
    before, now
        Score tables with ``customer_id``, each once, and ``tier`` (null where not scored).
    tiers
        Codes, the best first.

    Raises
    ------
    ValueError
        When a customer stands twice in a table.
    """
    order = [*tiers, NONE]
    first, second = (_tier_of(table) for table in (before, now))
    joined = pd.concat([first.rename("before"), second.rename("now")], axis="columns", join="outer")
    joined = joined.fillna({"before": NEW, "now": GONE})
    counts = pd.crosstab(joined["before"], joined["now"])
    counts = counts.reindex(index=[*order, NEW], columns=[*order, GONE], fill_value=0)
    both = counts.loc[list(tiers), list(tiers)].to_numpy()
    return Migration(
        counts.astype("int64"),
        up=int(np.tril(both, -1).sum()),
        down=int(np.triu(both, 1).sum()),
        stayed=int(np.trace(both)),
    )


def _tier_of(table: pd.DataFrame) -> pd.Series:
    """Tier by customer, ``(none)`` where null."""
    if table["customer_id"].duplicated().any():
        msg = "a score table holds each customer_id once; there is a duplicate"
        raise ValueError(msg)
    tiers: pd.Series = table.set_index("customer_id")["tier"].astype(object)
    return tiers.where(tiers.notna(), NONE)


def movers(before: pd.DataFrame, now: pd.DataFrame, tiers: Sequence[str]) -> pd.DataFrame:
    """Customers whose tier changed: customer_id, before, now, steps (positive is up), the longest way down first."""
    rank = {tier: place for place, tier in enumerate(tiers)}
    joined = before[["customer_id", "tier"]].merge(
        now[["customer_id", "tier"]], on="customer_id", suffixes=("_before", "_now"), validate="one_to_one"
    )
    joined = joined[joined["tier_before"].isin(rank) & joined["tier_now"].isin(rank)]
    steps = joined["tier_before"].map(rank).astype("int64") - joined["tier_now"].map(rank).astype("int64")
    moved = joined.assign(steps=steps)[steps != 0].rename(columns={"tier_before": "before", "tier_now": "now"})
    return moved.sort_values(["steps", "customer_id"], ignore_index=True)
