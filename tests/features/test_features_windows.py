"""The default ladder of windows, from rhythm and horizon."""

import doctest

import ibis
import pytest
from feature_world import arrow_rows, rows_of
from hypothesis import given
from hypothesis import strategies as st

from churn_value.features import windows
from churn_value.features.windows import median_gap, windows_for


def test_the_examples_in_the_text_are_true():
    assert doctest.testmod(windows).failed == 0


@given(gap=st.none() | st.floats(0.5, 5_000), horizon=st.integers(1, 3_650))
def test_any_ladder_increases_holds_the_horizon_and_reaches_a_year(gap, horizon):
    ladder = windows_for(gap, horizon)
    assert 2 <= len(ladder) <= 5
    assert list(ladder) == sorted(set(ladder))
    assert horizon in ladder
    assert ladder[0] >= 1
    assert ladder[-1] >= 357


def test_a_longer_rhythm_never_shortens_the_first_window():
    firsts = [windows_for(gap, 180)[0] for gap in (1, 5, 10, 30, 60, 90)]
    assert firsts == sorted(firsts)
    assert firsts[0] == 7


@pytest.fixture
def purchases():
    def table(rows: str):
        return ibis.memtable(arrow_rows("purchases", rows_of("purchases", rows)))

    return table


def test_the_median_gap_is_between_purchase_days_of_one_customer(purchases):
    rows = """
customer_id | event_time          | amount_minor
a           | 2025-01-01 00:00:00 | 1
a           | 2025-01-01 20:00:00 | 1
a           | 2025-01-03 00:00:00 | 1
a           | 2025-01-04 00:00:00 | -1
a           | 2025-01-13 00:00:00 | 1
b           | 2025-01-20 00:00:00 | 1
b           | 2025-01-24 00:00:00 | 1
"""
    assert median_gap(purchases(rows)) == 4.0


def test_without_a_repeat_there_is_no_gap(purchases):
    assert median_gap(purchases("customer_id | event_time | amount_minor\na | 2025-01-01 | 1")) is None
