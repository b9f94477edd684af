"""The past replayed: what a model trained at each date would have said, and what then happened.

At a date t a model may learn from every outcome window complete by t, from events known before t, and with windows
chosen from what was known before t; it is tested on everyone at t, whose outcomes end at t + horizon. Then the same at
the next date. `replay` holds what was found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import ibis

from churn_value.config import Config
from churn_value.dataset import Made, made
from churn_value.errors import ConfigError, TooLittleData
from churn_value.evaluation.replay import MONTH_DAYS
from churn_value.features.clocks import CLOCKS
from churn_value.features.windows import median_gap, windows_for
from churn_value.split import observed_through, split_for
from churn_value.tables.load import Tables
from churn_value.timeline import usual_step


def known_at(tables: Tables, as_of: date) -> Tables:
    """Tables without what happened before `as_of` and was known only later.

    Events from `as_of` on stay: they are the outcomes to wait for. Labels of earlier dates end by `as_of`, and features
    never look ahead, so nothing that is learned reaches them.
    """
    return replace(tables, events={name: _known(name, table, as_of) for name, table in tables.events.items()})


def _known(name: str, table: Any, as_of: date) -> Any:
    clocks = CLOCKS[name]
    if clocks.known is None or clocks.known not in table.columns:
        return table
    moment = ibis.literal(as_of.isoformat()).cast("timestamp(6)")
    return table.filter((table[clocks.event] >= moment) | (table[clocks.known] < moment))


def config_at(config: Config, tables: Tables, as_of: date) -> Config:
    """Configuration of a training at `as_of`: its dates, and windows from the rhythm known by then."""
    dates = config.dates.model_copy(
        update={
            "as_of": _given_at(config, as_of),
            "observed_through": as_of + timedelta(days=config.horizon_days),
        }
    )
    windows = config.windows_days or _windows_at(config, tables, as_of)
    return config.model_copy(update={"dates": dates, "windows_days": windows})


def features_made(config: Config, tables: Tables, days: Sequence[date]) -> Mapping[tuple[int, ...], Made]:
    """Features for trainings at several dates, by the windows known by then, each ladder's in one pass over the events.

    The rows of a date hold nothing that was known only later, so they are the same for every training that uses them.
    """
    asked: dict[tuple[int, ...], set[date]] = {}
    for day in days:
        then = config_at(config, tables, day)
        asked.setdefault(tuple(then.windows_days or ()), set()).update(split_for(then, tables).as_ofs)
    return {
        windows: made(config.model_copy(update={"windows_days": windows}), tables, sorted(as_ofs))
        for windows, as_ofs in asked.items()
    }


def _given_at(config: Config, as_of: date) -> Any:
    """Dates given by hand, as far as they may be learned from at `as_of`; null where dates are planned."""
    given = config.dates.as_of
    if given is None:
        return None
    days = sorted({*given.train, *given.calibration, *given.test})
    known = [day for day in days if day + timedelta(days=config.horizon_days) <= as_of]
    earlier = [day for day in known if known and day + timedelta(days=config.horizon_days) <= known[-1]]
    if not earlier:
        raise TooLittleData(
            "a date to replay needs two earlier dates whose outcomes are complete", received=as_of, where="dates.as_of"
        )
    return given.model_copy(
        update={"train": tuple(earlier), "calibration": (known[-1],), "test": (as_of,), "refit": ()}
    )


def _windows_at(config: Config, tables: Tables, as_of: date) -> tuple[int, ...]:
    if "purchases" not in tables.events:
        return windows_for(None, config.horizon_days)
    purchases = tables.events["purchases"]
    moment = ibis.literal(as_of.isoformat()).cast("timestamp(6)")
    return windows_for(
        median_gap(purchases.filter(purchases.event_time < moment, purchases.known_at < moment)), config.horizon_days
    )


def replay_dates(config: Config, tables: Tables, every_days: int = MONTH_DAYS) -> tuple[date, ...]:
    """Dates at which a model could have been trained and its outcomes are known, oldest first.

    Parameters
    ----------
    config, tables
        Of a company with events.
    every_days
        Distance between dates, counted back from the newest, to the nearest whole step of the dates learned from, so
        that trainings share them; dates given by hand are taken as they are.

    Raises
    ------
    ConfigError
        For ready-made snapshots, which have no past to replay.
    TooLittleData
        When there is no such date.
    """
    if config.is_snapshot:
        raise ConfigError("a replay needs events; snapshots have none", where=str(config.source_file))
    step = config.dates.step_days or usual_step(config.horizon_days)
    whole = max(1, round(every_days / step)) * step
    found = [day for day in _candidates(config, tables, whole) if _is_feasible(config, tables, day)]
    if not found:
        raise TooLittleData(
            "a replay needs one date with two complete outcome windows before it and one after",
            code="SPAN_TOO_SHORT",
            where=str(config.source_file),
            received=f"{tables.span[0]} to {tables.span[1]}, horizon_days {config.horizon_days}",
            remedy="lower horizon_days or dates.min_history_days, or bring a longer history",
        )
    return tuple(found)


def _candidates(config: Config, tables: Tables, every_days: int) -> list[date]:
    newest = observed_through(config, tables) - timedelta(days=config.horizon_days)
    given = config.dates.as_of
    if given is not None:
        return [day for day in sorted({*given.train, *given.calibration, *given.test}) if day <= newest]
    count = max(0, (newest - tables.span[0]).days // every_days)
    return [newest - timedelta(days=every_days * step) for step in range(count, -1, -1)]


def _is_feasible(config: Config, tables: Tables, as_of: date) -> bool:
    """Whether folds of whole outcome windows fit before `as_of`."""
    try:
        given = _given_at(config, as_of)
        through = as_of + timedelta(days=config.horizon_days)
        dates = config.dates.model_copy(update={"as_of": given, "observed_through": through})
        split = split_for(config.model_copy(update={"dates": dates}), tables)
    except TooLittleData:
        return False
    return split.horizon_days == config.horizon_days
