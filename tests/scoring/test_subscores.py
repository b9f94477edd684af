from __future__ import annotations

import numpy as np
import pytest
from scored_company import POLICIES

from churn_value.scoring.policy import load_policy, policy_of
from churn_value.scoring.quantities import FACT_NAMES
from churn_value.scoring.reference import Reference
from churn_value.scoring.sections import PaymentRule, SatisfactionRule
from churn_value.scoring.subscores import (
    behaviour,
    need,
    overall_thresholds,
    payment,
    rhythm_ratio,
    satisfaction,
    sub_scores,
    value,
    weighted,
)

# A population in which the k-th percent begins just above k: percentile(x) = ceil(x) for x in 1 … 100.
WHOLE = tuple(float(k) for k in range(1, 100))
SHARES = tuple(k / 100 for k in range(1, 100))
REFERENCE = Reference(
    rows=100,
    thresholds={
        "expected_value_minor": WHOLE,
        "churn_probability": SHARES,
        "purchase_days": WHOLE,
        "visits": WHOLE,
        "categories": WHOLE,
        "products": WHOLE,
        "recent_visits": WHOLE,
        "satisfaction_level": SHARES,
        "mean_gap_days": WHOLE,
    },
    typical={},
    ranges={},
    categories={},
    sample={name: (float("nan"),) for name in FACT_NAMES},
)


def facts(**known):
    return {name: np.array([float(known.get(name, np.nan))]) for name in FACT_NAMES}


def test_value_is_the_percentile_of_the_expected_value():
    assert value(facts(expected_value_minor=30.5), REFERENCE).tolist() == [31]
    assert np.isnan(value(facts(), REFERENCE)[0])


def test_behaviour_of_a_regular_customer():
    # staying 101 - 21 = 80; frequency 60; 40 days of silence at a gap of 20: rhythm 50;
    # 2 orders in 30 days against 6 in 90: steady, trend 50 -> 0.4 * 80 + 0.25 * 60 + 0.25 * 50 + 0.1 * 50 = 64.5
    known = facts(
        churn_probability=0.205,
        purchase_days=60,
        days_since_last_purchase=40,
        mean_gap_days=20,
        recent_orders=2,
        orders=6,
        recent_days=30,
        long_days=90,
    )
    assert behaviour(known, REFERENCE).tolist() == [pytest.approx(64.5)]


def test_behaviour_without_events_is_what_the_model_expects():
    assert behaviour(facts(churn_probability=0.205), REFERENCE).tolist() == [pytest.approx(80)]


def test_behaviour_of_a_visitor_counts_visits():
    known = facts(churn_probability=0.205, visits=60)
    assert behaviour(known, REFERENCE).tolist() == [pytest.approx((0.4 * 80 + 0.25 * 60) / 0.65)]


def test_who_bought_once_is_measured_by_the_population_s_gap():
    assert rhythm_ratio(facts(days_since_last_purchase=100), REFERENCE).tolist() == [2.0]  # median gap 50 days
    assert rhythm_ratio(facts(days_since_last_purchase=30, mean_gap_days=10), REFERENCE).tolist() == [3.0]


def test_few_answers_count_little():
    # prior 0.5, k 3: one full mark (1 + 1.5) / 4 = 62.5; nine full marks (9 + 1.5) / 12 = 87.5
    rule = SatisfactionRule()
    assert satisfaction(facts(satisfaction_level=1, answers=1), REFERENCE, rule).tolist() == [62.5]
    assert satisfaction(facts(satisfaction_level=1, answers=9), REFERENCE, rule).tolist() == [87.5]


def test_complaints_and_open_tickets_cost_points_up_to_a_limit():
    rule = SatisfactionRule(points_per_complaint=5, points_per_open_ticket=10, max_penalty_points=40)
    known = {"satisfaction_level": 1, "answers": 9}
    assert satisfaction(facts(**known, complaint_count=2, open_tickets=1), REFERENCE, rule).tolist() == [67.5]
    assert satisfaction(facts(**known, complaint_count=20), REFERENCE, rule).tolist() == [47.5]
    assert satisfaction(facts(satisfaction_level=0, answers=9, complaint_count=9), REFERENCE, rule).tolist() == [0.0]


def test_never_asked_is_not_unhappy():
    rule = SatisfactionRule()
    assert np.isnan(satisfaction(facts(complaint_count=0, open_tickets=0), REFERENCE, rule)[0])
    assert satisfaction(facts(complaint_count=1), REFERENCE, rule).tolist() == [45.0]  # complained: prior 50 less 5


def test_payment_weighs_an_unpaid_bill_twice_a_late_one():
    # 4 of 10 late or unpaid, 2 of them unpaid: 100 (1 - 0.3) = 70; 15 days late on average: 30 / 45 of it
    rule = PaymentRule(halved_at_days_late=30)
    assert payment(facts(late_share=0.4, overdue_share=0.2, days_late_mean=0), rule).tolist() == [pytest.approx(70)]
    late = facts(late_share=0.4, overdue_share=0.2, days_late_mean=15)
    assert payment(late, rule).tolist() == [pytest.approx(70 * 30 / 45)]
    assert payment(facts(late_share=0, overdue_share=0, days_late_mean=-9), rule).tolist() == [100.0]
    assert np.isnan(payment(facts(), rule)[0])


def test_need_is_the_mean_of_breadth_and_interest():
    assert need(facts(categories=40, recent_visits=80), REFERENCE).tolist() == [60.0]
    assert need(facts(categories=40), REFERENCE).tolist() == [40.0]
    assert need(facts(products=30), REFERENCE).tolist() == [30.0]
    assert np.isnan(need(facts(), REFERENCE)[0])


def test_the_weight_of_a_missing_part_is_shared_out():
    parts = [(2.0, np.array([50.0, 50.0])), (1.0, np.array([80.0, np.nan])), (1.0, np.array([100.0, 90.0]))]
    assert weighted(parts).tolist() == [70.0, pytest.approx((2 * 50 + 90) / 3)]


def test_overall_is_the_weighted_mean_of_what_is_shown():
    policy = load_policy(POLICIES / "retail.yaml")  # 40, 30, 15, 0, 15
    known = facts(expected_value_minor=70.5, churn_probability=0.205, categories=40)
    found = {name: values.tolist() for name, values in sub_scores(known, REFERENCE, policy).items()}
    assert found["value"] == [71.0]
    assert found["behaviour"] == [80.0]
    assert found["need"] == [40.0]
    assert found["overall"] == [pytest.approx(round((40 * 71 + 30 * 80 + 15 * 40) / 85, 1))]


def test_sub_scores_stay_between_0_and_100_for_any_facts():
    policy = load_policy(POLICIES / "subscription.yaml")
    rng = np.random.default_rng(1)
    rows = 2_000
    known = {name: np.where(rng.random(rows) < 0.3, np.nan, rng.exponential(50, rows)) for name in FACT_NAMES}
    for share in ("churn_probability", "satisfaction_level", "overdue_share", "late_share"):
        known[share] = np.where(np.isnan(known[share]), np.nan, rng.random(rows))
    for name, scores in sub_scores(known, REFERENCE, policy).items():
        inside = scores[~np.isnan(scores)]
        assert inside.size, name
        assert ((inside >= 0) & (inside <= 100)).all(), name


def test_new_weights_get_their_own_percentiles_from_the_sample():
    sample = {name: (float("nan"),) * 100 for name in FACT_NAMES}
    sample |= {"expected_value_minor": (*WHOLE, 100.0), "churn_probability": (*SHARES[::-1], 0.5)}
    reference = Reference(100, REFERENCE.thresholds, {}, {}, {}, sample)
    content = load_policy(POLICIES / "retail.yaml").model_dump(mode="json", by_alias=True)
    only_value = policy_of(content | {"weights": dict.fromkeys(content["weights"], 0) | {"value": 1}}, "x")
    only_behaviour = policy_of(content | {"weights": dict.fromkeys(content["weights"], 0) | {"behaviour": 1}}, "x")
    assert overall_thresholds(reference, only_value) == WHOLE
    assert overall_thresholds(reference, only_behaviour) != WHOLE
