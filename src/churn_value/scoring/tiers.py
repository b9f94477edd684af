"""Tiers: by percentile, by rule, or both; held steady by hysteresis and a minimum dwell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_value.scoring.matching import first_reached
from churn_value.scoring.policy import Policy
from churn_value.scoring.quantities import Floats

Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
NOWHERE = -1
# The lowest percentile there is: a tier that begins here is open to everybody, so nothing is added to its edge.
LOWEST = 1.0


@dataclass(frozen=True, slots=True)
class Before:
    """Each customer's previous answer. Arrays of shape (n,)."""

    tier: Positions
    """Position of the previous tier in the policy; -1 when there was none, or the policy has it no more."""
    days_in_tier: Floats
    """as_of minus the day it was entered [days]; NaN when not known."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where each customer is placed. Arrays of shape (n,)."""

    tier: Positions
    by_rule: Mask
    held_by_hysteresis: Mask
    held_by_dwell: Mask
    gap: Floats
    """Points missing to the next better tier, of percentile or of value; NaN for the best, or where a rule decided."""
    steps_apart: Floats
    """Tiers that the rule lies above (+) or below (-) the percentile; NaN where only one of them says anything."""


def by_cuts(percentile: Floats, cuts: Sequence[float]) -> Positions:
    """First tier whose cut the percentile reaches; -1 where the percentile is missing."""
    return first_reached(percentile, cuts)


def with_hysteresis(percentile: Floats, cuts: Sequence[float], points: float, previous: Positions) -> Positions:
    """Tier by percentile, where leaving the previous tier takes `points` more than reaching its edge.

    Up only at ``cut + points`` (at most 100) of the better tier, down only below ``cut - points`` of the own one. In
    positions (0 is best): the previous one, clipped between those that the eased and the raised cuts give.
    """
    plain = by_cuts(percentile, cuts)
    if (previous == NOWHERE).all():
        return plain
    eased = by_cuts(percentile, [cut - points for cut in cuts])
    raised = by_cuts(percentile, [min(100.0, cut + points) if cut > LOWEST else cut for cut in cuts])
    return np.where(previous == NOWHERE, plain, np.clip(previous, eased, raised))


def _both(by_percentile: Positions, by_rule: Positions, precedence: str) -> tuple[Positions, Mask]:
    """Tier under both modes, and where the rule gave it; positions count from the best, so higher is the minimum."""
    no_rule, no_percentile = by_rule == NOWHERE, by_percentile == NOWHERE
    if precedence == "rule":
        rule_wins = ~no_rule
    elif precedence == "higher":
        rule_wins = by_rule < by_percentile
    else:
        rule_wins = by_rule > by_percentile
    rule_wins = ~no_rule & (rule_wins | no_percentile)
    return np.where(rule_wins, by_rule, by_percentile), rule_wins


def place(quantities: Mapping[str, npt.NDArray[Any]], policy: Policy, before: Before) -> Placed:
    """Put each customer into a tier; see `sections.Tiers` for the modes and `sections.Stability` for what holds it.

    A tier entered less than `min_dwell_days` ago is kept, unless the rule that moves the customer is ``immediate``.
    """
    tiers, rows = policy.tiers, len(before.tier)
    percentile = _measure(quantities, tiers.by)
    fresh = by_cuts(percentile, tiers.cuts)
    steady = with_hysteresis(percentile, tiers.cuts, policy.stability.hysteresis_points, before.tier)
    matched = policy.rules("tiers").first(quantities, rows)
    ruled = tiers.rule_places.tier[matched]
    if tiers.mode == "percentile":
        wanted, by_rule = steady, np.zeros(rows, dtype=np.bool_)
    elif tiers.mode == "rule":
        wanted, by_rule = ruled, np.ones(rows, dtype=np.bool_)
    else:
        wanted, by_rule = _both(steady, ruled, tiers.precedence or "rule")
    dwelling = _dwelling(wanted, matched, policy, before)
    tier = np.where(dwelling, before.tier, wanted)
    gap = _gap(tier, percentile, policy, before)
    return Placed(
        tier=tier,
        by_rule=by_rule,
        held_by_hysteresis=~by_rule & ~dwelling & (steady != fresh),
        held_by_dwell=dwelling,
        gap=np.where(by_rule, np.nan, gap),
        steps_apart=np.where((ruled == NOWHERE) | (steady == NOWHERE), np.nan, steady - ruled),
    )


def _measure(quantities: Mapping[str, npt.NDArray[Any]], by: str) -> Floats:
    """What the cuts are compared with, 1 to 100: a percentile, or 101 less the percent of value held up to there."""
    if by == "value_share":
        return 101.0 - np.round(100.0 * quantities["value_share"])
    found: Floats = quantities["overall_percentile" if by == "overall" else "value_percentile"]
    return found


def _dwelling(wanted: Positions, matched: Positions, policy: Policy, before: Before) -> Mask:
    immediate = policy.tiers.rule_places.immediate[matched]
    young = before.days_in_tier < policy.stability.min_dwell_days
    dwelling: Mask = (before.tier != NOWHERE) & (wanted != before.tier) & young & ~immediate
    return dwelling


def _gap(tier: Positions, percentile: Floats, policy: Policy, before: Before) -> Floats:
    """Points to the next better tier: to its raised cut for who has a previous tier, else to its plain cut."""
    next_cut = np.array([np.nan, *policy.tiers.cuts[:-1]])[np.maximum(tier, 0)]
    margin = np.where(before.tier == NOWHERE, 0.0, policy.stability.hysteresis_points)
    gap = np.maximum(0.0, np.minimum(100.0, next_cut + margin) - percentile)
    return np.where(tier <= 0, np.nan, gap)
