from datetime import date, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from churn_value.errors import ConfigError, TooLittleData
from churn_value.timeline import (
    LEAST_HISTORY_DAYS,
    Split,
    day_number,
    day_of,
    latest_purged,
    learnable_days,
    lookback_window,
    outcome_window,
    plan_split,
    shortest_span,
    stepped_back,
    usual_step,
)


def test_the_example_of_the_design_holds():
    window = outcome_window(date(2025, 7, 1), 90)
    assert date(2025, 6, 30) not in window
    assert date(2025, 7, 1) in window
    assert date(2025, 9, 28) in window
    assert date(2025, 9, 29) not in window
    assert latest_purged(date(2025, 7, 1), 90) == date(2025, 4, 2)


def test_the_lookback_window_excludes_as_of():
    window = lookback_window(date(2025, 7, 1), 30)
    assert (window.start, window.end) == (date(2025, 6, 1), date(2025, 7, 1))
    assert date(2025, 7, 1) not in window


@pytest.mark.parametrize(
    ("day", "number"), [(date(1970, 1, 1), 0), (date(1969, 12, 31), -1), (date(2000, 3, 1), 11017)]
)
def test_day_numbers_count_midnights_from_1970(day, number):
    assert day_number(day) == number
    assert day_of(number) == day


def test_dates_step_back_from_the_last_and_come_oldest_first():
    assert stepped_back(date(2025, 3, 10), date(2025, 3, 1), 4, 9) == (
        date(2025, 3, 2),
        date(2025, 3, 6),
        date(2025, 3, 10),
    )
    assert stepped_back(date(2025, 3, 10), date(2025, 3, 1), 4, 2) == (date(2025, 3, 6), date(2025, 3, 10))


def test_a_year_of_data_with_a_28_day_horizon_splits_as_worked_by_hand():
    split = plan_split(
        date(2017, 1, 1), date(2018, 1, 1), horizon_days=28, step_days=14, min_history_days=56, max_train_dates=3
    )
    assert split.test == (date(2017, 12, 4),)
    assert split.calibration == (date(2017, 11, 6),)
    assert split.train == (date(2017, 9, 11), date(2017, 9, 25), date(2017, 10, 9))
    assert split.refit == (date(2017, 10, 23),)
    assert [split.fold_of(day) for day in split.as_ofs] == ["train"] * 3 + ["refit", "calibration", "test"]
    assert split.learned == split.as_ofs[:-1]


def test_a_horizon_too_long_for_the_history_is_learned_on_a_third_of_what_is_left_of_the_span():
    # 546 days before the end, 273 of them the test's outcome: three parts of 91 days.
    assert learnable_days(546, 273, None) == 91
    assert learnable_days(546, 273, 33) == 120
    assert learnable_days(1_200, 273, None) == 273
    assert learnable_days(280, 273, None) == 273  # too little to learn anything: refused by the plan
    split = plan_split(
        date(1997, 1, 1),
        date(1998, 7, 1),
        horizon_days=273,
        step_days=30,
        min_history_days=91,
        max_train_dates=12,
        learned_days=91,
    )
    assert (split.train, split.calibration, split.test) == (
        (date(1997, 4, 2),),
        (date(1997, 7, 2),),
        (date(1997, 10, 1),),
    )
    assert split.refit == (date(1997, 5, 3), date(1997, 6, 2))
    assert split.horizon_days == 91


def planned(span, horizon, min_history=None):
    learned = learnable_days(span, horizon, min_history)
    return plan_split(
        date(2020, 1, 1),
        date(2020, 1, 1) + timedelta(days=span),
        horizon_days=horizon,
        step_days=usual_step(learned),
        min_history_days=min_history or max(LEAST_HISTORY_DAYS, learned // 3),
        max_train_dates=12,
        learned_days=learned,
    )


def test_the_shortest_span_worked_by_hand():
    # 45 days ahead are learned on 14 at least: 28 of history, twice 14, and 45.
    assert shortest_span(45, None) == 101
    # 400 ahead on 100 at least, with as much history: 100 + 200 + 400.
    assert shortest_span(400, None) == 700
    assert shortest_span(400, 30) == 630
    # 7 are not learned on fewer: 28 + 14 + 7.
    assert shortest_span(7, None) == 49


@given(
    horizon=st.integers(1, 400),
    more=st.integers(0, 600) | st.sampled_from([0, 1, 2, 3]),
    min_history=st.none() | st.integers(1, 300),
)
@example(horizon=45, more=25, min_history=None)
def test_every_span_from_the_shortest_on_can_be_planned_and_none_below(horizon, more, min_history):
    shortest = shortest_span(horizon, min_history)
    assert planned(shortest + more, horizon, min_history).train
    with pytest.raises(TooLittleData):
        planned(shortest - 1, horizon, min_history)


def test_a_refit_date_must_be_between_train_and_calibration():
    folds = {"train": (date(2025, 1, 2),), "calibration": (date(2025, 4, 2),), "test": (date(2025, 7, 1),)}
    assert Split(**folds, horizon_days=90, refit=(date(2025, 2, 1),)).refit
    with pytest.raises(ConfigError, match="after 2025-01-02 and before 2025-04-02"):
        Split(**folds, horizon_days=90, refit=(date(2025, 4, 2),))


def test_a_span_one_day_too_short_is_refused_with_the_number_needed():
    span = {"horizon_days": 10, "step_days": 5, "min_history_days": 20, "max_train_dates": 5}
    assert plan_split(date(2025, 1, 1), date(2025, 1, 1) + timedelta(days=50), **span).train == (date(2025, 1, 21),)
    with pytest.raises(TooLittleData, match="at least 50 days"):
        plan_split(date(2025, 1, 1), date(2025, 1, 1) + timedelta(days=49), **span)


def test_a_split_that_is_not_purged_is_refused_and_the_remedy_is_the_newest_allowed_date():
    with pytest.raises(ConfigError, match="use 2025-04-02 or earlier") as caught:
        Split((date(2025, 1, 1),), (date(2025, 4, 3),), (date(2025, 7, 1),), 90)
    assert caught.value.code == "SPLIT_NOT_PURGED"
    assert Split((date(2025, 1, 2),), (date(2025, 4, 2),), (date(2025, 7, 1),), 90).train


def test_an_empty_fold_is_refused():
    with pytest.raises(ConfigError, match="the calibration fold needs"):
        Split((date(2025, 1, 1),), (), (date(2025, 7, 1),), 90)


@given(
    horizon=st.integers(1, 120),
    step=st.integers(1, 60),
    history=st.integers(1, 200),
    span=st.integers(1, 1500),
    calibration=st.integers(1, 3),
)
def test_every_planned_split_is_purged_complete_and_has_its_history(horizon, step, history, span, calibration):
    start = date(2020, 1, 1)
    end = start + timedelta(days=span)
    needed = history + 3 * horizon + (calibration - 1) * step
    plan = {
        "horizon_days": horizon,
        "step_days": step,
        "min_history_days": history,
        "max_train_dates": 8,
        "calibration_dates": calibration,
    }
    if span < needed:
        with pytest.raises(TooLittleData):
            plan_split(start, end, **plan)
        return
    split = plan_split(start, end, **plan)
    assert max(split.train) + timedelta(days=horizon) <= min(split.calibration)
    assert max(split.calibration) + timedelta(days=horizon) <= min(split.test)
    assert max(split.test) + timedelta(days=horizon) == end
    assert all(max(split.train) < day < min(split.calibration) for day in split.refit)
    assert min(split.train) >= start + timedelta(days=history)
    assert list(split.as_ofs) == sorted(set(split.as_ofs))
