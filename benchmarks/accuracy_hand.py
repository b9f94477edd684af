"""What peers are handed of a set, and the truth kept from them: ``python -m benchmarks.accuracy_hand SET FOLDER``.

``FOLDER/handed`` holds the past only (see `benchmarks.peers.task`); ``FOLDER/truth.parquet`` what happened afterwards.
"""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedKFold

from benchmarks.accuracy_sets import DATED, FOLDS, STATIC, prepared, true_totals
from churn_value.config import Config
from churn_value.dataset import Dataset, build_dataset, outcomes_for
from churn_value.errors import DataContractError
from churn_value.features.purchases import is_bought
from churn_value.settings import Settings
from churn_value.tables.load import Tables, load_tables

EXACT = 1e-6
OUTCOMES = ["churned", "value_minor"]


def opened(config: Config, data_root: Path) -> Tables:
    """A set's tables."""
    return load_tables(config, data_root=data_root, observed_now=datetime.now(UTC), threads=config.tuning.threads)


def hand_over(
    name: str, folder: Path, data_root: Path, *, customers: int, repeats: int, changes: tuple[str, ...]
) -> None:
    """Write a set's handed rows and its truth; ``task.json`` is written last and says that all is there."""
    config, root = prepared(name, folder / "sources", data_root, customers, changes)
    handed = folder / "handed"
    handed.mkdir(parents=True, exist_ok=True)
    tables = opened(config, root)
    if name in STATIC:
        _static(config, tables, folder, repeats)
    else:
        _dated(name, config, tables, folder)
    if name in DATED and DATED[name].kept:
        refuse_other_truth(name, pd.read_parquet(folder / "truth.parquet"), data_root)


def _dated(name: str, config: Config, tables: Tables, folder: Path) -> None:
    data = build_dataset(config, tables)
    test = data.fold("test")
    truth = outcomes_for(config, tables, test[["customer_id", "as_of"]])
    truth.to_parquet(folder / "truth.parquet")
    _purchases(tables, DATED[name].as_of.isoformat()).to_parquet(folder / "handed" / "purchases.parquet")
    rows = data.frame[data.frame["fold"] != "test"]
    _write(data, (rows, test.drop(columns=[*OUTCOMES, "fold"])), folder / "handed", config)


def _purchases(tables: Tables, as_of: str) -> pd.DataFrame:
    """Amount of each customer's days with a purchase, as known before `as_of`."""
    lines = tables.events["purchases"]
    known = lines.filter(is_bought(lines), lines.event_time < as_of, lines.known_at < as_of)
    days = known.group_by("customer_id", day=known.event_time.date()).aggregate(amount_minor=known.amount_minor.sum())
    frame: pd.DataFrame = tables.connection.to_pandas(days)
    return frame.assign(day=pd.to_datetime(frame["day"])).sort_values(["customer_id", "day"], ignore_index=True)


def _static(config: Config, tables: Tables, folder: Path, repeats: int) -> None:
    data = build_dataset(config, tables)
    rows = data.frame.sort_values("customer_id", ignore_index=True)
    folds = {f"r{seed}": _stratified(rows["churned"], seed) for seed in range(repeats)}
    pd.DataFrame(folds).to_parquet(folder / "handed" / "folds.parquet")
    rows[["customer_id", "as_of", *OUTCOMES]].to_parquet(folder / "truth.parquet")
    _write(data, (rows, rows.head(0)), folder / "handed", config)


def _stratified(churned: pd.Series, seed: int) -> list[int]:
    """Fold of each row: five of equal size and churn rate."""
    place = pd.Series(0, index=churned.index)
    for fold, (_, held) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(churned, churned)):
        place.iloc[held] = fold
    return [int(fold) for fold in place]


def _write(data: Dataset, frames: tuple[pd.DataFrame, pd.DataFrame], handed: Path, config: Config) -> None:
    """Rows to learn from and rows to predict for, and the task that says what they are."""
    rows, test = frames
    texts = [feature.name for feature in data.catalog.features if feature.dtype == "category"]
    levels = {name: sorted({str(text) for text in rows[name].dropna()}) for name in texts}
    _plain(rows, texts).to_parquet(handed / "rows.parquet")
    _plain(test, texts).to_parquet(handed / "test.parquet")
    (handed / "levels.json").write_text(json.dumps(levels, ensure_ascii=False))
    task = {
        "kind": "static" if config.is_snapshot else "dated",
        "as_of": "" if config.is_snapshot else str(test["as_of"].iloc[0].date()),
        "horizon_days": config.horizon_days,
        "label_days": data.learned_days,
        "categories": texts,
        "has_value": config.has_value,
    }
    (handed / "task.json").write_text(json.dumps(task))


def _plain(frame: pd.DataFrame, texts: list[str]) -> pd.DataFrame:
    """The frame in types that older libraries read: floats, texts as objects."""
    keys = ["customer_id", "as_of", "fold"]
    numbers = {name: "float64" for name in frame.columns if name not in (*keys, *texts)}
    return frame.astype(numbers).astype(dict.fromkeys(["customer_id", *texts], object))


def refuse_other_truth(name: str, truth: pd.DataFrame, data_root: Path) -> None:
    """Check the labels' totals against a query of the source that knows nothing of the package.

    Raises
    ------
    DataContractError
        When customers, stayers or amounts differ.
    """
    said = {
        "customers": float(len(truth)),
        "stayers": float((truth["churned"] == 0).sum()),
        "value": float(truth["value_minor"].sum()) / 100,
    }
    true = true_totals(name, data_root)
    if any(abs(said[key] - true[key]) > EXACT * max(true[key], 1.0) for key in true):
        raise DataContractError(
            "labels must be what the source says", code="OTHER_TRUTH", where=name, received=f"{said}, source {true}"
        )


def main() -> None:
    """Hand over one set."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    given = parser.parse_args()
    data_root, changes = Settings.from_environment().data_root, tuple(given.overrides)
    means = {"customers": given.customers, "repeats": given.repeats}
    hand_over(given.name, given.folder, data_root, **means, changes=changes)


if __name__ == "__main__":
    main()
