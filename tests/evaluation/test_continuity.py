"""Days that were never loaded: by hand, by law, and through tables."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_value.config import Config
from churn_value.evaluation.continuity import Gap, continuity, gaps
from churn_value.tables.load import tables_from_frames

START = date(2025, 1, 1)
YEAR = [START + timedelta(days=number) for number in range(365)]


def without(*lost):
    return [day for day in YEAR if day not in lost]


def test_three_lost_days_of_a_daily_year_are_told_and_two_are_not():
    """p = 362/365: 365 (3/365)^3 = .0002 runs are expected; with two lost, 365 (2/365)^2 = .011."""
    lost = YEAR[100:103]
    assert gaps(without(*lost)) == (Gap(lost[0], lost[2]),)
    assert gaps(without(*lost))[0].days == 3
    assert gaps(without(*lost[:2])) == ()


def test_closed_weekends_are_no_gap_and_a_forgotten_month_is():
    weekdays = [day for day in YEAR if day.weekday() < 5]
    assert gaps(weekdays) == ()
    found = gaps([day for day in weekdays if day.month != 4])
    assert found == (Gap(date(2025, 4, 1), date(2025, 4, 30)),)


def test_the_longest_gap_comes_first():
    assert [gap.days for gap in gaps(without(*YEAR[50:54], *YEAR[200:210]))] == [10, 4]


@pytest.mark.parametrize("days", [[], [START], YEAR], ids=["no day", "one day", "every day"])
def test_nothing_is_told_of_no_gap(days):
    assert gaps(days) == ()


@given(st.sets(st.integers(0, 400), min_size=2, max_size=60))
def test_a_told_gap_is_empty_within_the_span_and_ends_beside_days_with_rows(numbers):
    days = {START + timedelta(days=number) for number in numbers}
    for gap in gaps(sorted(days, reverse=True)):
        assert gap.first - timedelta(days=1) in days
        assert gap.last + timedelta(days=1) in days
        assert not days & {gap.first + timedelta(days=number) for number in range(gap.days)}


def tables(days):
    settings = Config.model_validate({"name": "shop", "tables": {"purchases": {"path": "-"}}})
    stamps = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in days]
    frame = pd.DataFrame({"customer_id": "c", "event_time": stamps, "amount": 1.0})
    return tables_from_frames(settings, {"purchases": frame}, observed_now=datetime(2026, 1, 1, tzinfo=UTC))


def test_the_check_names_table_days_and_length_in_both_languages():
    check = continuity(tables(without(*YEAR[90:120], *YEAR[200:210])).events)
    assert (check.code, check.result, check.severity) == ("CV013", "issue", "warning")
    assert "purchases has no row on 30 days in a row, 2025-04-01 to 2025-04-30" in check.text_en
    assert "(the longest of 2 such gaps); 325 days have some" in check.text_en
    assert "purchases 在 2025-04-01 至 2025-04-30 连续 30 天没有记录（共 2 处类似空白，此为最长）" in check.text_zh
    assert not check.is_fatal


def test_tables_without_a_gap_pass():
    assert continuity(tables(YEAR).events).result == "passed"
    assert continuity({}).result == "passed"
