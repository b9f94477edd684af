"""Rows are ranked and binned once for all that is fitted on them, and that changes nothing that is fitted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_value.estimators.binned import Target
from churn_value.estimators.linear.newton import ridge_logistic
from churn_value.estimators.linear.regression import fit_linear, fit_path
from churn_value.estimators.rows import Folds, Rows
from churn_value.estimators.trees import Growing, Objective, Sample, TreeParams, fit_trees
from churn_value.estimators.views import FoldViews, Viewed, fit_views

GROWING = Growing(TreeParams(max_rounds=12, patience=4, min_leaf_rows=5), (2,), (3, 4), 1)
BINARY, TWEEDIE = Objective("binary"), Objective("tweedie", (("tweedie_variance_power", 1.3),))


def rows_of(days, seed, each=200):
    rng = np.random.default_rng(seed)
    days = np.repeat(days, each)
    spend = np.where(rng.random(len(days)) < 0.3, 0, rng.gamma(2, 50, len(days))) * (1 + days / 50)
    code = rng.integers(0, 4, len(days)).astype(float)
    churned = (rng.random(len(days)) < np.where(spend > np.median(spend), 0.2, 0.5)).astype(float)
    matrix = np.column_stack([spend, rng.normal(size=len(days)), code])
    amount = np.where(churned == 1, 0.0, spend + rng.gamma(2, 10, len(days)))
    return Rows(matrix, churned, amount, np.asarray([f"c{n}" for n in range(len(days))], dtype=object), days)


@pytest.fixture(scope="module")
def views():
    return FoldViews(Folds(rows_of([10, 40], 1), rows_of([80], 2)), (2,))


def churned_of(rows):
    return Target(None, rows.churned)


def spent_of(rows):
    return Target(None, rows.amount_minor / 100)


def stayed_of(rows):
    return Target(rows.churned == 0, rows.amount_minor[rows.churned == 0] / 100 + 0.01)


def test_one_target_after_the_other_gives_what_each_gives_alone(views):
    first = views.stopped(churned_of, BINARY, GROWING)
    between = views.stopped(spent_of, TWEEDIE, GROWING)
    some = views.stopped(stayed_of, Objective("gamma"), GROWING)
    assert views.stopped(churned_of, BINARY, GROWING) == first
    assert views.stopped(spent_of, TWEEDIE, GROWING) == between
    assert views.stopped(stayed_of, Objective("gamma"), GROWING) == some
    alone = FoldViews(views.folds, (2,))
    assert alone.stopped(spent_of, TWEEDIE, GROWING) == between
    assert alone.stopped(stayed_of, Objective("gamma"), GROWING) == some


def test_the_view_of_the_features_is_that_of_rows_binned_by_themselves(views):
    train, later = views.folds.train, views.folds.calibration
    alone = fit_trees(
        Sample(train.matrix, train.churned), BINARY, GROWING, validation=Sample(later.matrix, later.churned)
    )
    assert views.stopped(churned_of, BINARY, GROWING).texts[0] == alone.texts[0]


def test_some_of_the_rows_are_fitted_as_if_the_others_were_not_there(views):
    rows = views.folds.train
    target = stayed_of(rows)
    said = fit_views(views.train, stayed_of, Objective("gamma"), GROWING, (5, 5))
    alone = fit_trees(Sample(rows.matrix[target.kept], target.values), Objective("gamma"), GROWING, rounds=(5, 5))
    assert said.texts[0] == alone.texts[0]


def test_rounds_given_are_grown_in_both_views(views):
    trees = fit_views(views.together, churned_of, BINARY, GROWING, (3, 6))
    assert trees.rounds == (3, 6)
    assert isinstance(views.together, Viewed)
    assert len(views.together.rows) == len(views.folds.train) + len(views.folds.calibration)


def test_newton_finds_the_optimum_that_was_worked_out_by_hand():
    # Without columns but the constant: log-odds of the share, log(3 / 1) for 3 of 4.
    found = ridge_logistic(np.ones((4, 1)), np.array([1.0, 1.0, 1.0, 0.0]), 1.0, np.zeros(1))
    assert found[0] == pytest.approx(np.log(3.0), abs=1e-8)
    # One column of +1 and -1, y equal to it, penalty r: tanh-like condition (1 - p) = r b with p = 1 / (1 + exp(-b)).
    column = np.array([1.0, -1.0])
    found = ridge_logistic(np.column_stack([np.ones(2), column]), np.array([1.0, 0.0]), 0.5, np.zeros(2))
    assert found[0] == pytest.approx(0.0, abs=1e-9)
    assert 1 / (1 + np.exp(found[1])) == pytest.approx(0.5 * found[1], abs=1e-8)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1_000), penalty=st.sampled_from([1e-6, 0.003, 0.3, 30.0]), scale=st.sampled_from([0.1, 30]))
def test_no_gradient_is_left_at_the_optimum_wherever_newton_begins(seed, penalty, scale):
    rng = np.random.default_rng(seed)
    columns = np.column_stack([np.ones(80), rng.normal(size=(80, 4))])
    churned = (rng.random(80) < 1 / (1 + np.exp(-columns[:, 1]))).astype(float)
    found = ridge_logistic(columns, churned, penalty, scale * rng.normal(size=5))
    p = 1 / (1 + np.exp(-columns @ found))
    gradient = columns.T @ (p - churned) / 80 + np.array([0, *[penalty] * 4]) * found
    assert np.abs(gradient).max() < 1e-5


def test_a_path_is_the_regressions_one_by_one():
    rows = rows_of([10, 40], 3)
    path = fit_path(rows.matrix, rows.churned, (2,), (0.003, 0.3, 0.03))
    for penalty, fitted in path.items():
        alone = fit_linear(rows.matrix, rows.churned, (2,), penalty=penalty)
        np.testing.assert_allclose(fitted.raw(rows.matrix), alone.raw(rows.matrix), atol=1e-6)
    assert sorted(path) == [0.003, 0.03, 0.3]
