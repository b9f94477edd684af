from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scored_company import AS_OF, POLICIES, described, population, written
from scored_company import loaded as load_company

from churn_value.scoring.answer import Action
from churn_value.scoring.habits_told import Habits, naming
from churn_value.scoring.lifecycle import expected_next_purchase, lifecycle
from churn_value.scoring.policy import load_policy
from churn_value.scoring.policy_words import PolicyWords
from churn_value.scoring.portrait import Shown, payment_of, satisfaction_of
from churn_value.scoring.quantities import CELLS, NUMBERS
from churn_value.scoring.rfm import grade, segment
from churn_value.scoring.score import score
from churn_value.scoring.standing import band

RETAIL = load_policy(POLICIES / "retail.yaml")


def test_a_band_begins_at_its_lower_end():
    churn = np.array([0.6, 0.5999, 0.3, 0.0, 1.0, np.nan])  # high from 0.6, medium from 0.3
    assert band(churn, RETAIL.bands.churn).tolist() == [0, 1, 1, 2, 0, -1]


def test_quintiles_of_percentiles():
    percentiles = np.array([1, 20, 21, 60, 81, 100, np.nan])
    assert grade(percentiles, percentiles, "quintiles").tolist()[:-1] == [1, 1, 2, 3, 5, 5]
    assert np.isnan(grade(percentiles, percentiles, "quintiles")[-1])


def test_recent_is_good():
    days = np.array([1.0, 30.0, 31.0, 240.0, 241.0])
    cuts = (30.0, 60.0, 120.0, 240.0)
    assert grade(days, days, cuts, low_is_good=True).tolist() == [5, 5, 4, 2, 1]
    assert grade(np.array([1.0, 100.0]), np.array([1.0, 100.0]), "quintiles", low_is_good=True).tolist() == [5, 1]


@pytest.mark.parametrize(
    ("r", "f", "m", "expected"),
    [
        (5, 5, 5, "champion"),
        (3, 4, 1, "loyal"),
        (3, 1, 5, "big_spender"),
        (4, 2, 1, "promising"),
        (5, 1, 1, "newcomer"),
        (3, 1, 1, "needs_attention"),
        (1, 5, 5, "cannot_lose"),
        (2, 1, 1, "slipping"),
        (1, 1, 1, "hibernating"),
    ],
)
def test_segments_of_the_retail_policy(r, f, m, expected):
    cell = {"r": np.array([float(r)]), "f": np.array([float(f)]), "m": np.array([float(m)])}
    assert RETAIL.rfm.segments[segment(cell, RETAIL)[0]].code == expected


def test_who_never_purchased_is_in_no_segment():
    nobody = {name: np.array([np.nan]) for name in "rfm"}
    assert segment(nobody, RETAIL).tolist() == [-1]


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, "prospect"),
        ({"purchase_days": 1, "rhythm_ratio": 0.5}, "new"),
        ({"purchase_days": 3, "rhythm_ratio": 1}, "active"),
        ({"purchase_days": 6, "rhythm_ratio": 1}, "mature"),
        ({"purchase_days": 12, "rhythm_ratio": 1, "churn_probability": 0.1}, "loyal"),
        ({"purchase_days": 12, "rhythm_ratio": 1, "churn_probability": 0.3}, "mature"),
        ({"purchase_days": 12, "rhythm_ratio": 2.1, "churn_probability": 0.1}, "at_risk"),
        ({"purchase_days": 12, "rhythm_ratio": 4.1}, "dormant"),
        ({"purchase_days": 12, "rhythm_ratio": 8.1}, "lost"),
        ({"purchase_days": 12, "rhythm_ratio": 1, "previous": "dormant"}, "won_back"),
        ({"purchase_days": 12, "rhythm_ratio": 3, "previous": "lost"}, "at_risk"),
    ],
)
def test_stages_follow_the_customer_s_own_rhythm(known, expected):
    rows = {name: np.array([float(known.get(name, np.nan))]) for name in NUMBERS | CELLS}
    rows["previous_lifecycle"] = np.array([known.get("previous")], dtype=object)
    assert RETAIL.lifecycle[lifecycle(rows, RETAIL, 1)[0]].code == expected


def test_the_next_purchase_is_due_one_own_gap_after_the_last():
    days, gaps = np.array([10.0, 30.0, 5.0]), np.array([30.0, 10.0, 7.5])
    assert expected_next_purchase(days, gaps).tolist() == [20, -20, 3]


def test_the_portrait_gives_dates(bundle):
    frame = population(3)
    frame["days_since_last_purchase"] = [10.0, 30.0, 5.0]
    frame["mean_gap_days"] = [30.0, 10.0, np.nan]
    due, late, once = (answer.portrait.rhythm for answer in score(bundle, frame))
    assert (due.expected_next_purchase, due.overdue_days) == (date(2025, 7, 21), 0)
    assert (late.expected_next_purchase, late.overdue_days) == (date(2025, 6, 11), 20)
    assert (once.typical_gap_days, once.expected_next_purchase, once.days_since_last_purchase) == (None, None, 5)
    assert frame["as_of"][0] == AS_OF


def test_tags_and_actions_come_in_the_language_asked_for(bundle):
    frame = population(2)
    frame["open_tickets"] = [2.0, 0.0]
    answer = score(bundle, frame, locale="zh-CN")[0]
    assert ("open_ticket", "投诉未结") in [(tag.code, tag.label) for tag in answer.portrait.tags]
    first = answer.actions[0]
    assert (first.code, first.priority, first.owner, first.sla_days) == ("RESOLVE_ISSUE", 1, "service", 1)
    assert first.text == "先解决未结问题并主动回访"


@pytest.mark.parametrize("policy", ["retail", "subscription", "b2b"])
def test_every_ready_policy_places_everybody(tmp_path, policy):
    company = load_company(written(tmp_path, policy=policy))
    for answer in score(company, population(300, seed=2), explain=False):
        assert answer.tier is not None
        assert answer.portrait.lifecycle.code
        assert answer.actions


def test_habits_beside_the_features_go_into_portrait_and_actions(bundle):
    frame = population(3)
    frame["purchase_days"] = 1.0
    frame["days_since_last_purchase"], frame["mean_gap_days"], frame["open_tickets"] = 20.0, np.nan, 0.0
    frame["satisfaction_level"], frame["expected"] = np.nan, 0.0
    frame["habits__categories"] = [json.dumps([["tea", 0.75], ["jam", 0.25]]), "[]", None]
    frame["habits__channels"] = [None] * 3
    frame["habits__next_best"] = [json.dumps([["tea", 0.4, True], ["ham", 0.1, False]]), "[]", None]
    known, none, unknown = (answer.to_dict() for answer in score(bundle, frame, locale="zh"))
    assert known["portrait"]["preferred_categories"] == [{"name": "tea", "share": 0.75}, {"name": "jam", "share": 0.25}]
    assert known["portrait"]["preferred_channels"] is None
    assert known["portrait"]["next_best"][1] == {"name": "ham", "probability": 0.1, "bought_before": False}
    assert none["portrait"]["preferred_categories"] == none["portrait"]["next_best"] == []
    assert unknown["portrait"]["preferred_categories"] is unknown["portrait"]["next_best"] is None
    speaking = [a for a in known["actions"] if a["about"]]
    assert all(a["about"] == ["tea", "ham"] and a["text"].endswith("：tea、ham") for a in speaking)
    silent = [a for answer in (none, unknown) for a in answer["actions"]]
    assert not any(a["about"] for a in silent)


def test_an_action_names_items_only_where_the_policy_lets_it():
    known = Habits((None, None, json.dumps([[name, 0.1, False] for name in ("tea", "ham", "jam", "rye")])))
    own = tuple(Action(code, 1, "email", "marketing", 7, "Offer") for code in ("WIN_BACK_OFFER", "CARE_CALL"))
    named = naming([own, own], [known, Habits()], PolicyWords.of(RETAIL, "en"))
    assert [(a.about, a.text) for a in named[0]] == [(("tea", "ham", "jam"), "Offer: tea, ham, jam"), ((), "Offer")]
    assert named[1] == own


def test_satisfaction_and_payments_of_the_portrait_worked_by_hand():
    features = (
        described("satisfaction_change_30d", "SATISFACTION_TREND", "share", window=30, source="feedback"),
        described("late_share", "PAYMENT_LATENESS", "share", source="payments"),
    )
    frame = pd.DataFrame({"satisfaction_change_30d": [0.05, 0.049, -0.2, np.nan], "never_asked": [0, 0, 0, 1.0]})
    facts = {"open_tickets": np.array([0, 2, np.nan, 0]), "late_share": np.array([0.5, np.nan, 0, np.nan])}
    facts |= dict.fromkeys(("overdue_share", "days_late_mean"), np.full(4, np.nan))
    level = np.array([70.0, 50.0, 30.0, np.nan])
    told = satisfaction_of(facts, level, frame, Shown.of(features), "en")
    assert [one.trend and one.trend.code for one in told] == ["rising", "steady", "falling", None]
    assert [(one.level, one.open_issues, one.never_asked) for one in told] == [
        (70.0, 0, False),
        (50.0, 2, False),
        (30.0, None, False),
        (None, 0, True),
    ]
    paid = payment_of(facts, np.array([80.0, np.nan, 90.0, np.nan]), Shown.of(features))
    assert [one and (one.level, one.late_share) for one in paid] == [(80.0, 0.5), None, (90.0, 0.0), None]
    nothing = Shown.of(())
    assert satisfaction_of(facts, level, frame, nothing, "en") == payment_of(facts, level, nothing) == [None] * 4
