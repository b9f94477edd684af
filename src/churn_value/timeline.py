"""Days, half-open windows and purged splits: all the arithmetic of time, and nothing else.

One example runs through this module. With ``as_of`` 2025-07-01 and a horizon of 90 days, the outcome window is
``[2025-07-01, 2025-09-29)``: a purchase at 2025-06-30 23:59:59 UTC is past, one at 2025-07-01 00:00 is outcome, as is
2025-09-28 23:59; 2025-09-29 00:00 is neither. The newest as_of whose label is complete before 2025-07-01 begins, and
which may therefore train a model tested there, is 2025-04-02.

Every as_of is a calendar day: the instant of its midnight UTC, itself excluded from the past. An event's day number is
the count of midnights since 1970-01-01, so "strictly before as_of" is an integer comparison of day numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from churn_value.errors import ConfigError, TooLittleData

EPOCH = date(1970, 1, 1)
FoldName = Literal["train", "calibration", "test"]


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
    """as_of dates of the three folds, oldest first; outcome windows of an earlier fold end before a later one begins.

    Raises
    ------
    ConfigError
        When a fold is empty or two folds are not purged.
    """

    train: tuple[date, ...]
    calibration: tuple[date, ...]
    test: tuple[date, ...]
    horizon_days: int

    def __post_init__(self) -> None:
        """Refuse splits through which the future could reach the past."""
        for name in ("train", "calibration", "test"):
            if not getattr(self, name):
                raise ConfigError(f"the {name} fold needs at least one as_of", where=f"dates.{name}", received="none")
        self._check_purged("train", self.train, "calibration", self.calibration)
        self._check_purged("calibration", self.calibration, "test", self.test)

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
        return (*self.train, *self.calibration, *self.test)

    def fold_of(self, as_of: date) -> FoldName:
        """Fold that `as_of` belongs to."""
        if as_of in self.test:
            return "test"
        return "calibration" if as_of in self.calibration else "train"


def stepped_back(last: date, first: date, step_days: int, at_most: int) -> tuple[date, ...]:
    """Dates from `last` backwards in steps while not before `first`; oldest first."""
    dates: list[date] = []
    while last >= first and len(dates) < at_most:
        dates.append(last)
        last -= timedelta(days=step_days)
    return tuple(reversed(dates))


def plan_split(
    history_start: date,
    observed_through: date,
    *,
    horizon_days: int,
    step_days: int,
    min_history_days: int,
    max_train_dates: int,
    calibration_dates: int = 1,
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

    Raises
    ------
    TooLittleData
        When the span cannot hold three purged folds: it needs
        ``min_history + 3 horizons + (calibration_dates - 1) steps`` days.
    """
    test = latest_purged(observed_through, horizon_days)
    newest_calibration = latest_purged(test, horizon_days)
    calibration = stepped_back(newest_calibration, date.min, step_days, calibration_dates)
    newest_train = latest_purged(calibration[0], horizon_days)
    train = stepped_back(newest_train, history_start + timedelta(days=min_history_days), step_days, max_train_dates)
    if not train:
        needed = min_history_days + 3 * horizon_days + (calibration_dates - 1) * step_days
        raise TooLittleData(
            f"a model with horizon_days {horizon_days} needs at least {needed} days of events: "
            f"{min_history_days} of history and three outcome windows (train, calibration, test)",
            code="SPAN_TOO_SHORT",
            received=f"{(observed_through - history_start).days} days ({history_start} to {observed_through})",
            remedy="bring a longer history, or lower horizon_days or dates.min_history_days",
        )
    return Split(train, calibration, (test,), horizon_days)
