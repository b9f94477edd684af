from __future__ import annotations

import copy

import pytest
import yaml
from scored_company import POLICIES

from churn_value.errors import ConfigError
from churn_value.scoring.policy import load_policy, policy_of

READY = ("retail", "subscription", "b2b")


@pytest.fixture
def written():
    return yaml.safe_load((POLICIES / "retail.yaml").read_text(encoding="utf-8"))


def refused(content):
    with pytest.raises(ConfigError) as caught:
        policy_of(content, "mine.yaml")
    assert caught.value.code == "POLICY_INVALID"
    assert caught.value.where.startswith("mine.yaml: ")
    return str(caught.value)


@pytest.mark.parametrize("name", READY)
def test_the_ready_policies_are_valid_and_read_back_equal(name):
    policy = load_policy(POLICIES / f"{name}.yaml")
    again = policy_of(yaml.safe_load(policy.to_yaml()), "again")
    assert again == policy
    assert again.sha256 == policy.sha256


def test_the_hash_changes_with_any_setting(written):
    changed = copy.deepcopy(written)
    changed["weights"]["need"] = 16
    assert policy_of(changed, "a").sha256 != policy_of(written, "b").sha256


def test_an_unknown_key_is_named_with_the_nearest_known_one(written):
    written["tiers"]["presedence"] = "rule"
    message = refused(written)
    assert "tiers.presedence" in message
    assert "did you mean precedence?" in message


def test_a_missing_text_is_named(written):
    del written["lifecycle"][0]["label"]["zh"]
    assert "lifecycle.0.label.zh" in refused(written)
    assert "add the key" in refused(written)


def test_a_gap_in_the_segment_map_is_refused(written):
    written["rfm"]["segments"].pop()
    assert "rfm.segments: somebody could match no rule" in refused(written)


def test_a_segment_hidden_by_several_together_is_found_by_its_cells(written):
    label = {"en": "x", "zh": "x"}
    low, high = (
        {"code": "lo", "when": {"r": "<= 3"}, "label": label},
        {"code": "hi", "when": {"r": "> 3"}, "label": label},
    )
    written["rfm"]["segments"] = [low, high, {"code": "none", "label": label}]
    assert "rfm.segments: rule 3 is unreachable: rules 1 and 2 together catch everybody" in refused(written)


def test_a_rule_after_one_without_conditions_is_refused(written):
    written["playbook"].insert(0, {"actions": ["NEWSLETTER"]})
    assert "playbook: rule 2 is unreachable" in refused(written)


def test_an_action_must_be_described_and_used(written):
    written["playbook"][0]["actions"] = ["FLY_TO_THE_MOON"]
    assert "FLY_TO_THE_MOON is not described" in refused(written)
    written["playbook"][0]["actions"] = ["RESOLVE_ISSUE"]
    written["actions"]["UNUSED"] = written["actions"]["CARE_CALL"]
    assert "nobody ever gets UNUSED" in refused(written)


def test_a_tier_rule_may_not_ask_for_the_tier(written):
    written["tiers"] |= {"mode": "both", "precedence": "rule", "rules": [{"tier": "D", "when": {"tier": "A"}}]}
    assert "tier is not a quantity that can be asked for here" in refused(written)


def test_mode_rule_must_catch_everybody(written):
    written["tiers"] |= {"mode": "rule", "rules": [{"tier": "S", "when": {"overall": ">= 90"}}]}
    assert "tiers.rules: somebody could match no rule" in refused(written)
    written["tiers"]["rules"].append({"tier": "D"})
    assert "nobody can get into A" in refused(written)
    written["tiers"]["levels"] = [written["tiers"]["levels"][place] for place in (0, 4)]
    written["playbook"] = written["playbook"][-1:]
    written["actions"] = {"NEWSLETTER": written["actions"]["NEWSLETTER"]}
    assert policy_of(written, "x").tiers.mode == "rule"


def test_mode_both_needs_a_precedence_and_percentiles_someone_can_get(written):
    rules = [{"tier": "D", "when": {"satisfaction": "< 20"}}]
    written["tiers"] |= {"mode": "both", "rules": rules}
    assert "precedence" in refused(written)
    written["tiers"] |= {"precedence": "rule", "rules": [{"tier": "D"}]}
    assert "catches everybody" in refused(written)


@pytest.mark.parametrize("cuts", [[96, 81, 81, 21, 0], [96, 81, 51, 21, 5], [96, None, 51, 21, 0]])
def test_tier_cuts_must_fall_to_zero(written, cuts):
    for level, cut in zip(written["tiers"]["levels"], cuts, strict=True):
        level["from_percentile"] = cut
    assert "from_percentile must fall" in refused(written)


def test_bands_must_fall_to_zero(written):
    written["bands"]["churn"][-1]["from"] = 0.1
    assert "bands.churn must go from high to low" in refused(written)


def test_weights_of_value_and_behaviour_may_not_both_be_nothing(written):
    written["weights"] |= {"value": 0, "behaviour": 0}
    assert "may not both weigh nothing" in refused(written)


def test_rfm_cuts_must_rise(written):
    written["rfm"]["recency_days"] = [30, 60, 60, 90]
    assert "four rising numbers" in refused(written)


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        load_policy("nowhere.yaml")
