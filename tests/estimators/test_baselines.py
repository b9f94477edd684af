"""Rules and literature models on the same rows as the model."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated_customers import CATALOG, HORIZON_DAYS, frame

from churn_value.config import Config
from churn_value.errors import TooLittleData
from churn_value.estimators import baselines, metrics
from churn_value.estimators.linear import regression as linear

CONFIG = Config.model_validate({"name": "small", "tables": {"purchases": {"path": "x"}}, "horizon_days": HORIZON_DAYS})
LABEL = Config.model_validate(
    {"name": "table", "churn": {"definition": "label"}, "tables": {"snapshots": {"path": "x"}}}
)


@pytest.fixture(scope="module")
def folds():
    return frame(600, 1, ("2025-01-01", "2025-02-01")), frame(500, 2, ("2025-06-01",)), frame(800, 3, ("2025-09-01",))


@pytest.fixture(scope="module")
def predictions(folds):
    return baselines.fit_baselines(*folds[:2], CATALOG, CONFIG).predict(folds[2])


def test_every_baseline_ranks_customers_and_is_in_range(folds, predictions):
    assert list(predictions) == ["recency", "run_rate", "bg_nbd", "pareto_nbd"]
    test = folds[2]
    for name, said in predictions.items():
        assert ((said.churn_probability > 0) & (said.churn_probability < 1)).all(), name
        assert (said.expected_value_minor >= 0).all(), name
        assert np.isfinite(said.expected_value_minor).all(), name
        assert metrics.auc(test.churned.to_numpy(), said.churn_probability) > 0.65, name
        assert metrics.normalised_gini(test.value_minor.to_numpy(), said.expected_value_minor) > 0.4, name


def test_the_recency_rule_never_thinks_better_of_a_longer_silence(folds, predictions):
    order = np.argsort(folds[2].days_since_last_purchase.to_numpy(), kind="stable")
    assert (np.diff(predictions["recency"].churn_probability[order]) >= 0).all()


def test_the_run_rate_is_spend_per_day_times_the_horizon():
    rows = pd.DataFrame({"spend_minor": [3_000, -50, 700], "T_days": [100, 100, 0]})
    assert baselines.run_rate_minor(rows, 90).tolist() == [2_700.0, 0.0, 63_000.0]


def test_baselines_know_nothing_of_later_rows(folds):
    train, calibration, test = folds
    fitted = baselines.fit_baselines(train, calibration, CATALOG, CONFIG)
    altered = test.assign(churned=1 - test.churned, value_minor=test.value_minor * 100)
    for name, said in fitted.predict(test).items():
        assert np.array_equal(said.churn_probability, fitted.predict(altered)[name].churn_probability), name


def test_histories_are_those_of_the_newest_date(folds):
    newest = baselines.newest_histories(pd.concat(folds[:2]))
    assert newest.as_of.unique().tolist() == [pd.Timestamp("2025-06-01")]
    assert newest.customer_id.is_monotonic_increasing


def test_many_histories_are_thinned_evenly(monkeypatch, folds):
    monkeypatch.setattr(baselines, "MOST_HISTORIES", 200)
    thinned = baselines.newest_histories(folds[1])
    assert len(thinned) == 167
    assert thinned.customer_id.iloc[1] == "c00003"


def test_where_churn_is_not_silence_btyd_probabilities_are_fitted_to_it(folds):
    train, calibration, test = (part.assign(churned=1 - part.churned) for part in folds)
    config = Config.model_validate(
        {
            "name": "visits",
            "churn": {"definition": "no_visit"},
            "tables": {"purchases": {"path": "x"}, "visits": {"path": "y"}},
        }
    )
    said = baselines.fit_baselines(train, calibration, CATALOG, config).predict(test)["bg_nbd"].churn_probability
    assert said.mean() == pytest.approx(float(test.churned.mean()), abs=0.08)


def test_without_purchases_the_base_rate_and_a_logistic_regression_stand_in(folds):
    train, calibration, test = folds
    said = baselines.fit_baselines(train, calibration, CATALOG, LABEL).predict(test)
    assert list(said) == ["base_rate", "logistic"]
    rate = pd.concat([train, calibration]).churned.mean()
    assert said["base_rate"].churn_probability == pytest.approx(np.full(len(test), rate))
    assert said["logistic"].expected_value_minor is None
    churned = test.churned.to_numpy()
    assert metrics.auc(churned, said["logistic"].churn_probability) > 0.75


def test_no_complete_row_is_refused(folds):
    empty = folds[0].assign(churned=np.nan)
    with pytest.raises(TooLittleData):
        baselines.fit_baselines(empty, empty, CATALOG, CONFIG)


def test_a_logistic_regression_finds_the_slope_it_was_made_with():
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.normal(size=4_000), rng.integers(0, 3, 4_000).astype(float), rng.normal(size=4_000)])
    x[rng.random(4_000) < 0.1, 2] = np.nan
    odds = -0.5 + 1.0 * np.sign(x[:, 0]) * np.log1p(np.abs(x[:, 0])) + 0.8 * (x[:, 1] == 2)
    churned = (rng.random(4_000) < 1 / (1 + np.exp(-odds))).astype(float)
    fitted = linear.fit_linear(x, churned, [1], penalty=1e-6)
    assert np.corrcoef(fitted.raw(x), odds)[0, 1] > 0.99
    again = linear.Linear.from_json(fitted.to_json())
    assert np.array_equal(again.raw(x), fitted.raw(x))
    np.testing.assert_allclose(fitted.contributions(x).sum(axis=1), fitted.raw(x), atol=1e-12)
    assert fitted.raw(x[[5]])[0] == fitted.raw(x)[5]


def test_a_column_that_says_nothing_gets_no_term():
    x = np.column_stack([np.ones(50), np.full(50, np.nan), np.arange(50.0)])
    fitted = linear.fit_linear(x, (np.arange(50) > 25).astype(float), [], penalty=0.1)
    assert {term.place for term in fitted.terms} == {2}
