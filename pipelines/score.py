"""Score a whole base with the champion: answers and the features they were made from, as Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from churn_value.cli import ConfigPath, Overrides, main, progress, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.dataset import features_at, observed_through
from churn_value.features.suited import catalog_of
from churn_value.monitoring.archive import ScoreArchive
from churn_value.recommendation.habits import with_habits
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.overrides import TierOverrides, override_rows, overrides_for, write_overrides
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame
from churn_value.service.store import write_features
from churn_value.settings import Settings
from churn_value.tables.company import company_tables
from churn_value.tracking.exported import champion_folder_or_refuse

CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class Result:
    """Answers of a base, and where they were written."""

    answers: pd.DataFrame
    scores: Path
    features: Path
    bundle: Bundle
    tier_overrides: TierOverrides
    today: date


def _answered(
    bundle: Bundle,
    frame: pd.DataFrame,
    before: pd.DataFrame | None,
    by_hand: TierOverrides,
    *,
    locale: str,
    today: date,
    threads: int,
) -> Iterator[pd.DataFrame]:
    with progress() as bar:
        for start in bar.track(range(0, len(frame), CHUNK_ROWS), description="scoring"):
            chunk = frame.iloc[start : start + CHUNK_ROWS]
            answers = score(
                bundle, chunk, locale=locale, previous=before, overrides=by_hand, now=today, threads=threads
            )
            yield answers_to_frame(answers)


def run(config: Config, settings: Settings, *, as_of: date | None = None, locale: str = "en") -> Result:
    """Score everyone the cohort rule admits at `as_of`, by default the first day not observed."""
    now = datetime.now(UTC)
    bundle = load_bundle(champion_folder_or_refuse(settings.exported(config.name), config.name))
    by_hand = overrides_for(settings.data_root, config.tier_overrides, bundle.policy.tiers.codes)
    with step(f"reading the tables of {config.name}"):
        tables = company_tables(config, settings, now)
    features = catalog_of(bundle.catalog.parameters)
    bundle.catalog.check(features)
    day = as_of or observed_through(config, tables)
    with step(f"features of everyone as of {day}"):
        frame = with_habits(features_at(config, tables, features, day), tables, day, bundle.recommender)
    archive, stored = ScoreArchive(settings.scores(config.name)), settings.scored_features(config.name)
    before = archive.previous(day)
    threads, today = config.tuning.threads, now.date()
    chunks = _answered(bundle, frame, before, by_hand, locale=locale, today=today, threads=threads)
    answers = pd.concat(chunks, ignore_index=True)
    write_features(frame, stored, previous=before)
    write_overrides(by_hand, settings.tier_overrides(config.name))
    return Result(answers, archive.write(answers, day), stored, bundle, by_hand, today)


def _total(amounts: pd.Series[float]) -> float:
    """Sum that is unknown, not 0, where no amount is known."""
    return float(amounts.sum(min_count=1))


def show(result: Result) -> None:
    """Print the base by tier."""
    tiers = result.answers.groupby(["tier_rank", "tier"]).agg(
        customers=("customer_id", "size"),
        churn=("churn_probability", "mean"),
        expected=("expected_value", _total),
        at_risk=("value_at_risk", _total),
    )
    rows = tiers.reset_index("tier").to_numpy().tolist()
    heads = ("tier", "customers", "mean churn", "expected value", "value at risk")
    stdout.print(table(f"{len(result.answers):,} answers in {result.scores}", heads, rows))
    if result.tier_overrides.by_customer:
        rows = override_rows(result.tier_overrides, result.answers, result.today)
        stdout.print(table("Tiers set by hand", ("customer", "tier", "own tier", "reason", "owner", "until"), rows))


def command(
    config: ConfigPath,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Default: first day not observed.")
    ] = None,
    locale: Annotated[str, typer.Option(help="Language of the texts: en or zh.")] = "en",
    overrides: Overrides = None,
) -> None:
    """Score everyone with the champion; write answers and features as Parquet."""
    loaded, settings = load_config(config, tuple(overrides or ())), Settings.from_environment()
    show(run(loaded, settings, as_of=as_of.date() if as_of else None, locale=locale))


if __name__ == "__main__":
    main(command)
