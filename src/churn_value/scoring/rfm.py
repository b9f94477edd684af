"""Recency, frequency, monetary: scores 1 to 5 and the segment they make."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from churn_value.scoring.policy import Policy
from churn_value.scoring.quantities import Floats
from churn_value.scoring.reference import Reference

Cutting = Literal["quintiles"] | tuple[float, ...]


def grade(values: Floats, percentiles: Floats, cuts: Cutting, *, low_is_good: bool = False) -> Floats:
    """Score 1 (worst) to 5 (best) by quintile, or by how many of four cuts the value exceeds; NaN where missing.

    A value equal to a cut is still at or below it: with cuts ``(30, 60, 120, 240)`` on recency, 30 days score 5 and
    31 days score 4.
    """
    if cuts == "quintiles":
        steps = np.ceil(percentiles / 20.0)
    else:
        steps = 1.0 + np.searchsorted(np.asarray(cuts, dtype=np.float64), values, side="left")
        steps = np.where(np.isnan(values), np.nan, steps)
    return 6.0 - steps if low_is_good else steps


def rfm(facts: Mapping[str, Floats], reference: Reference, policy: Policy, minor_units: int) -> dict[str, Floats]:
    """Scores ``r`` (5 is most recent), ``f`` and ``m``, each 1 to 5, NaN where missing. Arrays of shape (n,).

    Recency is days since the last purchase, frequency the number of purchase days, monetary the net spend so far.
    """
    days, times, spent = facts["days_since_last_purchase"], facts["purchase_days"], facts["spend_minor"]
    days_percentile = reference.percentile("days_since_last_purchase", days)
    times_percentile = reference.percentile("purchase_days", times)
    spent_percentile = reference.percentile("spend_minor", spent)
    return {
        "r": grade(days, days_percentile, policy.rfm.recency_days, low_is_good=True),
        "f": grade(times, times_percentile, policy.rfm.frequency),
        "m": grade(spent / minor_units, spent_percentile, policy.rfm.monetary),
    }


def segment(scores: Mapping[str, Floats], policy: Policy) -> npt.NDArray[np.int64]:
    """Position of each customer's segment in the policy; -1 for who never purchased. Shape (n,)."""
    positions = policy.rules("segments").first(scores, len(scores["r"]))
    return np.where(np.isnan(scores["r"]), -1, positions)
