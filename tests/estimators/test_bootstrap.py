"""Intervals of measures: paired, seeded, and of the right width."""

from __future__ import annotations

import numpy as np
import pytest

from churn_value.estimators import metrics
from churn_value.estimators.bootstrap import bootstrap

MEAN = {"mean": lambda truth, predicted: float(truth.mean())}


def test_the_interval_of_a_mean_is_its_standard_error():
    truth = np.random.default_rng(1).normal(5.0, 2.0, 900)
    found = bootstrap(MEAN, truth, {"any": truth}, seed=3, resamples=2_000).estimate("any", "mean")
    assert found.value == truth.mean()
    half_width = 1.96 * truth.std() / 30
    assert found.lower == pytest.approx(found.value - half_width, abs=0.1 * half_width)
    assert found.upper == pytest.approx(found.value + half_width, abs=0.1 * half_width)


def test_systems_are_compared_on_the_same_resamples():
    rng = np.random.default_rng(2)
    truth = rng.gamma(0.5, 100.0, 300)
    predicted = truth + rng.normal(0, 50, 300)
    found = bootstrap(
        {"mae": metrics.mae}, truth, {"one": predicted, "off by 1": truth + np.abs(predicted - truth) + 1.0}, seed=4
    )
    difference = found.difference("off by 1", "one", "mae")
    # unpaired, the two would differ by several units from draw to draw
    assert difference.lower == pytest.approx(1.0)
    assert difference.upper == pytest.approx(1.0)


def test_resamples_do_not_depend_on_which_systems_are_compared():
    truth = np.arange(50.0)
    alone = bootstrap(MEAN, truth, {"a": truth}, seed=5, resamples=20)
    beside = bootstrap(MEAN, truth, {"b": -truth, "a": truth}, seed=5, resamples=20)
    assert alone.draws["a"]["mean"].tolist() == beside.draws["a"]["mean"].tolist()
    assert bootstrap(MEAN, truth, {"a": truth}, seed=6, resamples=20).draws["a"]["mean"].tolist() != (
        alone.draws["a"]["mean"].tolist()
    )


def test_customers_on_several_dates_are_drawn_together():
    truth = np.repeat(np.random.default_rng(7).normal(0, 1, 100), 9)
    customers = np.repeat(np.arange(100), 9)
    rows = bootstrap(MEAN, truth, {"a": truth}, seed=8).estimate("a", "mean")
    together = bootstrap(MEAN, truth, {"a": truth}, seed=8, groups=customers).estimate("a", "mean")
    assert (together.upper - together.lower) / (rows.upper - rows.lower) == pytest.approx(3, rel=0.15)


def test_a_measure_that_is_defined_on_no_resample_has_no_interval():
    found = bootstrap({"auc": metrics.auc}, np.zeros(5), {"a": np.arange(5.0)}, seed=1, resamples=5)
    assert np.isnan(found.estimate("a", "auc").lower)
