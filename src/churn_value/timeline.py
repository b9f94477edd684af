"""Days, half-open windows and purged splits: all the arithmetic of time, and nothing else.

One example runs through this module. With ``as_of`` 2025-07-01 and a horizon of 90 days, the outcome window is
``[2025-07-01, 2025-09-29)``: a purchase at 2025-06-30 23:59:59 UTC is past, one at 2025-07-01 00:00 is outcome, as is
2025-09-28 23:59; 2025-09-29 00:00 is neither. The newest as_of whose label is complete before 2025-07-01 begins, and
which may therefore train a model tested there, is 2025-04-02.

Every as_of is a calendar day: the instant of its midnight UTC, itself excluded from the past. An event's day number is
the count of midnights since 1970-01-01, so "strictly before as_of" is an integer comparison of day numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from churn_value.errors import ConfigError, TooLittleData

EPOCH = date(1970, 1, 1)
FoldName = Literal["train", "refit", "calibration", "test"]
MOST_STRETCH = 4
LEAST_HISTORY_DAYS = 28
SHORTEST_LEARNED_DAYS = 14


def day_number(day: date) -> int:
    """Midnights from 1970-01-01 to `day` [days]."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """Calendar day of a day number: the inverse of `day_number`."""
    return EPOCH + timedelta(days=number)


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open span of days ``[start, end)``."""

    start: date
    end: date

    def __contains__(self, day: date) -> bool:
        """Whether `day` is in the window; its end is not."""
        return self.start <= day < self.end


def outcome_window(as_of: date, horizon_days: int) -> Window:
    """Window whose events decide the label of `as_of`: ``[as_of, as_of + horizon)``."""
    return Window(as_of, as_of + timedelta(days=horizon_days))


def lookback_window(as_of: date, lookback_days: int) -> Window:
    """Window a feature may look at: ``[as_of - lookback, as_of)``."""
    return Window(as_of - timedelta(days=lookback_days), as_of)


def latest_purged(before: date, horizon_days: int) -> date:
    """Newest as_of whose outcome window ends no later than `before` begins."""
    return before - timedelta(days=horizon_days)


@dataclass(frozen=True, slots=True)
class Split:
    """as_of dates of the folds, oldest first; outcome windows of an earlier fold end before a later one begins.

    Attributes
    ----------
    train, calibration, test
        What is fitted on, chosen on, and reported.
    horizon_days
        Length of the outcome windows learned from.
    refit
        Dates between train and calibration, whose outcome windows reach into the calibration's and end before the test:
        only the shipped model is fitted on them.

    Raises
    ------
    ConfigError
        When a fold is empty, two folds are not purged, or a refit date is not between train and calibration.
    """

    train: tuple[date, ...]
    calibration: tuple[date, ...]
    test: tuple[date, ...]
    horizon_days: int
    refit: tuple[date, ...] = ()

    def __post_init__(self) -> None:
        """Refuse splits through which the future could reach the past."""
        for name in ("train", "calibration", "test"):
            if not getattr(self, name):
                raise ConfigError(f"the {name} fold needs at least one as_of", where=f"dates.{name}", received="none")
        self._check_purged("train", self.train, "calibration", self.calibration)
        self._check_purged("calibration", self.calibration, "test", self.test)
        outside = [day for day in self.refit if not max(self.train) < day < min(self.calibration)]
        if outside:
            raise ConfigError(
                "every refit as_of must be between the last train and the first calibration as_of",
                where="dates.refit",
                received=outside[0],
                remedy=f"use dates after {max(self.train)} and before {min(self.calibration)}",
            )

    def _check_purged(self, earlier: str, before: tuple[date, ...], later: str, after: tuple[date, ...]) -> None:
        newest = latest_purged(min(after), self.horizon_days)
        if max(before) > newest:
            raise ConfigError(
                f"every {earlier} as_of must be at least horizon_days before the first {later} as_of",
                code="SPLIT_NOT_PURGED",
                where=f"dates.{earlier}",
                received=f"{max(before)} with {later} at {min(after)} and horizon_days {self.horizon_days}",
                remedy=f"use {newest} or earlier",
            )

    @property
    def as_ofs(self) -> tuple[date, ...]:
        """All dates, oldest first."""
        return (*self.train, *self.refit, *self.calibration, *self.test)

    @property
    def learned(self) -> tuple[date, ...]:
        """Dates that are learned from, oldest first."""
        return (*self.train, *self.refit, *self.calibration)

    def fold_of(self, as_of: date) -> FoldName:
        """Fold that `as_of` belongs to."""
        if as_of in self.test:
            return "test"
        if as_of in self.calibration:
            return "calibration"
        return "refit" if as_of in self.refit else "train"


def stepped_back(last: date, first: date, step_days: int, at_most: int) -> tuple[date, ...]:
    """Dates from `last` backwards in steps while not before `first`; oldest first."""
    dates: list[date] = []
    while last >= first and len(dates) < at_most:
        dates.append(last)
        last -= timedelta(days=step_days)
    return tuple(reversed(dates))


def split_of_dates(
    days: Sequence[date], horizon_days: int, *, max_train_dates: int, calibration_dates: int
) -> Split | None:
    """Split of dates there are already: the newest is tested, the newest purged from it calibrate, and so on.

    Parameters
    ----------
    days
        Oldest first, each once.
    horizon_days
        Length of their outcome windows.
    max_train_dates, calibration_dates
        Dates of the two folds, at most.

    Returns
    -------
    Split or None
        Null where there are too few dates, or they are too near to each other, for three purged folds.

    Examples
    --------
    >>> months = [date(2025, month, 1) for month in range(1, 8)]
    >>> found = split_of_dates(months, 60, max_train_dates=12, calibration_dates=1)
    >>> [str(day) for day in (*found.train, *found.calibration, *found.test)]
    ['2025-01-01', '2025-02-01', '2025-03-01', '2025-05-01', '2025-07-01']
    >>> [str(day) for day in found.refit]
    ['2025-04-01']
    """
    if not days:
        return None
    test = days[-1]
    calibration = [day for day in days if day <= latest_purged(test, horizon_days)][-calibration_dates:]
    train = [day for day in days if calibration and day <= latest_purged(calibration[0], horizon_days)]
    if not train:
        return None
    kept = train[-max_train_dates:]
    between = tuple(day for day in days if kept[-1] < day < calibration[0])
    return Split(tuple(kept), tuple(calibration), (test,), horizon_days, between)


def learnable_days(span_days: int, horizon_days: int, min_history_days: int | None) -> int:
    """Longest outcome window that a span of data lets a model learn on, at most the horizon [days].

    Notes
    -----
    With H the horizon and L what is learned on, a split needs ``min_history + 2 L + H`` days, where the history wanted
    is L itself unless given, and 28 days at least. Carrying a model to more than four times what it learned on, or
    learning on less than 14 days, is not worth a number: the horizon is then returned, which `plan_split` refuses.
    """
    left = span_days - horizon_days
    if min_history_days is not None:
        longest = (left - min_history_days) // 2
    else:
        longest = left // 3 if left // 3 >= LEAST_HISTORY_DAYS else (left - LEAST_HISTORY_DAYS) // 2
    longest = min(longest, horizon_days)
    return longest if longest >= _shortest_learned(horizon_days) else horizon_days


def _shortest_learned(horizon_days: int) -> int:
    return max(SHORTEST_LEARNED_DAYS, -(-horizon_days // MOST_STRETCH))


def shortest_span(horizon_days: int, min_history_days: int | None) -> int:
    """Fewest days of events from which `learnable_days` finds a window that a split has room for [days]."""
    learned = min(_shortest_learned(horizon_days), horizon_days)
    history = max(LEAST_HISTORY_DAYS, learned) if min_history_days is None else min_history_days
    return history + 2 * learned + horizon_days


def usual_step(learned_days: int) -> int:
    """Days between neighbouring dates where none are asked for: a third of the outcome window, at least 1."""
    return max(1, learned_days // 3)


def plan_split(
    history_start: date,
    observed_through: date,
    *,
    horizon_days: int,
    step_days: int,
    min_history_days: int,
    max_train_dates: int,
    calibration_dates: int = 1,
    learned_days: int | None = None,
) -> Split:
    """Lay train, calibration and test dates into a span of data, newest first, purged.

    Parameters
    ----------
    history_start
        Day of the first event.
    observed_through
        First day *not* observed: outcome windows end here at the latest.
    horizon_days
        Length of the outcome window, at least 1.
    step_days
        Distance between neighbouring dates of a fold, at least 1.
    min_history_days
        Days of events wanted before the oldest date.
    max_train_dates, calibration_dates
        Upper bound and number of dates.
    learned_days
        Length of the outcome windows learned from, if not the horizon.

    Raises
    ------
    TooLittleData
        When the span cannot hold three purged folds: it needs
        ``min_history + 3 horizons + (calibration_dates - 1) steps`` days.
    """
    learned = horizon_days if learned_days is None else learned_days
    test = latest_purged(observed_through, horizon_days)
    newest_calibration = latest_purged(test, learned)
    calibration = stepped_back(newest_calibration, date.min, step_days, calibration_dates)
    newest_train = latest_purged(calibration[0], learned)
    train = stepped_back(newest_train, history_start + timedelta(days=min_history_days), step_days, max_train_dates)
    if not train:
        needed = min_history_days + 2 * learned + horizon_days + (calibration_dates - 1) * step_days
        raise TooLittleData(
            f"a model with horizon_days {horizon_days} needs at least {needed} days of events: "
            f"{min_history_days} of history and three outcome windows (train, calibration, test)",
            code="SPAN_TOO_SHORT",
            received=f"{(observed_through - history_start).days} days ({history_start} to {observed_through})",
            remedy="bring a longer history, or lower horizon_days or dates.min_history_days",
        )
    step = timedelta(days=step_days)
    # Not sooner than half a step after the train dates: nearly the same rows again would only count them double.
    refit = stepped_back(
        calibration[0] - step, newest_train + timedelta(days=-(-step_days // 2)), step_days, max_train_dates
    )
    return Split(train, calibration, (test,), learned, refit)
