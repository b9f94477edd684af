from __future__ import annotations

import numpy as np
import pytest
from scored_company import AS_OF, POLICIES, loaded, population, written

from churn_value.errors import ConfigError
from churn_value.scoring.policy import load_policy, policy_of
from churn_value.scoring.score import score


def codes(answer):
    return [one.code for one in answer.disagreements]


@pytest.fixture(scope="module")
def retail(tmp_path_factory):
    return loaded(written(tmp_path_factory.mktemp("retail")))


def test_worth_much_and_unhappy_is_said_in_both_languages(retail):
    row = population(1)
    row["spend_minor"], row["purchase_days"], row["days_since_last_purchase"] = 90_000.0, 11.0, 2.0
    row["satisfaction_level"], row["score_count"], row["open_tickets"], row["mean_gap_days"] = 0.05, 9.0, 2.0, 20.0
    row["overdue_share"] = 0.0
    answers = {language: score(retail, row, locale=language)[0] for language in ("en", "zh")}
    assert answers["en"].value.band == "high"
    assert codes(answers["en"]) == codes(answers["zh"]) == ["valuable_but_unhappy"]
    assert answers["en"].disagreements[0].text.startswith("Expected to be worth much, yet not satisfied")
    assert answers["zh"].disagreements[0].text.startswith("预期价值高但满意度低")
    row["satisfaction_level"], row["open_tickets"] = 0.9, 0.0
    assert codes(score(retail, row)[0]) == []


def test_rule_and_percentile_two_tiers_apart_are_flagged(tmp_path):
    bundle = loaded(written(tmp_path, policy="b2b"))
    base = population(300, seed=4)
    base["overdue_share"], base["late_share"], base["days_late_mean"] = 0.9, 1.0, 200.0  # payment far below 25: HOLD
    answers = score(bundle, base, explain=False)
    assert {answer.tier.code for answer in answers} == {"HOLD"}
    flagged = ["rule_far_below_score" in codes(answer) for answer in answers]
    assert 0 < sum(flagged) < len(flagged)
    # HOLD is the last of five tiers: two steps or more below the score means STANDARD or better by percentile.
    better = [answer.scores.overall for answer, flag in zip(answers, flagged, strict=True) if flag]
    worse = [answer.scores.overall for answer, flag in zip(answers, flagged, strict=True) if not flag]
    assert min(better) > max(worse)


def test_steps_between_rule_and_percentile_exist_only_where_a_policy_has_both():
    content = load_policy(POLICIES / "retail.yaml").model_dump(mode="json", by_alias=True)
    when = {"tier_steps_apart": ">= 2"}
    content["disagreements"] = [{"code": "apart", "when": when, "text": {"en": "x", "zh": "x"}}]
    with pytest.raises(ConfigError, match="tier_steps_apart is not a quantity that can be asked for here"):
        policy_of(content, "mine.yaml")


def test_an_answer_without_scores_has_no_disagreement(retail):
    row = population(1)
    row["days_since_last_purchase"] = np.nan
    assert score(retail, row, now=AS_OF)[0].disagreements == ()
