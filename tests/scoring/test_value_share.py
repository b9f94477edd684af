from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scored_company import POLICIES, loaded, population, written

from churn_value.errors import ConfigError
from churn_value.scoring.policy import policy_of
from churn_value.scoring.reference import value_share_in, value_thresholds_of
from churn_value.scoring.score import score

LEVELS = [("A", 0.8), ("B", 0.95), ("C", 1.0)]


def pareto(levels=LEVELS, **tiers):
    content = yaml.safe_load((POLICIES / "retail.yaml").read_text(encoding="utf-8"))
    label = {"en": "x", "zh": "x"}
    built = [{"code": code, "to_value_share": share, "label": label} for code, share in levels]
    content["tiers"] = {"mode": "percentile", "by": "value_share", "levels": built} | tiers
    content["playbook"][-2]["when"]["tier"] = "A"
    return policy_of(content, "mine.yaml")


def shares(population_values, asked):
    return value_share_in(value_thresholds_of(np.array(population_values, float)), np.array(asked, float)).tolist()


def test_shares_of_ten_customers_worked_by_hand():
    # Worth 40, 20, 10, 10, 5, 5, 4, 3, 2, 1 of 100: held down to each, the share is 0.4, 0.6, 0.8 (both tens) …
    worth = [40, 20, 10, 10, 5, 5, 4, 3, 2, 1]
    assert shares(worth, [41, 40, 39, 20, 10, 9, 5, 1, 0]) == [0.01, 0.01, 0.41, 0.41, 0.61, 0.81, 0.81, 1.0, 1.0]


def test_the_customers_up_to_80_percent_are_the_fewest_that_hold_it():
    worth = np.array([50.0, 31, 10, 9])
    inside = np.array(shares(worth, worth)) <= 0.8
    assert inside.tolist() == [True, True, False, False]
    assert worth[inside].sum() >= 0.8 * worth.sum() > worth[inside][:-1].sum()


def test_without_any_value_there_is_no_share():
    assert value_thresholds_of(np.array([0.0, 0.0])) == ()
    assert value_thresholds_of(np.array([np.nan])) == ()
    assert np.isnan(shares([], [5.0])[0])
    assert np.isnan(shares([5.0], [np.nan])[0])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60).filter(any), st.integers(1, 99))
def test_whoever_is_inside_a_share_holds_it_and_nobody_could_be_left_out(worth, percent):
    values = np.array(worth, dtype=float)
    inside = np.round(100 * np.array(shares(values, values))) <= percent
    held = values[inside].sum() / values.sum()
    assert held >= percent / 100 - 1e-9
    least = values[inside].min()  # equals stand together: without them it would be too little
    assert values[values > least].sum() / values.sum() < percent / 100 + 1e-9


def test_tiers_by_value_share_are_frozen_and_hold_their_share(tmp_path):
    base = population(400)
    bundle = loaded(written(tmp_path, policy=pareto(), frame=base))
    together = score(bundle, base, explain=False)
    top = [answer.value.expected for answer in together if answer.tier.code == "A"]
    assert sum(top) == pytest.approx(0.8 * sum(answer.value.expected for answer in together), rel=0.02)
    assert len(top) < 400 * 0.6
    alone = [score(bundle, base.iloc[[row]], explain=False)[0].tier for row in range(12)]
    assert alone == [answer.tier for answer in together[:12]]
    gap = {answer.tier.code: answer.tier.to_next for answer in together}
    assert gap["A"] is None
    assert 0 < gap["B"].gap <= 16


def test_a_bundle_written_before_the_shares_takes_them_from_its_sample(tmp_path):
    reference = loaded(written(tmp_path)).reference
    sample = reference.sample_facts()["expected_value_minor"]
    older = {name: cuts for name, cuts in reference.thresholds.items() if name != "value_share"}
    aged = replace(reference, thresholds=older)
    assert aged.value_thresholds == value_thresholds_of(sample) == reference.value_thresholds


@pytest.mark.parametrize(
    "levels", [[("A", 0.8), ("B", 0.7), ("C", 1.0)], [("A", 0.8), ("C", 0.9)], [("A", 0.805), ("C", 1)]]
)
def test_shares_must_rise_to_the_whole(levels):
    with pytest.raises(ConfigError, match="to_value_share must rise in whole percents"):
        pareto(levels)


def test_a_last_tier_may_be_given_by_a_rule_only():
    ruled = {"mode": "both", "precedence": "rule", "rules": [{"tier": "HOLD", "when": {"payment": "< 25"}}]}
    assert pareto([*LEVELS, ("HOLD", None)], **ruled).tiers.cuts == (21.0, 6.0, 0.0, 0.0)
    with pytest.raises(ConfigError, match="nobody can get into HOLD"):
        pareto([*LEVELS, ("HOLD", None)])


def test_a_rule_may_ask_for_the_share():
    content = yaml.safe_load((POLICIES / "retail.yaml").read_text(encoding="utf-8"))
    content["tags"] = [{"code": "vital_few", "when": {"value_share": "<= 0.8"}, "label": {"en": "x", "zh": "x"}}]
    assert policy_of(content, "mine.yaml").tags[0].code == "vital_few"
