"""Replay the past: train at each date, score everyone, wait for the outcome, and say how the model would have done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer

from churn_value.cli import ConfigPath, Overrides, main, progress, stderr, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.dataset import Made, build_dataset
from churn_value.errors import TooLittleData
from churn_value.evaluation.backtest import config_at, features_made, known_at, replay_dates
from churn_value.evaluation.backtest_figure import replay_figure
from churn_value.evaluation.plots import save
from churn_value.evaluation.replay import MONTH_DAYS, Point, Replay, point_of
from churn_value.evaluation.results import BY_NAME
from churn_value.evaluation.sufficiency import refuse_too_little, sufficiency
from churn_value.settings import Settings
from churn_value.tables.company import company_tables
from churn_value.tables.load import Tables
from churn_value.training.judge import judge
from churn_value.training.search import fitted, search


@dataclass(frozen=True)
class Result:
    """What the replay found, and the files it left: JSON, CSV and chart."""

    replay: Replay
    files: tuple[Path, ...]


def point(
    config: Config, tables: Tables, features: Mapping[tuple[int, ...], Made], as_of: date, studies: Path
) -> Point:
    """Train as one would have at `as_of`, and judge on what happened afterwards."""
    then, known = config_at(config, tables, as_of), known_at(tables, as_of)
    data = build_dataset(then, known, features[tuple(then.windows_days or ())])
    refuse_too_little(sufficiency(data.frame), config)
    studies.parent.mkdir(parents=True, exist_ok=True)
    searched = search(data, then, storage=studies, on_trial=lambda _: None)
    model = fitted(data, then, searched)
    # A replay shows no intervals, so nothing is resampled.
    evaluation = judge(then, known, data, model, None, resamples=1).evaluation
    return point_of(evaluation, model.predict(data.fold("test")).churn_probability)


def run(config: Config, settings: Settings, every_days: int = MONTH_DAYS) -> Result:
    """Replay every feasible date of a company's data, the oldest first.

    Raises
    ------
    TooLittleData
        When no date can be replayed.
    """
    folder = settings.place(config.name) / "backtest"
    with step(f"reading the tables of {config.name}"):
        tables = company_tables(config, settings, datetime.now(UTC))
    dates = replay_dates(config, tables, every_days)
    with step(f"features for trainings at {len(dates)} dates"):
        features = features_made(config, tables, dates)
    points, skipped = [], {}
    with progress() as bar:
        task = bar.add_task(f"replaying {dates[0]} to {dates[-1]}", total=len(dates))
        for day in dates:
            bar.update(task, description=f"training as on {day}")
            try:
                points.append(point(config, tables, features, day, folder / f"studies_{day}_{config.sha256[:8]}.db"))
            except TooLittleData as error:
                skipped[day.isoformat()] = str(error)
            bar.update(task, advance=1)
    if not points:
        raise TooLittleData("a replay needs one date with enough data", received="; ".join(skipped.values()))
    replay = Replay(config.name, config.horizon_days, tuple(points), skipped)
    return Result(replay, written(replay, folder))


def written(replay: Replay, folder: Path) -> tuple[Path, ...]:
    """JSON, CSV and chart of a replay."""
    folder.mkdir(parents=True, exist_ok=True)
    document, rows = folder / "backtest.json", folder / "backtest.csv"
    document.write_text(replay.to_json(), encoding="utf-8")
    replay.frame().to_csv(rows, index=False)
    return document, rows, save(replay_figure(replay), folder / "backtest.png")


def show(replay: Replay) -> None:
    """Print a row per date, and the drift in both languages."""
    names, rows = replay.rows()
    header = ("as_of", "customers", "churned", "predicted", *(BY_NAME[name].label_en for name in names))
    stdout.print(table(f"{replay.name}, {replay.horizon_days} days ahead, trained anew at each date", header, rows))
    for drift in replay.drift():
        stdout.print(f"{drift.en}\n{drift.zh}", highlight=False)
    for day, reason in replay.skipped.items():
        stderr.print(f"{day} left out: {reason}", highlight=False)


def command(
    config: ConfigPath,
    every: Annotated[int, typer.Option(min=1, help="Days between dates, to the nearest whole step.")] = MONTH_DAYS,
    trials: Annotated[int, typer.Option(min=0, help="Of each search at each date.")] = 0,
    overrides: Overrides = None,
) -> None:
    """Replay the past: train at each date, score, wait for the outcome; how the model would have done, date by date."""
    result = run(
        load_config(config, (*(overrides or ()), f"tuning.trials={trials}")), Settings.from_environment(), every
    )
    show(result.replay)
    stderr.print("written: " + ", ".join(map(str, result.files)))


if __name__ == "__main__":
    main(command)
