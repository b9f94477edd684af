"""Measures against answers worked by hand, closed forms, and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from churn_value.estimators import metrics


def floats(*values: float) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def test_auc_counts_pairs_and_half_of_ties():
    # churners .9 and .5, stayers .5 and .1: pairs won 1 + 1 + .5 + 1 of 4
    assert metrics.auc(floats(1, 1, 0, 0), floats(0.9, 0.5, 0.5, 0.1)) == 3.5 / 4


def test_auc_of_one_class_is_not_defined():
    assert np.isnan(metrics.auc(floats(0, 0), floats(0.1, 0.2)))
    assert np.isnan(metrics.auc(floats(1, 1), floats(0.1, 0.2)))


def test_average_precision_walks_down_the_ranking():
    # found at places 1 and 3: (1/1 + 2/3) / 2
    assert metrics.average_precision(floats(1, 0, 1, 0), floats(0.9, 0.8, 0.7, 0.1)) == pytest.approx(5 / 6)


def test_average_precision_of_all_tied_is_the_churn_rate():
    assert metrics.average_precision(floats(1, 0, 0, 0), floats(0.5, 0.5, 0.5, 0.5)) == 0.25


def test_log_loss_of_one_half_is_the_log_of_two():
    assert metrics.log_loss(floats(1, 0), floats(0.5, 0.5)) == pytest.approx(np.log(2))


def test_log_loss_of_a_sure_mistake_is_finite():
    assert metrics.log_loss(floats(1), floats(0.0)) == pytest.approx(-np.log(1e-15))


def test_brier_is_the_mean_square():
    assert metrics.brier(floats(1, 0), floats(0.8, 0.4)) == pytest.approx((0.04 + 0.16) / 2)


def test_calibration_error_weights_bins_by_rows():
    # bin [.2, .2667): said .25 twice, one of two churned -> gap .25; bin of .9: said .9, churned 1 -> .1
    error = metrics.calibration_error(floats(1, 0, 1), floats(0.25, 0.25, 0.9))
    assert error == pytest.approx((2 * 0.25 + 0.1) / 3)


def test_calibration_error_takes_probability_one_into_the_last_bin():
    assert metrics.calibration_error(floats(1, 1), floats(1.0, 0.95)) == pytest.approx(0.05 / 2)


def test_errors_of_amounts_by_hand():
    actual, predicted = floats(0, 10), floats(3, 6)
    assert metrics.mae(actual, predicted) == 3.5
    assert metrics.rmse(actual, predicted) == pytest.approx(np.sqrt(12.5))
    assert metrics.total_bias(actual, predicted) == 0.9


def test_spearman_of_a_reversed_order_is_minus_one_and_of_a_constant_undefined():
    assert metrics.spearman(floats(1, 2, 3), floats(30, 20, 10)) == pytest.approx(-1)
    assert np.isnan(metrics.spearman(floats(1, 2, 3), floats(5, 5, 5)))


def test_gini_of_the_true_order_is_one_and_of_a_constant_zero():
    actual = floats(0, 5, 1, 20)
    assert metrics.normalised_gini(actual, actual**2) == 1
    assert metrics.normalised_gini(actual, floats(3, 3, 3, 3)) == 0
    assert metrics.normalised_gini(actual, -actual) == -1


def test_gini_by_hand():
    # ranks about their mean -1.5 -.5 .5 1.5; order 1 0 3 0 by prediction, 0 0 1 3 by truth
    # predicted: 1*-1.5 + 3*.5 = 0; best: 1*.5 + 3*1.5 = 5
    assert metrics.normalised_gini(floats(1, 0, 3, 0), floats(1, 2, 3, 4)) == 0
    # ties at the top share the mean place 1: 0*-1.5 + 0*-.5 + 1*1 + 3*1 = 4 of 5
    assert metrics.normalised_gini(floats(0, 0, 1, 3), floats(1, 2, 3, 3)) == pytest.approx(4 / 5)


def test_gini_where_all_are_worth_the_same_is_not_defined():
    assert np.isnan(metrics.normalised_gini(floats(2, 2, 2), floats(1, 2, 3)))


def test_top_capture_takes_part_of_a_tie():
    actual = floats(6, 2, 1, 1)
    assert metrics.top_capture(actual, floats(4, 3, 2, 1), 0.25) == 0.6
    # the two highest are tied and hold 4 on average
    assert metrics.top_capture(actual, floats(4, 4, 2, 1), 0.25) == 0.4
    assert metrics.top_capture(actual, floats(4, 3, 2, 1), 0.375) == pytest.approx(0.7)


def test_top_capture_of_nothing_is_not_defined():
    assert np.isnan(metrics.top_capture(floats(0, 0), floats(1, 2)))


def test_decile_error_is_the_mean_relative_gap():
    actual = np.arange(1.0, 11.0)
    assert metrics.decile_error(actual, actual) == 0
    assert metrics.decile_error(actual, actual * 1.5) == pytest.approx(0.5)


def test_decile_error_leaves_out_groups_without_value():
    actual = np.concatenate([np.zeros(5), np.full(5, 10.0)])
    predicted = np.concatenate([np.linspace(1, 2, 5), np.linspace(11, 12, 5)])
    assert metrics.decile_error(actual, predicted) == pytest.approx(0.15)


def test_tweedie_deviance_by_hand():
    # y 4, m 1, power 1.5: 2 (2 / (-.25) + 4 / .5 + 1 / .5) = 4; y 0, m 1: 2 (1 / .5) = 4
    assert metrics.tweedie_deviance(floats(4), floats(1)) == pytest.approx(4)
    assert metrics.tweedie_deviance(floats(0), floats(1)) == pytest.approx(4)
    assert metrics.tweedie_deviance(floats(9), floats(9)) == pytest.approx(0)


def test_tweedie_deviance_counts_net_returns_as_nothing_and_survives_a_zero_mean():
    assert metrics.tweedie_deviance(floats(-5), floats(1)) == metrics.tweedie_deviance(floats(0), floats(1))
    assert np.isfinite(metrics.tweedie_deviance(floats(1, 1), floats(0, 1)))


def test_coverage_includes_ends_and_takes_net_returns_as_zero():
    assert metrics.coverage(floats(-3, 2, 5, 6), floats(0, 2, 1, 1), floats(1, 3, 5, 5)) == 0.75
    assert metrics.mean_width(floats(0, 2), floats(1, 5)) == 2


@pytest.mark.parametrize("seed", range(3))
def test_measures_agree_with_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    churned = (rng.random(400) < 0.3).astype(float)
    p = np.round(np.clip(rng.normal(0.3 + 0.2 * churned, 0.2), 0.001, 0.999), 2) * 0.99 + 0.004
    amount, predicted = rng.gamma(0.5, 100, 400) * (rng.random(400) < 0.5), rng.gamma(1.0, 50, 400)
    assert metrics.auc(churned, p) == pytest.approx(sk.roc_auc_score(churned, p), abs=1e-12)
    assert metrics.average_precision(churned, p) == pytest.approx(sk.average_precision_score(churned, p), abs=1e-12)
    assert metrics.log_loss(churned, p) == pytest.approx(sk.log_loss(churned, p), abs=1e-12)
    assert metrics.brier(churned, p) == pytest.approx(sk.brier_score_loss(churned, p), abs=1e-12)
    assert metrics.mae(amount, predicted) == pytest.approx(sk.mean_absolute_error(amount, predicted))
    assert metrics.rmse(amount, predicted) == pytest.approx(sk.root_mean_squared_error(amount, predicted))
    expected = sk.mean_tweedie_deviance(amount, predicted, power=1.5)
    assert metrics.tweedie_deviance(amount, predicted) == pytest.approx(expected)


amounts = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4)), min_size=2, max_size=30)


@settings(max_examples=60, deadline=None)
@given(amounts, st.randoms(use_true_random=False))
def test_no_measure_depends_on_the_order_of_rows(pairs, random):
    shuffled = list(pairs)
    random.shuffle(shuffled)
    before, after = (np.asarray(rows, dtype=float).T for rows in (pairs, shuffled))
    for name, metric in metrics.VALUE_METRICS.items():
        assert metric(*before) == pytest.approx(metric(*after), nan_ok=True), name


@settings(max_examples=60, deadline=None)
@given(amounts)
def test_rank_measures_do_not_change_under_a_monotone_map(pairs):
    actual, predicted = np.asarray(pairs, dtype=float).T
    for name in ("normalised_gini", "spearman", "top10_capture", "top20_capture"):
        metric = metrics.VALUE_METRICS[name]
        assert metric(actual, predicted) == pytest.approx(metric(actual, np.exp(predicted) - 7), nan_ok=True), name


def test_all_measures_come_by_name():
    churned, p = floats(1, 0, 1, 0), floats(0.8, 0.1, 0.6, 0.3)
    assert metrics.churn_metrics(churned, p)["auc"] == 1
    assert metrics.value_metrics(floats(1, 2), floats(1, 2))["total_bias"] == 1
