from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from judged import base, prediction, systems

from churn_value.errors import RegistryError, TooLittleData
from churn_value.evaluation.comparison import evaluate
from churn_value.evaluation.results import BY_NAME, Evaluation, has_interval


@pytest.fixture(scope="module")
def later_rows():
    frame = base()
    return frame[frame["fold"] == "test"].reset_index(drop=True)


@pytest.fixture(scope="module")
def judged(later_rows):
    return evaluate(later_rows, systems(later_rows), seed=3, resamples=80, interval_level=0.8)


def four_rows():
    return pd.DataFrame(
        {
            "customer_id": list("abcd"),
            "as_of": pd.Timestamp("2025-07-01"),
            "churned": [0.0, 0.0, 1.0, 1.0],
            "value_minor": [100.0, 300.0, 0.0, 0.0],
        }
    )


def test_figures_worked_by_hand():
    model = SimpleNamespace(
        churn_probability=np.array([0.1, 0.4, 0.35, 0.8]),
        expected_value_minor=np.array([200.0, 300.0, 100.0, 0.0]),
        value_lower_minor=np.array([150.0, 100.0, 0.0, 0.0]),
        value_upper_minor=np.array([250.0, 400.0, 50.0, 10.0]),
    )
    found = evaluate(four_rows(), {"model": model}, seed=1, resamples=20)
    value = {name: estimate.value for name, estimate in found.metrics["model"].items()}
    assert value["churn_auc"] == 0.75
    assert value["churn_brier"] == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4)
    assert value["value_mae_minor"] == 50
    assert value["value_total_bias"] == 1.5
    assert value["value_interval_coverage"] == 0.75
    assert (found.rows, found.churners, found.as_of) == (4, 2, ("2025-07-01",))


def test_a_difference_is_the_model_minus_the_other_with_a_paired_interval(judged):
    for system in judged.baselines:
        for name, gap in judged.differences[system].items():
            assert gap.value == judged.of(name).value - judged.of(name, system).value
            assert gap.lower <= gap.upper
    assert judged.difference("churn_log_loss", "run_rate").upper < 0


def test_a_system_that_repeats_the_model_differs_by_exactly_nothing(later_rows):
    same = prediction(later_rows)
    found = evaluate(later_rows, {"model": same, "champion": same}, seed=3, resamples=20, champion="abc")
    assert found.champion == "abc"
    assert {(g.value, g.lower, g.upper) for g in found.differences["champion"].values()} == {(0.0, 0.0, 0.0)}


def test_every_interval_holds_its_figure(judged):
    for name, estimate in judged.metrics["model"].items():
        assert has_interval(estimate), name
        assert estimate.lower <= estimate.value <= estimate.upper, name


def test_every_measure_is_described_and_named_head_first(judged):
    assert set(judged.metrics["model"]) == set(BY_NAME)
    assert all(name.startswith(f"{measure.head}_") for name, measure in BY_NAME.items())


def test_the_order_of_rows_and_of_systems_changes_no_figure(later_rows):
    given = systems(later_rows)
    shuffled = later_rows.iloc[::-1].reset_index(drop=True)
    turned = {
        name: SimpleNamespace(**{key: values[::-1] for key, values in vars(found).items()})
        for name, found in reversed(given.items())
    }
    one = evaluate(later_rows, given, seed=3, resamples=10)
    other = evaluate(shuffled, turned, seed=3, resamples=10)
    assert one.systems[0] == other.systems[0] == "model"
    for system, metrics in one.metrics.items():
        for name, estimate in metrics.items():
            assert other.metrics[system][name].value == pytest.approx(estimate.value, rel=1e-12)


def test_a_churn_only_model_has_no_value_measures(later_rows):
    rows = later_rows.assign(value_minor=np.nan)
    found = evaluate(rows, systems(rows, with_value=False), seed=3, resamples=10)
    assert not found.has_value
    assert set(found.metrics["model"]) == {name for name, m in BY_NAME.items() if m.head == "churn"}


def test_a_baseline_without_an_amount_is_judged_on_churn_alone(later_rows):
    given = {
        "model": prediction(later_rows),
        "base_rate": SimpleNamespace(churn_probability=np.full(len(later_rows), 0.4)),
    }
    found = evaluate(later_rows, given, seed=3, resamples=10)
    assert found.of("value_mae_minor", "base_rate") is None
    assert found.difference("value_mae_minor", "base_rate") is None
    assert found.of("churn_auc", "base_rate").value == 0.5


def test_customers_are_resampled_together(later_rows):
    """Every customer twice: intervals over customers stay as wide; over rows they would shrink by the root of two."""
    twice = pd.concat([later_rows, later_rows.assign(as_of=pd.Timestamp("2025-08-01"))], ignore_index=True)
    once = evaluate(later_rows, {"model": prediction(later_rows)}, seed=3, resamples=150)
    model = prediction(later_rows)
    doubled = SimpleNamespace(churn_probability=np.tile(model.churn_probability, 2))
    both = evaluate(twice, {"model": doubled}, seed=3, resamples=150)
    width = [e.upper - e.lower for e in (once.of("churn_auc"), both.of("churn_auc"))]
    assert both.customers == once.customers
    assert width[1] > 0.85 * width[0]


def test_the_document_reads_back_to_the_same_evaluation(judged):
    assert Evaluation.from_json(judged.to_json()) == judged


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}', '{"format": 1, "rows": 3}'])
def test_an_unreadable_document_is_named(text):
    with pytest.raises(RegistryError) as caught:
        Evaluation.from_json(text)
    assert caught.value.code == "EVALUATION_UNREADABLE"


def test_the_table_has_one_row_per_system_and_measure(judged):
    table = judged.frame()
    assert len(table) == 4 * len(BY_NAME)
    assert table.loc[table["system"] == "model", "difference"].isna().all()


def test_no_rows_are_refused(later_rows):
    with pytest.raises(TooLittleData):
        evaluate(later_rows.head(0), {"model": prediction(later_rows.head(0))}, seed=1)


def test_the_interval_of_a_perfect_calibration_begins_at_nothing():
    """Every fourth of 0.25: no error at all, though every single resample has some."""
    rows = pd.concat([four_rows()] * 50, ignore_index=True)
    rows = rows.assign(customer_id=[f"c{i}" for i in range(200)], churned=np.tile([1.0, 0.0, 0.0, 0.0], 50))
    model = SimpleNamespace(churn_probability=np.full(200, 0.25))
    found = evaluate(rows, {"model": model}, seed=1, resamples=100).of("churn_calibration_error")
    assert (found.value, found.lower) == (0.0, 0.0)
    assert 0 < found.upper < 0.05
