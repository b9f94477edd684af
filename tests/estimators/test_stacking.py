"""Weights of a head's parts: held to the prior by few rows, let go by many."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit

from churn_value.estimators.stacking import stacked

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
