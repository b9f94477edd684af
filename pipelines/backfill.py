"""Load a company's own tables into the event store, so that live events of its customers have a past."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from churn_value.cli import ConfigPath, Overrides, main, stdout, step
from churn_value.config import Config, load_config
from churn_value.service.events.history import as_kept, load_history
from churn_value.service.events.ledger import History
from churn_value.service.events.store import EventStore
from churn_value.settings import Settings
from churn_value.tables.company import company_tables


@dataclass(frozen=True)
class Result:
    """The history that is in force now, and the store it is in."""

    history: History
    store: Path


def run(config: Config, settings: Settings) -> Result:
    """Read every table and put it in force as the history of the store; live events stay."""
    now = datetime.now(UTC)
    kept = as_kept(config)
    with step(f"reading the tables of {config.name}"):
        tables = company_tables(kept, settings, now)
    path = settings.events(config.name)
    with step(f"loading their rows into {path}"):
        history = load_history(EventStore.create(path, config.currency), tables, now=now)
    return Result(history, path)


def command(config: ConfigPath, overrides: Overrides = None) -> None:
    """Load a company's tables into the event store; from then on the service takes events and scores from them."""
    result = run(load_config(config, tuple(overrides or ())), Settings.from_environment())
    history = result.history
    stdout.print(f"{history.rows:,} rows of history in {result.store}; {history.live:,} live rows beside them")
    if history.overruled:
        stdout.print(f"{history.overruled:,} live rows gave way: the company's tables say otherwise")


if __name__ == "__main__":
    main(command)
