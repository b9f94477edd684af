"""Weights of a head's parts: held to the prior by few rows, let go by many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from churn_value.estimators.stacking import refitted, share_of_many, stacked, stacked_amounts

PRIOR = np.asarray([0.6, 0.3, 0.1])


def scores_of(rows, seed, truth=0):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(rows, 3)) * 1.5
    return scores, (rng.random(rows) < expit(scores[:, truth])).astype(float)


def test_many_rows_give_the_part_that_is_right_nearly_all_the_weight():
    for truth in range(3):
        weights = stacked(*scores_of(20_000, 1, truth), PRIOR)
        assert weights[truth] > 0.95


def test_few_rows_leave_the_weights_near_the_prior():
    # Parts that nearly agree, as fitted parts do.
    common = np.random.default_rng(9).normal(size=(20_000, 1))
    scores = common + 0.4 * np.random.default_rng(8).normal(size=(20_000, 3))
    churned = (np.random.default_rng(7).random(20_000) < expit(scores[:, 2])).astype(float)
    few, many = (stacked(scores[:rows], churned[:rows], PRIOR) for rows in (60, 20_000))
    assert np.abs(few - PRIOR).sum() < 0.3
    assert many[2] > 0.7


def test_parts_that_say_the_same_keep_the_prior():
    same = np.repeat(np.random.default_rng(3).normal(size=(400, 1)), 3, axis=1)
    churned = (np.random.default_rng(4).random(400) < expit(same[:, 0])).astype(float)
    assert stacked(same, churned, PRIOR) == pytest.approx(PRIOR, abs=1e-3)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(20, 300), seed=st.integers(0, 99), scale=st.sampled_from([1e-3, 1.0, 30.0]))
def test_weights_are_shares_even_where_scores_are_wrong_way_round(rows, seed, scale):
    scores, churned = scores_of(rows, seed)
    weights = stacked(-scale * scores, churned, PRIOR)
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)


ALONE = np.asarray([1.0, 0.0])


def logs_and_amounts(rows, seed, truth):
    rng = np.random.default_rng(seed)
    logs = rng.normal(4.0, 1.0, size=(rows, 2))
    return logs, np.exp(logs[:, truth]) * rng.gamma(0.5, 2.0, rows)


def test_amounts_give_the_weight_to_whoever_foretold_them():
    for truth in range(2):
        assert stacked_amounts(*logs_and_amounts(20_000, 1, truth), ALONE)[truth] > 0.95


def test_few_amounts_move_little_from_the_prior():
    logs, amounts = logs_and_amounts(40, 5, truth=1)
    near = 0.9 * logs[:, [0]] + 0.1 * logs
    few = stacked_amounts(near, amounts, ALONE)
    assert few[0] > 0.8


@settings(max_examples=25, deadline=None)
@given(unit=st.sampled_from([1e-6, 1.0, 1e6]), seed=st.integers(0, 99))
def test_weights_do_not_depend_on_the_currency(unit, seed):
    logs, amounts = logs_and_amounts(300, seed, truth=1)
    here, there = (stacked_amounts(logs, amounts * one, ALONE) for one in (1.0, unit))
    assert here == pytest.approx(there, abs=1e-9)
    assert (here >= 0).all()
    assert here.sum() == pytest.approx(1)


def test_the_slope_of_the_deviance_is_its_difference_quotient(monkeypatch):
    asked = []
    monkeypatch.setattr("churn_value.estimators.stacking._weights", lambda *given: asked.append(given[1]))
    stacked_amounts(np.zeros((3, 2)), np.asarray([0.0, 1.0, 5.0]), ALONE)
    losses, step = asked[0], 1e-6
    for z in (-1.0, 0.0, 2.0):
        above, below = (losses(np.full(3, z + way * step))[0] for way in (1, -1))
        assert losses(np.full(3, z))[1] == pytest.approx((above - below) / (2 * step), abs=1e-6)


def test_boosters_count_twice_once_fitted_again():
    assert refitted(np.asarray([0.5, 0.3, 0.2]), boosters=1) == pytest.approx([2 / 3, 0.2, 0.4 / 3])
    assert refitted(ALONE, boosters=1).tolist() == [1.0, 0.0]


def test_few_customers_are_believed_less_and_their_boosters_count_one_and_a_half_times():
    assert [share_of_many(customers) for customers in (0, 600, 825, 1_500, 9_999)] == [0.0, 0.0, 0.25, 1.0, 1.0]
    assert refitted(np.asarray([0.5, 0.3, 0.2]), boosters=1, many=0.0) == pytest.approx([0.6, 0.24, 0.16])
    assert refitted(np.asarray([0.5, 0.5]), boosters=1, many=0.5) == pytest.approx([1.75 / 2.75, 1 / 2.75])
