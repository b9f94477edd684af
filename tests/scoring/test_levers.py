from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scored_company import AS_OF, FEATURES, LinearModel, described, loaded, population, written

from churn_value.scoring.levers import SINGLES, SIZES, plans
from churn_value.scoring.overrides import overrides_of
from churn_value.scoring.score import score
from churn_value.scoring.wording import money

RANKS = {code: rank for rank, code in enumerate("SABCD")}


def moves(answer):
    return {move.levers: move.tier for move in answer.levers.moves}


def test_levers_are_told_only_when_asked_for_and_change_nothing_else(bundle, customers):
    plain, asked = score(bundle, customers), score(bundle, customers, levers=True)
    assert all(answer.levers is None for answer in plain)
    assert [replace(answer, levers=None) for answer in asked] == list(plain)


def test_every_move_leads_into_a_better_tier_and_the_best_need_none(bundle):
    answers = score(bundle, population(300, seed=2), explain=False, levers=True)
    for answer in answers:
        assert all(RANKS[move.tier] < RANKS[answer.tier.code] for move in answer.levers.moves)
    best = {answer.levers.text for answer in answers if answer.tier.code == "S"}
    assert best == {"Already in the best tier."}
    assert 0.05 < np.mean([bool(answer.levers.moves) for answer in answers]) < 0.95


def test_a_move_is_what_scoring_the_changed_customer_gives(bundle):
    """The change is written by hand here: a purchase of the usual size on the day before as_of."""
    base = population(200, seed=2)
    answers = score(bundle, base, explain=False, levers=True)
    basket = (base["spend_minor"] / base["purchase_days"]).round()
    is_new_day = base["days_since_last_purchase"] > 1
    changed = base.assign(
        days_since_last_purchase=1.0,
        purchase_days=base["purchase_days"] + is_new_day,
        order_count_30d=base["order_count_30d"] + 1,
        order_count_90d=base["order_count_90d"] + 1,
        spend_minor=base["spend_minor"] + basket,
        spend_minor_90d=base["spend_minor_90d"] + basket,
    )
    then = score(bundle, changed, explain=False)
    told = 0
    for now, later, first in zip(answers, then, base["mean_gap_days"].isna(), strict=True):
        usual = [move for move in now.levers.moves if move.levers == ("PURCHASE",)]
        if usual and "usual size" in usual[0].text and not first:
            told += 1
            assert (usual[0].tier, usual[0].overall) == (later.tier.code, later.scores.overall)
            assert usual[0].churn_probability == later.churn.probability
            assert usual[0].expected_value == later.value.expected
    assert told > 10


def test_a_resolved_complaint_alone_can_be_the_smallest_move(bundle):
    """Open tickets cost ten points of satisfaction each, and that decides when little else is missing."""
    base = population(400, seed=9)
    base["open_tickets"], base["satisfaction_level"], base["score_count"] = 4.0, 0.95, 9.0
    answers = score(bundle, base, explain=False, levers=True)
    resolved = [answer for answer in answers if ("RESOLVE",) in moves(answer)]
    assert len(resolved) > 20
    text = next(move.text for move in resolved[0].levers.moves if move.levers == ("RESOLVE",))
    assert text == "All open complaints and tickets resolved"
    assert not any("RESOLVE" in plan for answer in resolved for plan in moves(answer) if len(plan) > 1)


def test_paying_moves_where_payment_weighs_and_both_languages_say_so(tmp_path):
    features = (*FEATURES, described("overdue_count", "OVERDUE", "payments", empty=0, source="payments"))
    base = population(300, seed=5).assign(overdue_count=2.0, overdue_share=0.5, late_share=0.6, days_late_mean=10.0)
    bundle = loaded(written(tmp_path, LinearModel(), policy="b2b", frame=base))
    catalog = replace(bundle.catalog, features=(*bundle.catalog.features, features[-1]))
    answers = score(replace(bundle, catalog=catalog), base, explain=False, levers=True, locale="zh-CN")
    paying = [move for answer in answers for move in answer.levers.moves if move.levers == ("PAY",)]
    assert len(paying) > 20
    assert {move.text for move in paying} == {"付清全部逾期账款"}


def test_no_larger_plan_is_told_where_a_part_of_it_is_enough(bundle):
    for answer in score(bundle, population(300, seed=2), explain=False, levers=True):
        told = [(set(move.levers), move.spend or 0.0) for move in answer.levers.moves]
        pairs = [(one, other) for one in told for other in told if one is not other]
        assert not any(one[0] <= other[0] and one[1] <= other[1] for one, other in pairs)


def test_nothing_within_reach_is_said_with_what_was_tried(bundle):
    base = population(300, seed=2)
    most = 3 * (base["spend_minor"] / base["purchase_days"])
    for locale, words in (("en", "Nothing within reach leads into a better tier; tried"), ("zh", "目前没有可行的改变")):
        answers = score(bundle, base, explain=False, levers=True, locale=locale)
        hopeless = [one for one in answers if not one.levers.moves and one.tier.code != "S"]
        assert len(hopeless) >= 5
        for one in hopeless:
            assert one.levers.text.startswith(words)
            assert money(round(most[one.index]), "GBP") in one.levers.text


def test_a_tier_held_by_its_dwell_is_not_called_a_move(bundle):
    base = population(200, seed=2)
    own = [answer.tier.code for answer in score(bundle, base, explain=False)]
    young = pd.DataFrame({"customer_id": base["customer_id"], "tier": "D", "since": AS_OF - timedelta(days=2)})
    held = score(bundle, base, explain=False, levers=True, previous=young)
    assert {answer.tier.code for answer in held} == {"D"}
    assert sum(bool(answer.levers.moves) for answer in held) > 20  # the dwell passes by itself
    for answer, code in zip(held, own, strict=True):
        assert all(RANKS[move.tier] <= RANKS[code] for move in answer.levers.moves)


def test_levers_look_at_the_policy_s_own_tier_under_an_override(bundle):
    base = population(50, seed=2)
    cells = {"tier": "S", "reason": "x", "owner": "y", "expires": "2026-01-01"}
    by_hand = overrides_of(pd.DataFrame([{"customer_id": one, **cells} for one in base["customer_id"]]))
    plain = score(bundle, base, explain=False, levers=True)
    overridden = score(bundle, base, explain=False, levers=True, overrides=by_hand, now=AS_OF)
    assert [answer.levers for answer in overridden] == [answer.levers for answer in plain]


def test_alone_and_in_a_batch_give_the_same_levers(bundle):
    base = population(40, seed=2)
    batch = score(bundle, base, explain=False, levers=True)
    alone = [score(bundle, base.iloc[[row]], explain=False, levers=True)[0].levers for row in range(len(base))]
    assert alone == [answer.levers for answer in batch]


def test_smaller_plans_are_tried_before_larger_ones():
    tried = plans()
    assert tried[0] == ()
    assert [len(plan) for plan in tried] == sorted(len(plan) for plan in tried)
    assert [lever.size for lever in SINGLES if lever.code == "PURCHASE"] == list(SIZES)


@pytest.mark.parametrize("name", ["subscription", "b2b"])
def test_the_other_ready_policies_tell_levers_too(tmp_path, name):
    bundle = loaded(written(tmp_path, policy=name))
    answers = score(bundle, population(150, seed=2), explain=False, levers=True)
    ranks = {code: rank for rank, code in enumerate(bundle.policy.tiers.codes)}
    assert any(answer.levers.moves for answer in answers)
    for answer in answers:
        assert all(ranks[move.tier] < ranks[answer.tier.code] for move in answer.levers.moves)
