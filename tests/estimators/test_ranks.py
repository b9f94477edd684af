"""Ranks within a date, and boosters fitted on them that need no ranks at score."""

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_value.estimators.binned import Target
from churn_value.estimators.ranks import LARGEST, Anchor, anchored, newest, within_dates
from churn_value.estimators.rows import Rows
from churn_value.estimators.trees import Growing, Objective, Sample, TreeParams, fit_trees
from churn_value.estimators.views import Viewed, fit_views

NAN = float("nan")


def rows_of(columns, days):
    matrix = np.column_stack([np.asarray(column, dtype=float) for column in columns])
    blank = np.zeros(len(matrix))
    return Rows(matrix, blank, blank, np.asarray(["c"] * len(matrix), dtype=object), np.asarray(days))


def test_ranks_of_four_customers_worked_by_hand():
    # Sorted 0 0 5 9: below 0 none, not above two, so 2 / 8; 5 has (2 + 3) / 8; 9 has (3 + 4) / 8.
    ranked = within_dates(rows_of([[5, 0, 9, 0]], [1, 1, 1, 1]), ())
    assert ranked.matrix[:, 0].tolist() == [0.625, 0.25, 0.875, 0.25]


def test_each_date_is_ranked_by_itself_and_missing_numbers_and_codes_are_left_alone():
    rows = rows_of([[1, 2, 10, 20, NAN], [3, 1, 3, 1, 2]], [1, 1, 2, 2, 2])
    ranked = within_dates(rows, (1,)).matrix
    np.testing.assert_array_equal(ranked[:, 0], [0.25, 0.75, 0.25, 0.75, NAN])
    np.testing.assert_array_equal(ranked[:, 1], rows.matrix[:, 1])
    assert newest(rows).matrix[:, 0].tolist()[:2] == [10, 20]


@pytest.mark.parametrize(
    ("rank", "number"),
    [
        (0.2, np.nextafter(0.0, -np.inf)),  # below the rank of the smallest
        (0.25, 0.0),  # numbers between 0 and 5 rank 2/4
        (0.5, np.nextafter(5.0, -np.inf)),
        (0.7, 5.0),
        (0.8, np.nextafter(9.0, -np.inf)),
        (0.9, 9.0),
        (1.0, LARGEST),
    ],
)
def test_the_number_at_a_rank_worked_by_hand(rank, number):
    assert Anchor.of(np.asarray([[0.0], [0.0], [5.0], [9.0]]), ()).number_at(0, rank) == number


@given(
    points=st.lists(st.integers(-3, 3), min_size=1, max_size=9),
    x=st.floats(-4, 4),
    rank=st.floats(0, 1),
)
def test_a_rank_is_within_a_bound_exactly_where_the_number_is_within_its_bound(points, x, rank):
    anchor = Anchor.of(np.asarray(points, dtype=float)[:, None], ())
    assert (anchor.ranks(np.asarray([[x]]))[0, 0] <= rank) == (x <= anchor.number_at(0, rank))


def history(seed, rows=900):
    rng = np.random.default_rng(seed)
    days = np.repeat([10, 40, 70], rows // 3)
    spend = np.where(rng.random(rows) < 0.3, 0, rng.gamma(2, 50, rows)) * (1 + days / 50)
    gap = np.where(rng.random(rows) < 0.2, np.nan, rng.integers(0, 90, rows))
    code = rng.integers(0, 4, rows).astype(float)
    churned = (rng.random(rows) < np.where(spend > np.median(spend), 0.2, 0.5) + 0.1 * (code == 2)).astype(float)
    customers = np.asarray([f"c{n}" for n in range(rows)], dtype=object)
    return Rows(np.column_stack([spend, gap, code, rng.normal(size=rows)]), churned, churned, customers, days)


def sample_of(rows):
    return Sample(rows.matrix, rows.churned)


def target_of(rows):
    return Target(None, rows.churned)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 50))
def test_an_anchored_booster_says_of_a_row_what_the_booster_says_of_its_ranks(seed):
    rows = history(seed)
    growing = Growing(TreeParams(max_rounds=12, min_leaf_rows=5), (2,), (3,), 1)
    text = fit_trees(sample_of(within_dates(rows, (2,))), Objective("binary"), growing).texts[0]
    anchor = Anchor.of(newest(rows).matrix, (2,))
    later = np.vstack([history(seed + 99).matrix, [[NAN, NAN, NAN, NAN], [0, 0, 9, 0], [-1e9, 1e9, 1, 1e9]]])
    np.testing.assert_array_equal(
        lgb.Booster(model_str=anchored(text, anchor)).predict(later, raw_score=True),
        lgb.Booster(model_str=text).predict(anchor.ranks(later), raw_score=True),
    )


def test_seeds_alternate_between_the_views_and_a_single_date_has_one_view():
    growing = Growing(TreeParams(max_rounds=5), (2,), (3, 4), 1)
    rows = history(1)
    both = fit_views(Viewed(rows, (2,)), target_of, Objective("binary"), growing, (5, 5))
    plain = fit_trees(sample_of(rows), Objective("binary"), growing)
    assert both.texts[0] == plain.texts[0]
    assert both.texts[1] != plain.texts[1]
    one_date = rows.where(rows.days == 70)
    assert (
        fit_views(Viewed(one_date, (2,)), target_of, Objective("binary"), growing, (5, 5)).texts
        == fit_trees(sample_of(one_date), Objective("binary"), growing).texts
    )


def test_ranks_carry_where_the_whole_population_moves():
    rows, later = history(5), history(6)
    growing = Growing(TreeParams(max_rounds=30, min_leaf_rows=20), (2,), (3, 4), 1)
    moved = later.where(later.days == 70)
    anchor = Anchor.of(moved.matrix * [5, 1, 1, 1], (2,))
    text = fit_trees(sample_of(within_dates(rows, (2,))), Objective("binary"), growing).texts[0]
    doubled = lgb.Booster(model_str=anchored(text, anchor)).predict(moved.matrix * [5, 1, 1, 1], raw_score=True)
    plain = lgb.Booster(model_str=anchored(text, Anchor.of(moved.matrix, (2,)))).predict(moved.matrix, raw_score=True)
    np.testing.assert_array_equal(doubled, plain)
