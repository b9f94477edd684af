"""Sub-scores 0 to 100 and their weighted overall: every formula a manager may ask for, in one place.

All are rounded to one decimal *before* anything is decided on them, so that what is shown is what decides. Only
element-wise additions, products and comparisons are used: a customer's score has the same bits alone, in a batch, and
in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from churn_value.estimators.compiled import compiled, rowwise
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
    return _weighted(np.array([share for share, _ in parts]), np.array([values for _, values in parts]))


@compiled
def _weighted(shares: Floats, values: Floats) -> Floats:
    found = np.full(values.shape[1], np.nan)
    for row in range(len(found)):
        total = weight = 0.0
        for part in range(len(shares)):
            if not np.isnan(values[part, row]):
                total += shares[part] * values[part, row]
                weight += shares[part]
        if weight > 0:
            found[row] = total / weight
    return found


@rowwise
def _first_known(value: float, other: float) -> float:
    return other if np.isnan(value) else value


def typical_gap(facts: Facts, reference: Reference) -> Floats:
    """Own mean gap between purchase days, or the population's median gap for who has bought on one day only [days]."""
    return _first_known(facts["mean_gap_days"], reference.quantile("mean_gap_days", 50))


def rhythm_ratio(facts: Facts, reference: Reference) -> Floats:
    """Days since the last purchase over the typical gap: 1 is due now, 3 is three gaps of silence."""
    return _gaps_of_silence(facts["days_since_last_purchase"], typical_gap(facts, reference))


@rowwise
def _gaps_of_silence(days: float, gap: float) -> float:
    return days / gap if gap > 0 else np.nan


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
    bought = reference.percentile("purchase_days", facts["purchase_days"])
    parts = {
        "staying": 101.0 - reference.percentile("churn_probability", facts["churn_probability"]),
        "frequency": _first_known(bought, reference.percentile("visits", facts["visits"])),
        "rhythm": _in_time(rhythm_ratio(facts, reference)),
        "trend": _trend(facts["recent_orders"], facts["recent_days"], facts["orders"], facts["long_days"]),
    }
    return weighted([(BEHAVIOUR_PARTS[name], values) for name, values in parts.items()])


@rowwise
def _in_time(gaps: float) -> float:
    return np.nan if np.isnan(gaps) else 100.0 / max(1.0, gaps)


@rowwise
def _trend(recent_orders: float, recent_days: float, orders: float, days: float) -> float:
    recent = recent_orders / recent_days
    both = recent + orders / days
    return 100.0 * recent / both if both > 0 else np.nan


def satisfaction(facts: Facts, reference: Reference, rule: SatisfactionRule) -> Floats:
    """Satisfaction sub-score: the level shrunk to the population's by how little was heard, less penalties.

    ``100 (n level + k prior) / (n + k) - min(max_penalty, c complaints + t open tickets)``, not below 0, where n is the
    number of answers, k = `shrink_answers`, and the prior is the population's median level (0.5 if nobody ever
    answered). Missing for a customer who never answered and never complained: not asked is not unhappy.
    """
    median = reference.quantile("satisfaction_level", 50)
    return _satisfied(
        facts["satisfaction_level"],
        facts["answers"],
        0.5 if np.isnan(median) else median,
        rule.shrink_answers,
        facts["complaint_count"],
        rule.points_per_complaint,
        facts["open_tickets"],
        rule.points_per_open_ticket,
        rule.max_penalty_points,
    )


@rowwise
def _satisfied(  # noqa: PLR0917 - a number for each term of the formula
    level: float,
    answers: float,
    prior: float,
    shrink: float,
    complaints: float,
    per_complaint: float,
    tickets: float,
    per_ticket: float,
    most: float,
) -> float:
    complaints = 0.0 if np.isnan(complaints) else complaints
    tickets = 0.0 if np.isnan(tickets) else tickets
    heard = 1.0 if np.isnan(answers) else answers
    if np.isnan(level):
        if complaints + tickets == 0:
            return np.nan
        heard = level = 0.0
    shrunk = (heard * level + shrink * prior) / (heard + shrink)
    penalty = per_complaint * complaints + per_ticket * tickets
    return max(0.0, 100.0 * shrunk - min(most, penalty))


def payment(facts: Facts, rule: PaymentRule) -> Floats:
    """Payment sub-score: ``100 (1 - (late share + overdue share) / 2) h / (h + days late)``, h = `halved_at_days_late`.

    The late share counts payments that came late or are unpaid, the overdue share those unpaid: an unpaid one weighs
    twice a late one. Days late is the mean over payments, early ones counted as 0. Missing without any payment due.
    """
    return _paid(facts["late_share"], facts["overdue_share"], facts["days_late_mean"], rule.halved_at_days_late)


@rowwise
def _paid(late: float, overdue: float, days: float, halved_at: float) -> float:
    late = overdue if np.isnan(late) else late
    days = 0.0 if np.isnan(days) else max(0.0, days)
    return 100.0 * (1.0 - (late + overdue) / 2.0) * halved_at / (halved_at + days)


def need(facts: Facts, reference: Reference) -> Floats:
    """Need sub-score: mean of the percentiles of breadth and of visits in the shortest window, what is known.

    Breadth is the number of categories in the longest window, or of products where there are no categories. Wide and
    current interest scores high. Missing where neither purchases by product nor visits are recorded.
    """
    categories = reference.percentile("categories", facts["categories"])
    breadth = _first_known(categories, reference.percentile("products", facts["products"]))
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
    scores = dict(zip(scores, np.round(np.array(list(scores.values())), 1), strict=True))
    parts = [(float(getattr(policy.weights, name)), scores[name]) for name in SUB_SCORES]
    return scores | {"overall": np.round(weighted(parts), 1)}


def overall_thresholds(reference: Reference, policy: Policy) -> Thresholds:
    """Percentile thresholds of the overall score under `policy`, from the reference population's sample."""
    return thresholds_of(sub_scores(reference.sample_facts(), reference, policy)["overall"])
