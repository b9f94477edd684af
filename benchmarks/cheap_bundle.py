"""A quickly trained bundle of a company, for benchmarks that measure scoring rather than learning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from churn_value.config import Config, load_config
from churn_value.dataset import Dataset, build_dataset
from churn_value.estimators.tuning import TrialReport
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.settings import Settings
from churn_value.tables.company import company_tables
from churn_value.tables.load import Tables
from churn_value.tables.synthetic import World, simulate
from churn_value.training.judge import judge
from churn_value.training.pack import pack
from churn_value.training.search import fitted, search

CHEAP = ("tuning.trials=0", "tuning.seeds_averaged=1", "dates.max_train_dates=4", "tuning.max_train_rows=60000")


@dataclass(frozen=True)
class Made:
    """A bundle and what it was made from."""

    config: Config
    tables: Tables
    data: Dataset
    bundle: Bundle

    @property
    def test(self) -> pd.DataFrame:
        """Test rows: keys and features."""
        return self.data.fold("test").drop(columns=["fold", "churned", "value_minor"])


def _untold(_: TrialReport) -> None:
    """Nobody watches these trials."""


def made(config: Config, settings: Settings) -> Made:
    """Train, judge and pack, without tracking."""
    tables = company_tables(config, settings, datetime.now(UTC))
    data = build_dataset(config, tables)
    searched = search(data, config, storage=settings.studies(config.name), on_trial=_untold)
    model = fitted(data, config, searched)
    judged = judge(config, tables, data, model, None)
    folder = settings.place(config.name) / "bundles"
    path = pack(config, tables, data, model, judged.evaluation, folder=folder, now=datetime.now(UTC))
    return Made(config, tables, data, load_bundle(path))


@contextmanager
def scratch(*, world: World | None = None) -> Iterator[Settings]:
    """Settings whose artifacts, and data if a world is given, are in a folder that is removed."""
    settings = Settings.from_environment()
    with TemporaryDirectory(prefix="churn-value-") as folder:
        place = Path(folder)
        data = settings.data_root
        if world is not None:
            data = place / "data"
            world.write(data / "synthetic")
        (place / "artifacts").mkdir()
        found = replace(settings, data_root=data, artifacts=place / "artifacts", models=place / "models")
        for name in ("synthetic", "completejourney", "cdnow", "online_retail"):
            found.place(name).mkdir()
        yield found


def synthetic(customers: int, *, seed: int = 7) -> World:
    """The synthetic world."""
    return simulate(customers, seed=seed)


def cheap(name: str) -> Config:
    """A shipped configuration, trained quickly."""
    return load_config(f"configs/{name}.yaml", CHEAP)
