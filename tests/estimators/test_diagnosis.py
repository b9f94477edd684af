"""Where an error comes from, worked by hand and as laws."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from churn_value.estimators.diagnosis import coverage_by_group, oracle_recentred, width_at_coverage
from churn_value.estimators.metrics import auc, calibration_error, log_loss


def test_odds_are_multiplied_by_one_number():
    """Odds 1 and 1, rate 3/4: the number is 3."""
    found = oracle_recentred(np.array([1.0, 1.0, 1.0, 0.0]), np.full(4, 0.5))
    assert found == pytest.approx(np.full(4, 0.75))


def test_two_levels_worked_by_hand():
    """Odds 1/3 and 1 times k with mean 1/2: (k / (3 + k) + k / (1 + k)) / 2 = 1/2, so k is the root of three."""
    found = oracle_recentred(np.array([1.0, 0.0]), np.array([0.25, 0.5]))
    k = np.sqrt(3)
    assert found == pytest.approx([k / (3 + k), k / (1 + k)])


def test_a_pure_shift_of_the_base_rate_is_undone():
    rng = np.random.default_rng(2)
    p = rng.beta(2, 3, 20_000)
    churned = (rng.uniform(size=len(p)) < p).astype(float)
    moved = 1 / (1 + (1 - p) / p * np.exp(0.8))
    found = oracle_recentred(churned, moved)
    assert calibration_error(churned, moved) > 0.1
    assert calibration_error(churned, found) < 0.02
    assert log_loss(churned, found) < log_loss(churned, moved)


@settings(max_examples=40, deadline=None)
@given(arrays(np.float64, 12, elements=st.floats(0, 1)), st.integers(1, 11))
def test_the_mean_is_the_rate_and_the_order_stays(p, churners):
    churned = (np.arange(12) < churners).astype(float)
    found = oracle_recentred(churned, p)
    extreme = np.mean((p < 1e-9) | (p > 1 - 1e-9)) > 0
    if not extreme:
        assert found.mean() == pytest.approx(churners / 12, abs=1e-6)
    assert auc(churned, found) >= auc(churned, p) - 0.5 * extreme
    assert np.all(np.diff(found[np.argsort(p, kind="stable")]) >= -1e-12)


def test_one_class_leaves_probabilities_alone():
    p = np.array([0.2, 0.7])
    assert oracle_recentred(np.zeros(2), p) is p


def test_coverage_by_fifth_worked_by_hand():
    """Ten customers by prediction; the interval [0, 10] holds all but the two last and the fourth."""
    actual = np.array([0, 1, 2, 11, 4, -5, 6, 7, 80, 90.0])
    predicted = np.arange(10.0)
    order = np.random.default_rng(1).permutation(10)
    found = coverage_by_group(actual[order], np.zeros(10), np.full(10, 10.0), predicted[order])
    assert found.tolist() == [1.0, 0.5, 1.0, 1.0, 0.0]


def test_a_width_is_read_between_two_levels():
    assert width_at_coverage({0.9: 30.0, 0.7: 10.0}, 0.8) == pytest.approx(20.0)
    assert np.isnan(width_at_coverage({0.9: 30.0, 0.7: 10.0}, 0.95))
