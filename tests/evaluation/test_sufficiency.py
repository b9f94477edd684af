"""How much data is enough: the formulas by hand, then what a run is told."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged import base

from churn_value.config import Config
from churn_value.errors import TooLittleData
from churn_value.estimators.metrics import auc
from churn_value.evaluation.sufficiency import (
    auc_standard_error,
    least_customers,
    least_of_rarer,
    refuse_too_little,
    sufficiency,
)

EVENTS = Config.model_validate({"name": "shop", "tables": {"purchases": {"path": "p.csv"}}})
TABLE = Config.model_validate(
    {"name": "members", "churn": {"definition": "label"}, "tables": {"snapshots": {"path": "m.csv"}}}
)


def folds(churners, stayers, dates=3):
    """The same counts in each fold, every customer once."""
    parts = []
    for name in ("train", "calibration", "test"):
        n = churners + stayers
        parts.append(
            pd.DataFrame(
                {
                    "customer_id": [f"{name}{i}" for i in range(n)],
                    "as_of": pd.to_datetime(["2025-01-01", "2025-02-01", "2025-03-01"])[np.arange(n) % dates],
                    "fold": name,
                    "churned": np.r_[np.ones(churners), np.zeros(stayers)],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def by_code(frame):
    return {check.code: check for check in sufficiency(frame)}


def test_the_standard_error_worked_by_hand():
    """A = 0.8, 2 churners, 3 stayers: A(1-A) = .16, Q1 - A² = 2/3 - .64, Q2 - A² = 1.28/1.8 - .64."""
    spread = 0.16 + 1 * (2 / 3 - 0.64) + 2 * (1.28 / 1.8 - 0.64)
    assert auc_standard_error(0.8, 2, 3) == pytest.approx(math.sqrt(spread / 6), rel=1e-12)


def test_one_churner_and_one_stayer_are_a_coin_with_that_chance():
    assert auc_standard_error(0.75, 1, 1) == pytest.approx(math.sqrt(0.75 * 0.25))


def test_the_standard_error_is_that_of_simulated_scores():
    """Exponential scores with P(churner above stayer) = k / (k + 1) = .75 for a rate ratio k of 3."""
    rng = np.random.default_rng(5)
    truth = np.r_[np.ones(40), np.zeros(60)]
    found = [auc(truth, np.r_[rng.exponential(3, 40), rng.exponential(1, 60)]) for _ in range(1_500)]
    assert np.mean(found) == pytest.approx(0.75, abs=0.005)
    assert np.std(found) == pytest.approx(auc_standard_error(0.75, 40, 60), rel=0.06)


def test_the_least_number_is_the_first_that_is_enough():
    for half_width, ratio in ((0.15, 1.0), (0.05, 1.0), (0.05, 16.0), (0.1, 0.2)):
        m = least_of_rarer(half_width, ratio)
        widths = []
        for rarer in (m - 1, m):
            churners, stayers = (rarer, rarer * ratio) if ratio >= 1 else (rarer / ratio, rarer)
            widths.append(1.959964 * auc_standard_error(0.75, churners, stayers))
        assert widths[1] <= half_width < widths[0]


@settings(max_examples=25, deadline=None)
@given(st.floats(0.02, 0.2), st.floats(1.0, 50.0))
def test_more_stayers_for_each_churner_never_need_more_churners(half_width, ratio):
    assert least_of_rarer(half_width, ratio * 1.5) <= least_of_rarer(half_width, ratio)
    assert least_of_rarer(half_width / 2, ratio) > least_of_rarer(half_width, ratio)


def test_the_churn_rate_worked_by_hand():
    assert least_customers(0.05, 0.5) == 385
    assert least_customers(0.05, 0.1) == math.ceil(1.959964**2 * 0.09 / 0.0025) == 139
    assert least_customers(0.05, 0.0) == 0


def test_enough_data_pass_every_check():
    checks = by_code(folds(400, 400))
    assert {code: check.result for code, check in checks.items()} == dict.fromkeys(
        ("CV010", "CV011", "CV012"), "passed"
    )
    refuse_too_little(checks.values(), EVENTS)


def test_too_few_churners_end_the_run_and_say_what_was_needed_and_found():
    checks = by_code(folds(12, 300))
    needed = least_of_rarer(0.15, 25.0)
    assert checks["CV010"].is_fatal
    assert f"needs at least {needed} churners in the train fold" in checks["CV010"].text_en
    assert "found 12 (beside 300 others)" in checks["CV010"].text_en
    assert f"训练折至少需要 {needed} 位流失客户" in checks["CV010"].text_zh
    with pytest.raises(TooLittleData, match=f"at least {needed} churners") as caught:
        refuse_too_little(checks.values(), EVENTS)
    assert caught.value.code == "TOO_LITTLE_DATA_CV010"
    assert caught.value.exit_status == 11


@pytest.mark.parametrize(
    ("config", "where", "remedy"),
    [(EVENTS, "shop: tables", "longer history"), (TABLE, "members: tables.snapshots", "churn.positive")],
    ids=["events", "ready-made"],
)
def test_the_refusal_says_where_and_what_to_do_with_such_data(config, where, remedy):
    with pytest.raises(TooLittleData) as caught:
        refuse_too_little(sufficiency(folds(12, 300)), config)
    assert caught.value.where == where
    assert remedy in caught.value.remedy
    assert ("horizon_days" in caught.value.remedy) is (config is EVENTS)


def test_too_few_stayers_are_named_as_such():
    assert "stayers in the test fold" in by_code(folds(300, 12))["CV010"].text_en


def test_between_the_lines_the_run_goes_on_with_a_warning():
    checks = by_code(folds(60, 60))
    assert [checks[code].severity for code in ("CV010", "CV011")] == ["warning", "warning"]
    assert checks["CV010"].result == checks["CV011"].result == "issue"
    refuse_too_little(checks.values(), EVENTS)


def test_customers_count_and_not_their_rows():
    frame = folds(100, 100)
    again = pd.concat([frame.assign(as_of=pd.Timestamp(2025, 1, day)) for day in range(1, 13)])
    few = again[again.groupby("fold")["customer_id"].transform(lambda ids: pd.factorize(ids)[0] % 20) == 0]
    assert len(few) > 300
    assert by_code(few)["CV010"].is_fatal


def test_an_empty_fold_is_too_little():
    frame = folds(400, 400)
    with pytest.raises(TooLittleData, match="calibration fold"):
        refuse_too_little(sufficiency(frame[frame["fold"] != "calibration"]), EVENTS)


def test_rows_without_a_complete_window_do_not_count():
    frame = folds(400, 400)
    frame.loc[frame["fold"] == "test", "churned"] = np.nan
    assert by_code(frame)["CV010"].is_fatal


def test_one_train_date_is_a_warning_only():
    check = by_code(folds(400, 400, dates=1))["CV012"]
    assert (check.result, check.severity) == ("issue", "warning")
    assert "1 as_of dates" in check.text_en


def test_the_invented_base_of_the_other_tests_is_enough():
    assert not any(check.is_fatal for check in sufficiency(base()))
