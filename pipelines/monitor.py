"""How the champion is doing: drift since it was tested, moves between tiers, and outcomes that have come true."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd

from churn_value.cli import ConfigPath, Overrides, main, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.dataset import features_at, outcomes_for
from churn_value.features.suited import catalog_of
from churn_value.monitoring.archive import ScoreArchive
from churn_value.monitoring.drift import feature_drift
from churn_value.monitoring.migration import Migration, tier_migration
from churn_value.monitoring.moves import COLUMNS, largest_moves, reason_counts, weights_of
from churn_value.monitoring.outcomes import by_band, is_mature, matured, summary
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.wording import minor_units
from churn_value.settings import Settings
from churn_value.split import observed_through
from churn_value.tables.company import company_tables
from churn_value.tables.load import Tables
from churn_value.tracking.exported import champion_folder_or_refuse

SHOWN = 12


@dataclass(frozen=True)
class Result:
    """What was found; None where there is nothing to compare yet."""

    drift: pd.DataFrame
    migration: Migration | None
    moves: pd.DataFrame
    bands: pd.DataFrame | None
    measures: dict[str, float]


def _outcomes(config: Config, tables: Tables, archive: ScoreArchive) -> pd.DataFrame | None:
    """Scored rows of every date whose outcome window is complete."""
    through = observed_through(config, tables)
    dates = [day for day in archive.dates() if is_mature(day, config.horizon_days, through)]
    if not dates:
        return None
    scores = pd.concat([archive.read(day) for day in dates], ignore_index=True)
    known = outcomes_for(config, tables, scores[["customer_id", "as_of"]])
    return matured(scores, known, minor_per_major=minor_units(config.currency))


def _drift(config: Config, tables: Tables, bundle: Bundle) -> pd.DataFrame:
    features = catalog_of(bundle.catalog.parameters)
    bundle.catalog.check(features)
    tested = date.fromisoformat(max(bundle.manifest["tested_at"]))
    newest = observed_through(config, tables)
    before, now = (features_at(config, tables, features, day) for day in (tested, newest))
    return feature_drift(before, now, features.features)


def run(config: Config, settings: Settings) -> Result:
    """Compare the base as it is with the base the champion was tested on, and promises with outcomes."""
    bundle = load_bundle(champion_folder_or_refuse(settings.exported(config.name), config.name))
    with step(f"reading the tables of {config.name}"):
        tables = company_tables(config, settings, datetime.now(UTC))
    archive = ScoreArchive(settings.scores(config.name))
    last = archive.dates()[-2:]
    moved, moves = None, pd.DataFrame(columns=COLUMNS)
    if len(last) > 1:
        policy, (before, now) = bundle.policy, [archive.read(day) for day in last]
        moved = tier_migration(before, now, policy.tiers.codes)
        weights = weights_of(policy.weights.model_dump(), policy.tiers.by)
        moves = largest_moves(before, now, policy.tiers.codes, weights, most=len(now))
    with step("drift and outcomes"):
        drift, rows = _drift(config, tables, bundle), _outcomes(config, tables, archive)
    bands = None if rows is None or rows.empty else by_band(rows, "churn_band")
    return Result(drift, moved, moves, bands, {} if bands is None or rows is None else summary(rows))


def show(result: Result) -> None:
    """Print what was found."""
    _print("Features that drifted most since the test", result.drift.head(SHOWN))
    if result.migration is None:
        stdout.print("tiers: one date scored so far; moves are shown once there are two")
    else:
        _print(f"Tiers, {result.migration.stability:.0%} kept", result.migration.counts.reset_index(names="before"))
        if len(result.moves):
            _print("Why they moved", reason_counts(result.moves))
            _print("The largest moves", result.moves.head(SHOWN))
    if result.bands is None:
        stdout.print("outcomes: no scored date is a whole horizon old yet")
    else:
        _print("Promises and outcomes", result.bands)
        _print("Over all of them", pd.DataFrame([result.measures]))


def _print(title: str, frame: pd.DataFrame) -> None:
    rows: list[list[Any]] = frame.to_numpy().tolist()
    stdout.print(table(title, tuple(map(str, frame.columns)), rows))


def command(config: ConfigPath, overrides: Overrides = None) -> None:
    """Drift since the champion was tested, moves between tiers, and outcomes that have come true."""
    show(run(load_config(config, tuple(overrides or ())), Settings.from_environment()))


if __name__ == "__main__":
    main(command)
