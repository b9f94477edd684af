"""Sub-scores 0 to 100 and their weighted overall: every formula a manager may ask for, in one place.

All are rounded to one decimal *before* anything is decided on them, so that what is shown is what decides. Only
element-wise additions, products and comparisons are used: a customer's score has the same bits alone, in a batch, and
in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from churn_value.scoring.policy import Policy
from churn_value.scoring.quantities import Floats
from churn_value.scoring.reference import Reference, Thresholds, thresholds_of
from churn_value.scoring.sections import SUB_SCORES, PaymentRule, SatisfactionRule

Facts = Mapping[str, Floats]
# Parts of the behaviour score: what the model expects, and the three things a customer visibly does.
BEHAVIOUR_PARTS = {"staying": 0.40, "frequency": 0.25, "rhythm": 0.25, "trend": 0.10}


def weighted(parts: Sequence[tuple[float, Floats]]) -> Floats:
    """Weighted mean of the known parts, row by row: the weight of a missing part is shared out in proportion.

    NaN where every part is missing or what is known weighs nothing.
    """
    total = np.zeros_like(parts[0][1])
    weight = np.zeros_like(total)
    for share, values in parts:
        known = ~np.isnan(values)
        total += np.where(known, share * values, 0.0)
        weight += share * known
    return total / np.where(weight > 0, weight, np.nan)


def _or_zero(values: Floats) -> Floats:
    return np.where(np.isnan(values), 0.0, values)


def typical_gap(facts: Facts, reference: Reference) -> Floats:
    """Own mean gap between purchase days, or the population's median gap for who has bought on one day only [days]."""
    own = facts["mean_gap_days"]
    return np.where(np.isnan(own), reference.quantile("mean_gap_days", 50), own)


def rhythm_ratio(facts: Facts, reference: Reference) -> Floats:
    """Days since the last purchase over the typical gap: 1 is due now, 3 is three gaps of silence."""
    gap = typical_gap(facts, reference)
    return np.where(gap > 0, facts["days_since_last_purchase"] / np.where(gap > 0, gap, 1.0), np.nan)


def value(facts: Facts, reference: Reference) -> Floats:
    """Value sub-score: the percentile (1 to 100) of the expected value in the reference population.

    Missing for models without a value head.
    """
    return reference.percentile("expected_value_minor", facts["expected_value_minor"])


def behaviour(facts: Facts, reference: Reference) -> Floats:
    """Behaviour (loyalty) sub-score: a weighted mean of what is known of four parts, each 0 to 100.

    ===========  ======  ==============================================================================
    part         weight  formula
    ===========  ======  ==============================================================================
    staying      0.40    101 - percentile of the churn probability
    frequency    0.25    percentile of the number of purchase days, else of visits in the longest window
    rhythm       0.25    100 / max(1, days since last purchase / typical gap): 100 until due, 50 at two gaps
    trend        0.10    100 a / (a + b), a and b the orders per day in the shortest and longest window; 50 is steady
    ===========  ======  ==============================================================================

    The weight of a missing part is shared out, so a model without events has ``101 - churn percentile``.
    """
    seen = reference.percentile("purchase_days", facts["purchase_days"])
    seen = np.where(np.isnan(seen), reference.percentile("visits", facts["visits"]), seen)
    recent = facts["recent_orders"] / facts["recent_days"]
    both = recent + facts["orders"] / facts["long_days"]
    parts = {
        "staying": 101.0 - reference.percentile("churn_probability", facts["churn_probability"]),
        "frequency": seen,
        "rhythm": 100.0 / np.maximum(1.0, rhythm_ratio(facts, reference)),
        "trend": np.where(both > 0, 100.0 * recent / np.where(both > 0, both, 1.0), np.nan),
    }
    return weighted([(BEHAVIOUR_PARTS[name], values) for name, values in parts.items()])


def satisfaction(facts: Facts, reference: Reference, rule: SatisfactionRule) -> Floats:
    """Satisfaction sub-score: the level shrunk to the population's by how little was heard, less penalties.

    ``100 (n level + k prior) / (n + k) - min(max_penalty, c complaints + t open tickets)``, not below 0, where n is the
    number of answers, k = `shrink_answers`, and the prior is the population's median level (0.5 if nobody ever
    answered). Missing for a customer who never answered and never complained: not asked is not unhappy.
    """
    level, answers = facts["satisfaction_level"], np.where(np.isnan(facts["answers"]), 1.0, facts["answers"])
    heard = np.where(np.isnan(level), 0.0, answers)
    median = reference.quantile("satisfaction_level", 50)
    prior = 0.5 if np.isnan(median) else median
    shrunk = (heard * _or_zero(level) + rule.shrink_answers * prior) / (heard + rule.shrink_answers)
    complaints, tickets = _or_zero(facts["complaint_count"]), _or_zero(facts["open_tickets"])
    penalty = rule.points_per_complaint * complaints + rule.points_per_open_ticket * tickets
    score = np.maximum(0.0, 100.0 * shrunk - np.minimum(rule.max_penalty_points, penalty))
    return np.where(np.isnan(level) & (complaints + tickets == 0), np.nan, score)


def payment(facts: Facts, rule: PaymentRule) -> Floats:
    """Payment sub-score: ``100 (1 - (late share + overdue share) / 2) h / (h + days late)``, h = `halved_at_days_late`.

    The late share counts payments that came late or are unpaid, the overdue share those unpaid: an unpaid one weighs
    twice a late one. Days late is the mean over payments, early ones counted as 0. Missing without any payment due.
    """
    late, overdue = facts["late_share"], facts["overdue_share"]
    late = np.where(np.isnan(late), overdue, late)
    days = np.maximum(0.0, _or_zero(facts["days_late_mean"]))
    return 100.0 * (1.0 - (late + overdue) / 2.0) * rule.halved_at_days_late / (rule.halved_at_days_late + days)


def need(facts: Facts, reference: Reference) -> Floats:
    """Need sub-score: mean of the percentiles of breadth and of visits in the shortest window, what is known.

    Breadth is the number of categories in the longest window, or of products where there are no categories. Wide and
    current interest scores high. Missing where neither purchases by product nor visits are recorded.
    """
    breadth = reference.percentile("categories", facts["categories"])
    breadth = np.where(np.isnan(breadth), reference.percentile("products", facts["products"]), breadth)
    interest = reference.percentile("recent_visits", facts["recent_visits"])
    return weighted([(1.0, breadth), (1.0, interest)])


def sub_scores(facts: Facts, reference: Reference, policy: Policy) -> dict[str, Floats]:
    """The five sub-scores and ``overall``, rounded to one decimal; NaN where missing. Arrays of shape (n,)."""
    scores = {
        "value": value(facts, reference),
        "behaviour": behaviour(facts, reference),
        "satisfaction": satisfaction(facts, reference, policy.satisfaction),
        "payment": payment(facts, policy.payment),
        "need": need(facts, reference),
    }
    scores = {name: np.round(values, 1) for name, values in scores.items()}
    parts = [(float(getattr(policy.weights, name)), scores[name]) for name in SUB_SCORES]
    return scores | {"overall": np.round(weighted(parts), 1)}


def overall_thresholds(reference: Reference, policy: Policy) -> Thresholds:
    """Percentile thresholds of the overall score under `policy`, from the reference population's sample."""
    return thresholds_of(sub_scores(reference.sample_facts(), reference, policy)["overall"])
