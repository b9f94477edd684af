"""Maps from raw log-odds to probabilities: monotone, chosen by what they gain, never sure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from churn_value.estimators import metrics
from churn_value.estimators.calibration import (
    FAMILIES,
    Calibration,
    customer_folds,
    fit_calibration,
    fit_family,
    recentred,
)


def sample(rows, seed, bend):
    rng = np.random.default_rng(seed)
    raw = rng.normal(0, 1.5, rows)
    churned = (rng.random(rows) < expit(bend(raw))).astype(float)
    return raw, churned, np.asarray([f"c{number}" for number in range(rows)], dtype=object)


def test_platt_finds_the_slope_and_shift_it_was_made_with():
    raw, churned, _ = sample(40_000, 1, lambda z: 0.6 * z - 0.8)
    assert fit_family("platt", raw, churned).parameters == pytest.approx((0.6, -0.8), abs=0.04)


def test_beta_is_the_identity_at_one_one_zero():
    raw = np.linspace(-5, 5, 11)
    np.testing.assert_allclose(Calibration("beta", (1.0, 1.0, 0.0)).log_odds(raw), raw, atol=1e-12)


def test_what_is_calibrated_already_is_left_as_it_is():
    raw, churned, customers = sample(5_000, 2, lambda z: z)
    assert fit_calibration(raw, churned, customers, seed=1).family == "identity"


def test_a_shift_is_mended_by_the_stiffest_map_that_does():
    raw, churned, customers = sample(5_000, 3, lambda z: z - 0.7)
    chosen = fit_calibration(raw, churned, customers, seed=1)
    assert chosen.family == "identity"
    assert chosen.shift == pytest.approx(-0.7, abs=0.1)


def test_a_slope_is_mended_by_platt():
    raw, churned, customers = sample(5_000, 3, lambda z: 0.6 * z - 0.7)
    assert fit_calibration(raw, churned, customers, seed=1).family == "platt"


def test_an_asymmetric_distortion_is_mended_by_beta():
    def distorted(z):
        return 1.8 * np.log(expit(z)) - 0.4 * np.log(expit(-z)) - 0.3

    raw, churned, customers = sample(30_000, 4, distorted)
    chosen = fit_calibration(raw, churned, customers, seed=1)
    assert chosen.family == "beta"
    later, happened, _ = sample(30_000, 5, distorted)
    assert metrics.calibration_error(happened, chosen.probability(later)) < 0.015
    assert metrics.calibration_error(happened, expit(later)) > 0.05


def test_a_crowd_of_like_customers_set_a_little_aside_is_not_moved_far():
    """Boosters grown again set customers with one purchase a little aside; a map with steps would throw them far."""
    draw = np.random.default_rng(8)
    raw = np.concatenate([np.full(9_000, 3.0), np.full(6_000, 3.05), draw.normal(0.5, 1.5, 6_000)])
    churned = (draw.random(len(raw)) < expit(raw + np.where(raw == 3.0, 0.2, -0.1))).astype(np.float64)
    chosen = fit_calibration(raw, churned, np.arange(len(raw)).astype(str).astype(object), seed=1)
    near = np.array([2.95, 3.0, 3.05, 3.1])
    assert (np.abs(np.diff(chosen.log_odds(near))) < 0.15).all()


def test_too_few_churners_teach_no_map():
    raw, churned, customers = sample(500, 6, lambda z: z - 6)
    assert churned.sum() < 50
    found = fit_calibration(raw, churned, customers, seed=1)
    assert found.family == "identity"
    assert found.probability(raw).mean() == pytest.approx(churned.mean())


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(FAMILIES), st.integers(0, 10_000), st.floats(0.2, 2.0), st.floats(-2.0, 2.0))
def test_every_map_keeps_the_order_and_is_never_sure(family, seed, slope, shift):
    raw, churned, _ = sample(300, seed, lambda z: slope * z + shift)
    fitted = fit_family(family, raw, churned)
    grid = np.concatenate([[-1e6], np.linspace(-20, 20, 400), [1e6]])
    p = fitted.probability(grid)
    assert (np.diff(p) >= 0).all()
    assert p[0] >= 1e-7
    assert p[-1] <= 1 - 1e-7
    # within what was seen, customers keep distinct places
    assert (np.diff(fitted.log_odds(np.linspace(raw.min() - 1, raw.max() + 1, 50))) >= 0).all()
    assert Calibration.from_json(fitted.to_json()) == fitted


def test_a_perfect_separation_gives_finite_maps():
    raw = np.linspace(-3, 3, 200)
    for family in FAMILIES:
        p = fit_family(family, raw, (raw > 0).astype(float)).probability(raw)
        assert ((p > 0) & (p < 1)).all(), family


def test_a_customers_rows_share_a_fold_whatever_their_order():
    customers = np.asarray(["b", "a", "b", "c", "a"], dtype=object)
    fold = customer_folds(customers, 2, 1)
    assert fold[0] == fold[2]
    assert fold[1] == fold[4]
    assert customer_folds(customers[::-1], 2, 1).tolist() == fold[::-1].tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_recentred_map_goes_half_the_way_to_the_newest_rate(family):
    raw, churned, _ = sample(4_000, 7, lambda z: 0.8 * z)
    later, happened, _ = sample(4_000, 8, lambda z: z - 1.0)
    moved = recentred(fit_family(family, raw, churned), later, happened)
    halfway = (expit(later).mean() + happened.mean()) / 2
    assert moved.probability(later).mean() == pytest.approx(halfway, abs=1e-9)
    assert Calibration.from_json(moved.to_json()) == moved


def test_a_date_on_which_everybody_left_still_gives_a_finite_map():
    raw = np.linspace(-2, 2, 50)
    assert np.isfinite(recentred(Calibration("identity"), raw, np.ones(50)).shift)
