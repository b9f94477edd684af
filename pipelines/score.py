"""Score a whole base with the champion: answers and the features they were made from, as Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from churn_value.cli import ConfigPath, Overrides, main, progress, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.features.suited import catalog_of
from churn_value.monitoring.archive import ScoreArchive
from churn_value.monitoring.base_run import CHUNK_ROWS, KINDS, BaseRun
from churn_value.monitoring.by_tier import COLUMNS, by_tier
from churn_value.monitoring.parts import parts_of
from churn_value.monitoring.scorers import processes_for, scorer
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.override_report import TITLES, as_table, listed, own_tiers, publish
from churn_value.scoring.overrides import TierOverrides, overrides_for
from churn_value.service.store import ROWS_PER_GROUP
from churn_value.settings import Settings
from churn_value.split import observed_through
from churn_value.tables.company import company_tables
from churn_value.tracking.exported import champion_folder_or_refuse

AMOUNTS = ["churn_probability", "expected_value", "value_at_risk"]
SHOWN = ["customer_id", "tier", "tier_rank", "tier_source", "tier_own", *AMOUNTS]


@dataclass(frozen=True)
class Result:
    """Where the answers of a base and its features were written."""

    scores: Path
    features: Path
    bundle: Bundle
    tier_overrides: TierOverrides
    today: date

    @property
    def answers(self) -> pd.DataFrame:
        """All answers with all columns, read from the file."""
        return pd.read_parquet(self.scores)


def run(
    config: Config,
    settings: Settings,
    *,
    as_of: date | None = None,
    locale: str = "en",
    chunk_rows: int = CHUNK_ROWS,
    processes: int | None = None,
) -> Result:
    """Score everyone the cohort rule admits at `as_of`, by default the first day not observed.

    Chunk by chunk: a run that was stopped, however it was, goes on after the chunks it had finished. Each chunk is
    shared out among `processes`; None starts as many as a base of this size is worth.
    """
    now = datetime.now(UTC)
    folder = champion_folder_or_refuse(settings.exported(config.name), config.name)
    bundle = load_bundle(folder)
    by_hand = overrides_for(settings.data_root, config.tier_overrides, bundle.policy.tiers.codes)
    with step(f"reading the tables of {config.name}"):
        tables = company_tables(config, settings, now)
    features = catalog_of(bundle.catalog.parameters)
    bundle.catalog.check(features)
    day, archive = as_of or observed_through(config, tables), ScoreArchive(settings.scores(config.name))
    base = BaseRun(config, tables, features, bundle, by_hand, archive.before(day), day, now.date(), locale)
    keys = base.keys()
    stored = settings.scored_features(config.name)
    with parts_of(settings.scoring(config.name), base.told(chunk_rows), KINDS) as parts:
        with progress() as bar, scorer(bundle, folder, base.wanted, processes or processes_for(len(keys))) as scored:
            made = bar.add_task(f"scoring everyone as of {day}", total=len(keys))
            for rows in base.finish(parts, keys, chunk_rows, scored):
                bar.advance(made, rows)
        chunks = -(-len(keys) // chunk_rows)
        parts.join("features", stored, count=chunks, rows_per_group=ROWS_PER_GROUP)
        publish(by_hand, settings.tier_overrides(config.name), now.date())
        parts.join("answers", archive.path(day), count=chunks)
    return Result(archive.path(day), stored, bundle, by_hand, now.date())


def show(result: Result) -> None:
    """Print the base by tier."""
    answers = pd.read_parquet(result.scores, columns=SHOWN)
    stdout.print(table(f"{len(answers):,} answers in {result.scores}", COLUMNS, by_tier(answers)))
    if (by_hand := result.tier_overrides).by_customer:
        stdout.print(table(TITLES["en"], *as_table(listed(by_hand, result.today), "en", own_tiers(by_hand, answers))))


def command(
    config: ConfigPath,
    *,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Default: first day not observed.")
    ] = None,
    locale: Annotated[str, typer.Option(help="Language of the texts: en or zh.")] = "en",
    chunk_rows: Annotated[int, typer.Option(min=1, help="Customers held in memory at once.")] = CHUNK_ROWS,
    processes: Annotated[
        int | None, typer.Option(min=1, help="Processes that score; by default one for 10,000 customers and a core.")
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Score everyone with the champion; write answers and features as Parquet."""
    loaded, settings = load_config(config, tuple(overrides or ())), Settings.from_environment()
    day = as_of.date() if as_of else None
    show(run(loaded, settings, as_of=day, locale=locale, chunk_rows=chunk_rows, processes=processes))


if __name__ == "__main__":
    main(command)
