"""Prediction intervals: around the expectation, honest on later customers, degenerate at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from churn_value.estimators import metrics
from churn_value.estimators.intervals import Intervals, Ratios, fit_intervals, fit_ratios, shrunk_levels
from churn_value.estimators.rows import Rows


def population(rows, seed, largest_p=1.0, spread=1.0):
    """Customers with known churn probability and mean amount, and lognormal amounts about it."""
    rng = np.random.default_rng(seed)
    p = rng.random(rows) * largest_p
    retained = rng.lognormal(6, 1, rows)
    churned = (rng.random(rows) < p).astype(float)
    amount = (1 - churned) * retained * rng.lognormal(-(spread**2) / 2, spread, rows)
    customers = np.asarray([f"c{number}" for number in range(rows)], dtype=object)
    return Rows(np.zeros((rows, 1)), churned, amount, customers, np.zeros(rows)), p, retained


def test_the_mixture_by_hand():
    # ratios uniform on 0 to 2; p .05 is below .1: quantiles .1 and .9 of the mixture, among stayers .05/.95 and .85/.95
    ratios = Ratios(np.zeros(1), np.linspace(0, 2, 101)[None, :])
    interval = Intervals(0.8, ratios, (), (0.8,))
    lower, upper = interval.bounds(np.asarray([0.05]), np.asarray([100.0]))
    assert lower[0] == pytest.approx(200 * 0.05 / 0.95)
    assert upper[0] == pytest.approx(200 * 0.85 / 0.95)
    # p .5: from 0 to the quantile .8, among stayers .3/.5
    lower, upper = interval.bounds(np.asarray([0.5]), np.asarray([100.0]))
    assert lower[0] == 0
    assert upper[0] == pytest.approx(200 * 0.6)


def test_a_sure_churner_gets_an_interval_up_to_the_expectation_only():
    interval = Intervals(0.8, Ratios(np.zeros(1), np.ones((1, 101))), (), (0.8,))
    lower, upper = interval.bounds(np.asarray([0.95]), np.asarray([100.0]))
    assert (lower[0], upper[0]) == (0.0, pytest.approx(5.0))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
def test_coverage_of_later_customers_is_nominal(level):
    # Amounts so skewed that the mean lies beyond the level's quantile would be covered more: the mean is kept inside.
    fitted = fit_intervals(*population(6_000, 1, largest_p=0.4, spread=0.4), level=level, seed=1)
    rows, p, retained = population(20_000, 2, largest_p=0.4, spread=0.4)
    lower, upper = fitted.bounds(p, retained)
    assert metrics.coverage(rows.amount_minor, lower, upper) == pytest.approx(level, abs=0.03)


def test_coverage_is_nominal_in_each_fifth_where_spread_grows_with_value():
    def uneven(rows, seed):
        kept, p, retained = population(rows, seed, largest_p=0.3, spread=0.3)
        wide = retained > np.median(retained)
        amount = np.where(wide, kept.amount_minor**2 / np.maximum(retained, 1), kept.amount_minor)
        return Rows(kept.matrix, kept.churned, amount, kept.customers, kept.days), p, retained

    fitted = fit_intervals(*uneven(8_000, 3), level=0.8, seed=1)
    rows, p, retained = uneven(20_000, 4)
    lower, upper = fitted.bounds(p, retained)
    expected = (1 - p) * retained
    for fifth in np.array_split(np.argsort(expected), 5):
        covered = metrics.coverage(rows.amount_minor[fifth], lower[fifth], upper[fifth])
        assert covered == pytest.approx(0.8, abs=0.05)


def test_the_conformal_level_mends_probabilities_that_are_wrong():
    rows, p, retained = population(6_000, 5, largest_p=0.5)
    fitted = fit_intervals(rows, p * 0.3, retained, level=0.8, seed=1)
    later, p_later, retained_later = population(20_000, 6, largest_p=0.5)
    lower, upper = fitted.bounds(p_later * 0.3, retained_later)
    assert metrics.coverage(later.amount_minor, lower, upper) >= 0.77


def test_a_higher_level_is_never_narrower():
    rows, p, retained = population(2_000, 7)
    low = fit_intervals(rows, p, retained, level=0.5, seed=1).bounds(p, retained)
    high = fit_intervals(rows, p, retained, level=0.9, seed=1).bounds(p, retained)
    assert metrics.mean_width(*high) > metrics.mean_width(*low)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-6, 1 - 1e-6), st.floats(0, 1e12)), min_size=1, max_size=20),
    st.integers(0, 300),
)
def test_the_expectation_is_always_inside(pairs, rows):
    fitted = fit_intervals(*population(rows, 8), level=0.8, seed=1)
    p, retained = np.asarray(pairs).T
    lower, upper = fitted.bounds(p, retained)
    assert (lower >= 0).all()
    assert (lower <= (1 - p) * retained).all()
    assert ((1 - p) * retained <= upper).all()
    assert np.isfinite(upper).all()


def test_net_returns_do_not_make_a_lower_end_negative():
    rows, p, retained = population(1_000, 9, largest_p=0.05)
    returned = Rows(rows.matrix, rows.churned, rows.amount_minor - 2 * retained, rows.customers, rows.days)
    lower, _ = fit_intervals(returned, p, retained, level=0.8, seed=1).bounds(p, retained)
    assert (lower >= 0).all()


def test_without_a_stayer_the_ratio_is_one():
    assert fit_ratios(np.zeros(0), np.zeros(0)).quantiles.tolist() == [[1.0] * 101]


def test_json_gives_the_same_interval_to_the_bit():
    rows, p, retained = population(1_500, 10)
    fitted = fit_intervals(rows, p, retained, level=0.8, seed=1)
    again = Intervals.from_json(fitted.to_json())
    for ours, theirs in zip(fitted.bounds(p, retained), again.bounds(p, retained), strict=True):
        assert np.array_equal(ours, theirs)


def test_groups_that_are_off_by_chance_only_get_the_level_of_all_rows():
    scores = np.arange(1, 100) / 100
    # 198 rows, rank ceil(199 * .8) = 160 of them: the 80th of 1 to 99.
    assert shrunk_levels([scores, scores], 0.8) == (0.8, 0.8)


def test_groups_that_really_differ_get_nearly_their_own_levels():
    evenly = (np.arange(2_000) + 0.5) / 2_000
    low, high = shrunk_levels([evenly / 2, (1 + evenly) / 2], 0.8)
    # Of the first group the common level .8 would hold all, of the second .6: off by .2 each where chance is .009.
    assert low == pytest.approx(0.4, abs=0.01)
    assert high == pytest.approx(0.9, abs=0.01)


def test_a_group_without_rows_takes_the_level_of_the_others():
    evenly = (np.arange(500) + 0.5) / 500
    assert shrunk_levels([evenly, np.zeros(0)], 0.8)[1] == pytest.approx(0.8, abs=0.01)


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=5), seed=st.integers(0, 999))
@example(sizes=[3, 9], seed=0)
def test_a_level_lies_between_the_groups_own_and_that_of_all(sizes, seed):
    rng = np.random.default_rng(seed)
    scores = [rng.beta(*rng.uniform(0.5, 3, 2), size) for size in sizes]
    every = shrunk_levels([np.concatenate(scores)], 0.8)[0]
    for group, level in zip(scores, shrunk_levels(scores, 0.8), strict=True):
        own = shrunk_levels([group], 0.8)[0]
        above = group[group > every].min(initial=1.0)  # the conformal rank is rounded up
        assert min(own, every) <= level <= max(own, above)
