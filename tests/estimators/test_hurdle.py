"""The model as a whole: identities, additivity, files, and the same bytes whatever the order of rows."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from simulated_customers import CATALOG, frame

from churn_value.config import Config
from churn_value.errors import BundleError, FingerprintMismatch, TooLittleData
from churn_value.estimators import churn, hurdle, metrics

CONFIG = Config.model_validate({"name": "small", "tables": {"purchases": {"path": "x"}}})
QUICK = {"max_rounds": 40, "learning_rate": 0.15}


def fitted(config=CONFIG, form="blend", train=None, calibration=None):
    train = frame(700, 1, ("2025-01-01", "2025-02-01")) if train is None else train
    calibration = frame(600, 2, ("2025-06-01",)) if calibration is None else calibration
    return hurdle.fit(train, calibration, CATALOG, config, churn_params=QUICK, value_params={**QUICK, "form": form})


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture(scope="module")
def later():
    return frame(500, 3, ("2025-09-01",))


def assert_identities(prediction):
    p = prediction.churn_probability
    for name, values in vars(prediction).items():
        assert np.isfinite(values).all(), name
        assert name.endswith("_raw") or (values >= 0).all(), name
    assert (p > 0).all()
    assert (p < 1).all()
    retained, expected = prediction.value_if_retained_minor, prediction.expected_value_minor
    np.testing.assert_allclose(expected, (1 - p) * retained, rtol=1e-9)
    np.testing.assert_allclose(prediction.value_at_risk_minor, p * retained, rtol=1e-9)
    assert (prediction.value_lower_minor <= expected).all()
    assert (expected <= prediction.value_upper_minor).all()


@pytest.mark.parametrize("form", ["tweedie", "gamma", "blend"])
def test_the_identities_hold_on_every_row_for_every_form(form, later):
    assert_identities(fitted(form=form).predict(later))


def test_rows_that_look_like_nothing_seen_still_get_a_coherent_answer(model, later):
    odd = later.head(4).copy()
    odd["attr_region"] = ["never seen", None, "north", "south"]
    odd["days_since_last_purchase"] = [np.inf, np.nan, -5.0, 1e12]
    odd["spend_minor"] = [1e15, -1e15, np.nan, 0.0]
    assert_identities(model.predict(odd))


def test_the_model_knows_more_than_the_base_rate(model, later):
    prediction = model.predict(later)
    churned, amount = later.churned.to_numpy(), later.value_minor.to_numpy()
    rate = np.full(len(later), frame(700, 1, ("2025-01-01",)).churned.mean())
    assert metrics.auc(churned, prediction.churn_probability) > 0.75
    assert metrics.log_loss(churned, prediction.churn_probability) < metrics.log_loss(churned, rate) - 0.08
    assert metrics.normalised_gini(amount, prediction.expected_value_minor) > 0.6
    assert metrics.total_bias(amount, prediction.expected_value_minor) == pytest.approx(1, abs=0.2)


def test_contributions_sum_to_the_raw_scores(model, later):
    prediction = model.predict(later)
    churn, value = model.contributions(later)
    assert churn.shape == value.shape == (len(later), len(model.design.names) + 1)
    np.testing.assert_allclose(churn.sum(axis=1), prediction.churn_raw, atol=1e-9)
    np.testing.assert_allclose(value.sum(axis=1), prediction.value_raw, atol=1e-9)


def test_files_give_the_same_model_to_the_bit(model, later):
    files = model.to_files()
    again = hurdle.HurdleModel.from_files(files)
    assert again.to_files() == files
    for name, values in vars(model.predict(later)).items():
        assert np.array_equal(values, getattr(again.predict(later), name)), name
    for ours, theirs in zip(model.contributions(later), again.contributions(later), strict=True):
        assert np.array_equal(ours, theirs)


def test_files_hold_text_and_json_only(model):
    files = model.to_files()
    assert all(name.endswith((".txt", ".json")) for name in files)
    assert all(content.decode().isprintable() or b"\n" in content for content in files.values())
    assert b"num_threads: 1]" in files["churn_0.txt"]


def test_a_row_is_scored_the_same_alone_and_in_any_company(model, later):
    together = model.predict(later, threads=2)
    for place in (0, 17, 499):
        alone = model.predict(later.iloc[[place]])
        for name, values in vars(together).items():
            assert values[place] == getattr(alone, name)[0], name


def test_the_same_bytes_from_one_thread_and_two_and_from_shuffled_rows(model):
    train, calibration = frame(700, 1, ("2025-01-01", "2025-02-01")), frame(600, 2, ("2025-06-01",))
    one_thread = CONFIG.model_copy(update={"tuning": CONFIG.tuning.model_copy(update={"threads": 1})})
    shuffled = fitted(
        one_thread, train=train.sample(frac=1, random_state=1), calibration=calibration.sample(frac=1, random_state=2)
    )
    assert shuffled.to_files() == model.to_files()


def test_another_seed_gives_another_model(model):
    config = CONFIG.model_copy(update={"tuning": CONFIG.tuning.model_copy(update={"seed": 8})})
    assert fitted(config).to_files() != model.to_files()


def test_rows_with_an_incomplete_window_teach_nothing(model):
    train = frame(700, 1, ("2025-01-01", "2025-02-01"))
    open_rows = train.head(50).assign(as_of=pd.Timestamp("2025-03-01"), churned=np.nan, value_minor=np.nan)
    assert fitted(train=pd.concat([train, open_rows])).to_files() == model.to_files()


def test_without_purchases_there_is_a_churn_head_only(later):
    config = Config.model_validate(
        {"name": "table", "churn": {"definition": "label"}, "tables": {"snapshots": {"path": "x"}}}
    )
    model = fitted(config)
    prediction = model.predict(later)
    assert prediction.expected_value_minor is None
    assert list(prediction.frame()) == ["churn_raw", "churn_probability"]
    churn, value = model.contributions(later)
    assert value is None
    np.testing.assert_allclose(churn.sum(axis=1), prediction.churn_raw, atol=1e-9)
    assert np.array_equal(
        hurdle.HurdleModel.from_files(model.to_files()).predict(later).churn_raw, prediction.churn_raw
    )


def test_a_frame_without_a_feature_is_refused_by_name(model, later):
    with pytest.raises(FingerprintMismatch, match="frequency"):
        model.predict(later.drop(columns="frequency"))


def test_too_few_churners_are_refused_with_their_number():
    train = frame(200, 1, ("2025-01-01",))
    with pytest.raises(TooLittleData, match="3 churners") as refused:
        fitted(train=train.assign(churned=[1.0] * 3 + [0.0] * 197))
    assert refused.value.code == "TOO_FEW_CHURNERS"


def test_a_fold_without_labels_is_refused():
    with pytest.raises(TooLittleData, match="complete outcome window"):
        fitted(train=frame(50, 1, ("2025-01-01",)).assign(churned=np.nan))


def test_files_of_another_format_or_incomplete_are_refused(model):
    files = model.to_files()
    with pytest.raises(BundleError, match="churn_1"):
        hurdle.HurdleModel.from_files({name: files[name] for name in files if name != "churn_1.txt"})
    content = json.loads(files["model.json"]) | {"format": 99}
    with pytest.raises(BundleError, match="format 99"):
        hurdle.HurdleModel.from_files(files | {"model.json": json.dumps(content).encode()})


def test_a_prediction_is_frozen(model, later):
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.predict(later.head(1)).churn_raw = None


def test_the_regression_has_weight_where_it_helps_and_loses_it_where_it_does_not(later, monkeypatch):
    monkeypatch.setattr(churn, "share_of_many", lambda _: 1.0)  # of few, the Pareto/NBD is given what both could have
    curved = {"train": frame(700, 1, ("2025-01-01", "2025-02-01")), "calibration": frame(600, 2, ("2025-06-01",))}
    usual = fitted(**curved).churn.weights
    assert sum(usual) == pytest.approx(1)
    assert usual[1] / (usual[0] / 2 + sum(usual[1:])) > 0.1  # as learned, before boosters count twice
    # churn in a checkerboard of two features, one in seven otherwise: trees see it, a line cannot
    for rows in curved.values():
        board = (rows.noise > 0) != (rows.days_since_last_purchase > 40)
        rows["churned"] = (board != (np.arange(len(rows)) % 7 == 0)).astype(float)
    model = fitted(**curved)
    assert model.churn.weights[1] < 0.5 * usual[1]
    truth = ((later.noise > 0) != (later.days_since_last_purchase > 40)).to_numpy(dtype=float)
    trees_alone = model.churn.trees[0].raw(model.design.matrix(later))
    assert metrics.auc(truth, model.predict(later).churn_probability) > max(
        0.97, metrics.auc(truth, trees_alone) - 0.002
    )


def test_boosters_count_twice_beside_the_weights_learned_from_many_customers_and_less_from_700(monkeypatch):
    monkeypatch.setattr(churn, "stacked", lambda scores, *_: np.array([0.5, 0.4, 0.1])[: scores.shape[1]])
    counted = 0.5 * (1.5 + 0.5 / 9)
    assert fitted().churn.weights == pytest.approx(np.array([counted, 0.4, 0.1]) / (counted + 0.5))
    monkeypatch.setattr(churn, "share_of_many", lambda _: 1.0)
    assert fitted().churn.weights == pytest.approx((1.0 / 1.5, 0.4 / 1.5, 0.1 / 1.5))


def test_what_parts_are_held_to_depends_on_the_number_of_customers(monkeypatch):
    held_to = []

    def learned(scores, churned, prior):
        held_to.append(prior)
        return prior

    monkeypatch.setattr(churn, "stacked", learned)
    fitted()
    fitted(train=frame(600, 1, ("2025-01-01", "2025-02-01")))
    fitted(train=frame(1_500, 1, ("2025-01-01", "2025-02-01")))
    assert held_to[0] == pytest.approx([0.3 + 0.3 / 9, 0.2 + 0.1 / 9, 0.5 - 0.4 / 9])
    assert held_to[1] == pytest.approx([0.3, 0.2, 0.5])
    assert held_to[2] == pytest.approx([0.6, 0.3, 0.1])


def test_boosters_alone_stay_alone(monkeypatch):
    monkeypatch.setattr(churn, "stacked", lambda scores, *_: np.eye(scores.shape[1])[0])
    assert fitted().churn.weights == (1.0, 0.0, 0.0)
