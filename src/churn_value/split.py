"""Which as_of dates a company's tables are parted by: as configured, or planned from the span of the events."""

from __future__ import annotations

from datetime import date

import pandas as pd

from churn_value.config import Config
from churn_value.errors import ConfigError, TooLittleData
from churn_value.tables.load import Tables
from churn_value.timeline import (
    LEAST_HISTORY_DAYS,
    Split,
    learnable_days,
    plan_split,
    shortest_span,
    split_of_dates,
    usual_step,
)

LEAST_PANEL_ROWS = 100
LEAST_PANEL_SHARE = 0.9


def observed_through(config: Config, tables: Tables) -> date:
    """First day not observed: as configured, else the day after the last event.

    Raises
    ------
    ConfigError
        ``OBSERVED_AFTER_THE_EVENTS``, when nobody did anything for a whole horizon before the configured day, so that
        everybody would have left.
    """
    through, after_last = config.dates.observed_through, tables.span[1]
    if through is None:
        return after_last
    silent = (through - after_last).days
    if config.churn.definition == "no_purchase" and silent >= config.horizon_days:
        raise ConfigError(
            "events must reach to within a horizon of the day they are observed through",
            code="OBSERVED_AFTER_THE_EVENTS",
            where=f"{config.source_file}: dates.observed_through",
            received=f"{through}, {silent} days after the last event, with horizon_days {config.horizon_days}",
            remedy=f"leave it out, or set it to {after_last}",
        )
    return through


def split_for(config: Config, tables: Tables) -> Split:
    """as_of dates of the folds, given by hand or planned from the span of the data.

    Raises
    ------
    TooLittleData
        ``SPAN_TOO_SHORT``, with the fewest days that are enough.
    """
    start, through = tables.span[0], observed_through(config, tables)
    learned = config.dates.learned_days or config.horizon_days
    if given := _given(config, learned):
        return given
    if config.dates.learned_days is None and config.churn.definition == "no_purchase":
        _check_span(config, start, through)
        learned = learnable_days((through - start).days, config.horizon_days, config.dates.min_history_days)
    return plan_split(
        start,
        through,
        horizon_days=config.horizon_days,
        step_days=config.dates.step_days or usual_step(learned),
        min_history_days=config.dates.min_history_days or max(LEAST_HISTORY_DAYS, learned // 3),
        max_train_dates=config.dates.max_train_dates,
        calibration_dates=config.dates.calibration_dates,
        learned_days=learned,
    )


def panel_split(config: Config, as_ofs: pd.Series) -> Split | None:
    """as_of dates of the folds of dated, ready-made rows: given by hand, or taken from the dates there are.

    Parameters
    ----------
    config
        Gives the horizon of the labels.
    as_ofs
        Date of each row that has a label, as datetime64.

    Returns
    -------
    Split or None
        Null where rows are undated or no purged folds can be made of their dates, and they are parted by customer: with
        too few dates, or where more than a tenth of the rows stand on days with fewer than 100, which are days of
        single customers and not of the table.
    """
    if given := _given(config, config.horizon_days):
        return given
    rows = as_ofs.dt.date.value_counts()
    shared = rows[rows >= LEAST_PANEL_ROWS]
    if shared.sum() < LEAST_PANEL_SHARE * len(as_ofs):
        return None
    return split_of_dates(
        sorted(shared.index),
        config.horizon_days,
        max_train_dates=config.dates.max_train_dates,
        calibration_dates=config.dates.calibration_dates,
    )


def _given(config: Config, learned_days: int) -> Split | None:
    """Dates given by hand, if they are."""
    given = config.dates.as_of
    return None if given is None else Split(given.train, given.calibration, given.test, learned_days, given.refit)


def _check_span(config: Config, start: date, through: date) -> None:
    """Refuse a span from which not even the shortest outcome windows can be learned."""
    needed = shortest_span(config.horizon_days, config.dates.min_history_days)
    if (through - start).days < needed:
        raise TooLittleData(
            f"a model with horizon_days {config.horizon_days} needs at least {needed} days of events, "
            "even if it learns on shorter outcome windows",
            code="SPAN_TOO_SHORT",
            where=f"{config.source_file}: horizon_days",
            received=f"{(through - start).days} days ({start} to {through})",
            remedy="bring a longer history, or lower horizon_days or dates.min_history_days",
        )
