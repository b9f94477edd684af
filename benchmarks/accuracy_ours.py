"""Our full training of a set, by the steps of `pipelines.train`: ``python -m benchmarks.accuracy_ours SET FOLDER OUT``.

Tables, features, checks, both searches and the fit are all within its process and its time; a peer is handed the
features ready made.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd

from benchmarks.accuracy_hand import opened
from benchmarks.accuracy_sets import STATIC, prepared
from benchmarks.peers.run import together
from benchmarks.peers.task import PREDICTIONS
from churn_value.config import Config
from churn_value.dataset import Dataset, build_dataset
from churn_value.estimators.prediction import Prediction
from churn_value.evaluation.checks import refuse_leaks, run_checks
from churn_value.evaluation.sufficiency import refuse_too_little, sufficiency
from churn_value.settings import Settings
from churn_value.training.search import fitted, search

CALIBRATION_OF = 4


def trained(config: Config, data: Dataset, studies: Path) -> Prediction:
    """Both heads searched and fitted as a training run does, and what they say of the test rows."""
    studies.parent.mkdir(parents=True, exist_ok=True)
    found = search(data, config, storage=studies, on_trial=lambda _: None)
    return fitted(data, config, found).predict(data.fold("test"), threads=config.tuning.threads)


def dated(config: Config, data_root: Path, out: Path) -> None:
    """Predictions of the test rows."""
    data = build_dataset(config, opened(config, data_root))
    seed = config.tuning.seed
    refuse_too_little(sufficiency(data.frame), config)
    refuse_leaks(run_checks(data.frame, data.catalog.features, horizon_days=data.learned_days, seed=seed))
    _said(data.fold("test"), trained(config, data, out / "studies.db")).to_parquet(out / PREDICTIONS)


def cross_validated(config: Config, folder: Path, data_root: Path, out: Path) -> None:
    """Out-of-fold probabilities; a quarter of the rows to learn from, by place, is the calibration fold."""
    data = build_dataset(config, opened(config, data_root))
    rows = data.frame.sort_values("customer_id", ignore_index=True)
    places = pd.read_parquet(folder / "handed" / "folds.parquet")
    parts = out / "folds"
    parts.mkdir(exist_ok=True)
    for repetition in places.columns:
        for fold in sorted(places[repetition].unique()):
            _fold(
                config, replace(data, frame=_assigned(rows, places[repetition] == fold)), parts, f"{repetition}_{fold}"
            )
    together(parts, out)


def _assigned(rows: pd.DataFrame, held: pd.Series) -> pd.DataFrame:
    """Rows with their fold: the held ones for test, every fourth other one, churners and stayers alike, calibration."""
    place = rows[~held].groupby("churned").cumcount() % CALIBRATION_OF
    fold = pd.Series("test", index=rows.index)
    fold[~held] = place.eq(0).map({True: "calibration", False: "train"})
    return rows.assign(fold=fold)


def _fold(config: Config, data: Dataset, parts: Path, name: str) -> None:
    target = parts / f"{name}.parquet"
    if target.exists():
        return
    began = time.monotonic()
    said = _said(data.fold("test"), trained(config, data, parts / f"{name}.db"))
    (parts / f"{name}.json").write_text(json.dumps(time.monotonic() - began))
    said.assign(fold=name).to_parquet(target.with_suffix(".partial"))
    target.with_suffix(".partial").replace(target)


def _said(test: pd.DataFrame, prediction: Prediction) -> pd.DataFrame:
    """What is said of each customer, in the columns that peers use."""
    columns = {"value_lower_minor": "lower_80", "value_upper_minor": "upper_80"}
    kept = ["churn_probability", "expected_value_minor", "value_lower_minor", "value_upper_minor"]
    said = prediction.frame()
    named = said[[name for name in kept if name in said]].rename(columns=columns)
    return pd.concat([test[["customer_id"]].reset_index(drop=True), named], axis=1)


def main() -> None:
    """Train on one set and write what the model says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    given = parser.parse_args()
    data_root = Settings.from_environment().data_root
    means = [f"tuning.{name}={getattr(given, name)}" for name in ("trials", "seed", "threads")]
    changes = (*means, *given.overrides)
    config, root = prepared(given.name, given.folder / "sources", data_root, given.customers, changes)
    if given.name in STATIC:
        cross_validated(config, given.folder, root, given.out)
    else:
        dated(config, root, given.out)


if __name__ == "__main__":
    main()
