"""The three ready policies, each from its file to answers."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scored_company import POLICIES, loaded, population, written

from churn_value.scoring.policy import load_policy
from churn_value.scoring.score import score
from churn_value.scoring.sections import SUB_SCORES

READY = ("retail", "subscription", "b2b")


@pytest.fixture(scope="module", params=READY)
def bundle(request, tmp_path_factory):
    return loaded(written(tmp_path_factory.mktemp(request.param), policy=request.param))


@pytest.fixture(scope="module")
def people():
    """The usual population, and some who do not pay, have left long ago or are unhappy."""
    base = population(600, seed=6)
    base.loc[:30, ["overdue_share", "late_share", "days_late_mean"]] = 0.95, 1.0, 60.0
    base.loc[31:60, ["days_since_last_purchase", "purchase_days", "order_count_90d"]] = 199.0, 1.0, 0.0
    base.loc[61:90, ["satisfaction_level", "score_count", "open_tickets"]] = 0.05, 9.0, 2.0
    return base


def test_everybody_is_placed_and_every_tier_and_play_is_somebody_s(bundle, people):
    answers = score(bundle, people, explain=False)
    assert {answer.status for answer in answers} == {"ok"}
    assert {answer.tier.code for answer in answers} == set(bundle.policy.tiers.codes)
    assert all(answer.actions and answer.portrait.lifecycle for answer in answers)
    assert {action.code for answer in answers for action in answer.actions} <= set(bundle.policy.actions)
    assert len({answer.actions for answer in answers}) >= 3
    assert {answer.policy.sha256 for answer in answers} == {bundle.policy.sha256}


def test_a_missing_channel_shares_its_weight_out_and_the_answer_says_so(bundle, people):
    weights = {name: getattr(bundle.policy.weights, name) for name in SUB_SCORES}
    seen = set()
    for answer in score(bundle, people, explain=False):
        scores = answer.scores
        known = {name: getattr(scores, name) for name in SUB_SCORES if getattr(scores, name) is not None}
        missing = {name for name in SUB_SCORES if weights[name] > 0 and name not in known}
        assert set(scores.weight_shared_out) == missing
        total = sum(weights[name] for name in known)
        assert scores.overall == pytest.approx(sum(weights[n] * v for n, v in known.items()) / total, abs=0.0501)
        seen.add(bool(missing))
    assert seen == {True, False}


def test_both_languages_say_everything_and_decide_nothing(bundle, people):
    english, chinese = (score(bundle, people.head(80), locale=locale, levers=True) for locale in ("en", "zh"))
    for one, other in zip(english, chinese, strict=True):
        assert (one.tier.code, one.scores, one.churn) == (other.tier.code, other.scores, other.churn)
        assert [a.code for a in one.actions] == [a.code for a in other.actions]
        assert [d.code for d in one.disagreements] == [d.code for d in other.disagreements]
        assert one.tier.label != other.tier.label
        assert one.levers.text != other.levers.text


def test_alone_and_in_a_batch_give_the_same_answer(bundle, people):
    batch = score(bundle, people.head(25))
    for row, answer in enumerate(batch):
        alone = score(bundle, people.iloc[[row]])[0].to_dict()
        assert json.dumps(alone | {"index": row}) == json.dumps(answer.to_dict())


@pytest.mark.parametrize("name", READY)
def test_every_policy_flags_value_against_satisfaction_and_rule_against_model(name):
    asked = [set(one.when) for one in load_policy(POLICIES / f"{name}.yaml").disagreements]
    assert any({"value_band", "satisfaction"} <= keys for keys in asked)
    model, rule = {"churn_band", "churn_probability"}, {"segment", "lifecycle"}
    assert any("tier_steps_apart" in keys or (keys & model and keys & rule) for keys in asked)


def test_the_reference_population_fills_the_percentile_tiers_as_the_policy_says(tmp_path):
    base = population(2000, seed=1)
    bundle = loaded(written(tmp_path, frame=base))
    codes = [answer.tier.code for answer in score(bundle, base, explain=False)]
    shares = {code: np.mean([one == code for one in codes]) for code in "SABCD"}
    for code, share in {"S": 0.05, "A": 0.15, "B": 0.30, "C": 0.30, "D": 0.20}.items():
        assert shares[code] == pytest.approx(share, abs=0.02), code
