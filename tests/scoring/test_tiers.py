from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_company import POLICIES

from churn_value.scoring.policy import load_policy, policy_of
from churn_value.scoring.tiers import NOWHERE, Before, by_cuts, place, with_hysteresis

CUTS = [96.0, 81.0, 51.0, 21.0, 0.0]
S, A, B, C, D = range(5)


def tiers_at(percentiles, previous=None, points=3.0):
    found = np.array(percentiles, dtype=float)
    before = np.full(len(found), -1) if previous is None else np.array(previous)
    return with_hysteresis(found, CUTS, points, before).tolist()


def test_a_tier_begins_at_its_cut():
    assert by_cuts(np.array([100, 96, 95, 81, 80, 21, 20, 1]), CUTS).tolist() == [S, S, A, A, B, C, D, D]


def test_without_a_percentile_there_is_no_tier():
    assert by_cuts(np.array([np.nan]), CUTS).tolist() == [-1]


def test_who_is_new_is_placed_by_the_plain_cuts():
    assert tiers_at([96, 81, 51]) == [S, A, B]


def test_up_takes_three_points_more_and_down_three_points_less():
    assert tiers_at([81, 83, 84], [B, B, B]) == [B, B, A]
    assert tiers_at([80, 78, 77], [A, A, A]) == [A, A, B]


def test_a_big_move_passes_several_tiers():
    assert tiers_at([100, 1], [D, S]) == [S, D]
    assert tiers_at([97], [D]) == [A]  # S begins at 99 for who comes from below


def test_the_top_stays_within_reach():
    assert with_hysteresis(np.array([100.0]), [99.0, 0.0], 5.0, np.array([1])).tolist() == [0]


def test_a_tier_open_to_everybody_needs_nothing_more():
    cuts = [91.0, 1.0, 0.0]  # the last is only given by rules
    assert with_hysteresis(np.array([3.0]), cuts, 5.0, np.array([2])).tolist() == [1]


@given(st.integers(1, 100), st.integers(0, 4), st.integers(0, 20))
def test_what_hysteresis_gives_is_kept_when_nothing_changes(percentile, previous, points):
    once = tiers_at([percentile], [previous], points)
    assert tiers_at([percentile], once, points) == once


@given(st.integers(1, 100), st.integers(0, 4))
def test_a_tier_is_never_left_for_a_neighbour_within_the_margin(percentile, previous):
    fresh, steady = tiers_at([percentile])[0], tiers_at([percentile], [previous])[0]
    assert min(previous, fresh) <= steady <= max(previous, fresh)


def policy_with(name="retail", **tiers):
    content = load_policy(POLICIES / f"{name}.yaml").model_dump(mode="json", by_alias=True)
    content["tiers"] |= tiers
    return policy_of(content, "tested")


RETAIL = policy_with()


def placed(policy, percentile, previous=-1, days=np.nan, **quantities):
    rows = {name: np.array([float(value)]) for name, value in quantities.items()}
    rows |= {"overall_percentile": np.array([float(percentile)]), "value_percentile": np.array([50.0])}
    return place(rows, policy, Before(np.array([previous]), np.array([float(days)])))


def test_a_young_tier_is_kept_until_its_dwell_is_over():
    policy = policy_with()  # 30 days
    young, old = placed(policy, 99, D, 29), placed(policy, 99, D, 30)
    assert (young.tier.tolist(), young.held_by_dwell.tolist()) == ([D], [True])
    assert (old.tier.tolist(), old.held_by_dwell.tolist()) == ([S], [False])


def test_a_tier_entered_nobody_knows_when_is_not_held():
    assert placed(policy_with(), 99, D).tier.tolist() == [S]


def test_held_by_hysteresis_says_so():
    held = placed(policy_with(), 82, B, 400)
    assert held.tier.tolist() == [B]
    assert held.held_by_hysteresis.tolist() == [True]
    assert placed(policy_with(), 70, B, 400).held_by_hysteresis.tolist() == [False]


RULES = [{"tier": "S", "when": {"satisfaction": ">= 90"}}, {"tier": "D", "when": {"satisfaction": "< 20"}}]


@pytest.mark.parametrize(
    ("precedence", "satisfaction", "percentile", "tier", "by_rule"),
    [
        ("rule", 95, 30, S, True),
        ("rule", 10, 99, D, True),
        ("rule", 50, 99, S, False),
        ("higher", 95, 30, S, True),
        ("higher", 10, 99, S, False),
        ("higher", 50, 30, C, False),
        ("lower", 95, 30, C, False),
        ("lower", 10, 99, D, True),
        ("lower", np.nan, 99, S, False),
    ],
)
def test_precedence_of_rule_and_percentile(precedence, satisfaction, percentile, tier, by_rule):
    policy = policy_with(mode="both", precedence=precedence, rules=RULES)
    found = placed(policy, percentile, satisfaction=satisfaction)
    assert (found.tier.tolist(), found.by_rule.tolist()) == ([tier], [by_rule])


def test_mode_rule_takes_the_first_rule_that_holds():
    more = [{"tier": "A", "when": {"satisfaction": ">= 80"}}, {"tier": "C", "when": {"satisfaction": "< 30"}}]
    policy = policy_with(mode="rule", rules=[*RULES, *more, {"tier": "B"}])
    found = [placed(policy, 99, satisfaction=one).tier.tolist() for one in (95, 10, 85, 25, 50)]
    assert found == [[S], [D], [A], [C], [B]]


def test_an_immediate_rule_does_not_wait():
    patient, urgent = ({"tier": "D", "when": {"satisfaction": "< 20"}, "immediate": one} for one in (False, True))
    slow = placed(policy_with(mode="both", precedence="rule", rules=[patient]), 99, S, 1, satisfaction=5)
    fast = placed(policy_with(mode="both", precedence="rule", rules=[urgent]), 99, S, 1, satisfaction=5)
    assert (slow.tier.tolist(), fast.tier.tolist()) == ([S], [D])


def test_the_distance_to_the_next_tier_is_what_is_missing():
    policy = policy_with()
    assert placed(policy, 77).gap.tolist() == [4.0]  # A at 81
    assert placed(policy, 77, B, 400).gap.tolist() == [7.0]  # at 84 for who comes from B
    assert np.isnan(placed(policy, 99).gap[0])
    ruled = policy_with(mode="both", precedence="rule", rules=RULES)
    assert np.isnan(placed(ruled, 50, satisfaction=5).gap[0])


@given(st.integers(1, 100), st.integers(1, 4))
def test_closing_the_distance_reaches_the_next_tier(percentile, previous):
    policy = RETAIL
    now = placed(policy, percentile, previous, 400)
    tier, gap = int(now.tier[0]), float(now.gap[0])
    if tier > 0:
        then = placed(policy, percentile + gap, tier, 400)
        assert then.tier[0] < tier


def test_tiers_by_expected_value_look_at_its_percentile():
    assert placed(policy_with(by="expected_value"), 99).tier.tolist() == [C]


def test_policies_that_were_used_are_still_equal():
    one, other = (policy_with(mode="both", precedence="rule", rules=RULES) for _ in range(2))
    for policy in (one, other):
        assert policy.tiers.rule_places.tier[-1] == NOWHERE
        assert policy.judgements.whens
    assert one == other
