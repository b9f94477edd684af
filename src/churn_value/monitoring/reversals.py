"""How many tier changes are noise: those that are taken back soon after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True, slots=True)
class Reversals:
    """Changes of tier over a run of score dates.

    Attributes
    ----------
    changes
        Changes that were watched long enough to see whether they would be taken back.
    reversed
        Of these, how many were taken back in time.
    customers
        Customers with at least one such change.
    steps
        Pairs of successive answers in which a change could have been, watched long enough too.
    """

    changes: int
    reversed: int
    customers: int
    steps: int

    @property
    def reversal_share(self) -> float:
        """Share of changes that were taken back, 0 to 1; NaN without a change."""
        return self.reversed / self.changes if self.changes else float("nan")

    @property
    def change_share(self) -> float:
        """Share of steps with a change, 0 to 1; NaN without a step."""
        return self.changes / self.steps if self.steps else float("nan")


def reversals(answers: pd.DataFrame, within_days: int = 60) -> Reversals:
    """Count tier changes and those that are taken back.

    A change from one tier to another at a date is taken back when at some later date, at most `within_days` after it,
    the customer is in the tier before the change again, or past it. Changes in the last `within_days` are not counted:
    there the time to be taken back was not over yet.

    Parameters
    ----------
    answers
        ``customer_id``, ``as_of`` (datetime) and ``tier_rank`` (1 is best), one row per customer and date; rows without
        a rank are left out.
    within_days
        Longest time to be taken back [days].

    Returns
    -------
    Reversals
        Counts over all customers.
    """
    known = answers.dropna(subset=["tier_rank"]).sort_values(["customer_id", "as_of"])
    if known.empty:
        return Reversals(0, 0, 0, 0)
    last = known["as_of"].max() - pd.Timedelta(days=within_days)
    changes = taken_back = steps = customers = 0
    for _, rows in known.groupby("customer_id", sort=False):
        days = rows["as_of"].to_numpy()
        ranks = rows["tier_rank"].to_numpy(dtype=np.int64)
        watched = np.flatnonzero(days[1:] <= np.datetime64(last)) + 1
        steps += len(watched)
        moved = [at for at in watched.tolist() if ranks[at] != ranks[at - 1]]
        changes += len(moved)
        customers += bool(moved)
        taken_back += sum(_is_taken_back(days, ranks, at, within_days) for at in moved)
    return Reversals(changes, taken_back, customers, steps)


def _is_taken_back(days: np.ndarray, ranks: np.ndarray, at: int, within_days: int) -> bool:
    """Whether the customer comes back to where the change at `at` began, or past it, in time."""
    soon = (days[at + 1 :] - days[at]) <= np.timedelta64(within_days, "D")
    later = ranks[at + 1 :][soon]
    before = ranks[at - 1]
    return bool((later >= before).any() if ranks[at] < before else (later <= before).any())
