import json
import re
from pathlib import Path

import pytest
from evaluations import evaluation

from churn_value.config import GateConfig
from churn_value.errors import GateRefused
from churn_value.evaluation.checks import Check
from churn_value.evaluation.results import Evaluation
from churn_value.tracking.gate import decide

GATE = GateConfig()


def failed(given, **over):
    return [condition.code for condition in decide(given, GATE, **over).failed]


def test_a_first_champion_needs_only_the_baselines():
    verdict = decide(evaluation(), GATE)
    assert verdict.passed
    assert verdict.reasons() == []
    codes = {condition.code for condition in verdict.conditions}
    assert codes >= {"BEATS_BASELINE", "NOT_BEHIND_BASELINE", "CALIBRATED", "TOTAL_UNBIASED", "ENOUGH_ROWS"}


def test_a_loss_equal_to_a_baseline_is_not_lower():
    assert failed(evaluation(loss=0.6, baseline_loss=0.6)) == ["BEATS_BASELINE"]


def test_a_loss_above_a_baseline_is_refused():
    assert failed(evaluation(loss=0.61, baseline_loss=0.6)) == ["BEATS_BASELINE"]


def test_a_gini_whose_whole_difference_is_below_zero_is_behind():
    assert failed(evaluation(gini_gap=(-0.1, -0.15, -0.05))) == ["NOT_BEHIND_BASELINE"]
    assert failed(evaluation(gini_gap=(-0.1, -0.25, 0.05))) == []


def test_the_champion_must_be_beaten_on_log_loss_and_is_not_beaten_by_its_equal():
    assert failed(evaluation(champion="c1", champion_gap=(-0.001, -0.01, 0.01)), champion="c1") == []
    assert failed(evaluation(champion="c1", champion_gap=(0.0, 0.0, 0.0)), champion="c1") == ["BEATS_CHAMPION"]
    assert failed(evaluation(champion="c1", champion_gap=(0.02, 0.01, 0.03)), champion="c1") == ["BEATS_CHAMPION"]


def test_the_champion_s_gini_may_be_equalled_within_chance_but_not_lost_to():
    assert failed(evaluation(champion="c1", champion_gini_gap=(-0.01, -0.05, 0.03)), champion="c1") == []
    lost = evaluation(champion="c1", champion_gini_gap=(-0.05, -0.08, -0.02))
    assert failed(lost, champion="c1") == ["NOT_BEHIND_CHAMPION"]


def test_a_challenger_compared_with_another_champion_is_refused():
    assert failed(evaluation(champion="c1"), champion="c2") == ["CHAMPION_COMPARED"]
    assert failed(evaluation(), champion="c2") == ["CHAMPION_COMPARED"]


def test_a_champion_that_this_version_cannot_use_leaves_the_decision_to_the_baselines():
    assert failed(evaluation(outdated_champion="c1"), champion="c1") == []
    assert failed(evaluation(outdated_champion="c1", loss=0.7), champion="c1") == ["BEATS_BASELINE"]
    assert failed(evaluation(outdated_champion="c1"), champion="c2") == ["CHAMPION_COMPARED"]
    kept = Evaluation.from_json(evaluation(outdated_champion="c1").to_json())
    assert failed(kept, champion="c1") == []


def test_too_few_rows_churners_or_stayers_are_refused():
    assert failed(evaluation(rows=199, churners=60)) == ["ENOUGH_ROWS"]
    assert failed(evaluation(churners=29)) == ["ENOUGH_CHURNERS"]
    assert failed(evaluation(churners=971)) == ["ENOUGH_CHURNERS"]


@pytest.mark.parametrize("ratio", [0.64, 1.36])
def test_a_total_too_far_off_is_refused_on_either_side(ratio):
    given = evaluation()
    given.metrics["model"]["value_total_bias"] = type(given.metrics["model"]["churn_auc"])(ratio, 0, 0)
    assert failed(given) == ["TOTAL_UNBIASED"]


def test_a_total_of_nothing_is_refused_in_words():
    given = evaluation()
    given.metrics["model"]["value_total_bias"] = type(given.metrics["model"]["churn_auc"])(*[float("nan")] * 3)
    verdict = decide(given, GATE)
    assert [condition.code for condition in verdict.failed] == ["TOTAL_UNBIASED"]
    said = [*verdict.reasons(), *verdict.reasons("zh")]
    assert "net of returns" in said[0]
    assert "退货" in said[1]
    assert not any("nan" in sentence for sentence in said)


def test_poor_calibration_or_none_at_all_is_refused():
    given = evaluation()
    estimate = type(given.metrics["model"]["churn_auc"])
    given.metrics["model"]["churn_calibration_error"] = estimate(0.081, 0.07, 0.09)
    assert failed(given) == ["CALIBRATED"]
    del given.metrics["model"]["churn_calibration_error"]
    assert failed(given) == ["CALIBRATED"]


def test_without_any_baseline_nothing_is_promoted():
    given = evaluation()
    for name in ("recency", "run_rate"):
        del given.metrics[name]
    assert failed(given) == ["HAS_BASELINE"]


def test_a_churn_only_model_is_not_asked_for_amounts():
    given = evaluation()
    del given.metrics["run_rate"]
    for name in ("value_normalised_gini", "value_total_bias"):
        del given.metrics["model"][name]
    assert failed(given) == []


def test_a_fatal_check_refuses_and_a_warning_does_not():
    leak = Check("CV001", "issue", "error", "attr_x tells who churned.", "attr_x 泄露标签。", ("attr_x",))
    drift = Check("CV006", "issue", "warning", "The rate moved.", "流失率变化。")
    verdict = decide(evaluation(), GATE, checks=[leak, drift])
    assert [condition.code for condition in verdict.failed] == ["CHECKS_CLEAN"]
    assert "attr_x" in verdict.reasons()[0]
    assert "泄露" in verdict.reasons("zh-CN")[0]


def test_a_refusal_names_every_reason():
    verdict = decide(evaluation(loss=0.7, churners=5), GATE)
    with pytest.raises(GateRefused, match=r"2 of \d+ conditions.*churned.*recency") as caught:
        verdict.raise_if_refused("model acme version 3")
    assert caught.value.exit_status == 12
    assert "model acme version 3" in str(caught.value)


def test_a_verdict_is_plain_json():
    plain = decide(evaluation(), GATE, champion="c9").to_dict()
    assert json.loads(json.dumps(plain, allow_nan=False))["passed"] is False


def test_every_condition_and_every_limit_is_written_down_in_both_languages():
    leak = Check("CV001", "issue", "error", "a", "甲")
    codes = {c.code for c in decide(evaluation(champion="c1"), GATE, champion="c1", checks=[leak]).conditions}
    codes |= {c.code for c in decide(evaluation(), GATE, champion="c1").conditions}
    codes |= {c.code for c in decide(evaluation(outdated_champion="c1"), GATE, champion="c1").conditions}
    text = (Path(__file__).parents[2] / "models" / "GATE.md").read_text(encoding="utf-8")
    for language in text.split("# 晋级条件"):
        assert set(re.findall(r"^\| `([A-Z_]+)`", language, re.MULTILINE)) == codes
        assert set(GateConfig.model_fields) <= set(re.findall(r"`([a-z_]+)`", language))
