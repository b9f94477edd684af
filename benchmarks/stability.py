"""How many tier changes are noise, with and without hysteresis and dwell: a base scored again and again.

    python -m benchmarks.stability [--only completejourney --only synthetic] [--step-days 7] [--dates 26] [--trials 0]

Takes the exported champion of a configuration, or trains a model in a scratch folder, and scores the base at successive
as_of dates up to the end of the data under the policy as it is, without hysteresis, without dwell, without both; each
date sees the answers of the one before. Counts the changes that are taken back within 60 days, and writes
``benchmarks/results/stability.json``.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from churn_value.cli import main, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.dataset import features_at
from churn_value.features.suited import catalog_of
from churn_value.monitoring.archive import PREVIOUS
from churn_value.monitoring.reversals import Reversals, reversals
from churn_value.provenance import commit
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.policy import policy_of
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame
from churn_value.settings import Settings
from churn_value.split import observed_through
from churn_value.tables.company import company_tables
from churn_value.tables.synthetic import simulate
from churn_value.tracking.exported import champion_folder
from pipelines import train

SETS = ("completejourney", "synthetic")
SYNTHETIC_CUSTOMERS, SYNTHETIC_SEED = 2_000, 7
WITHIN_DAYS = 60
RESULTS = Path("benchmarks/results/stability.json")
VARIANTS: dict[str, dict[str, int]] = {
    "neither": {"hysteresis_points": 0, "min_dwell_days": 0},
    "hysteresis": {"min_dwell_days": 0},
    "dwell": {"hysteresis_points": 0},
    "both (as shipped)": {},
}


def under(bundle: Bundle, changes: dict[str, int]) -> Bundle:
    """The bundle with another stability in its policy."""
    content = bundle.policy.model_dump(mode="json", by_alias=True)
    content["stability"] |= changes
    return bundle.under(policy_of(content, "benchmark"))


def followed(bundle: Bundle, frames: dict[date, pd.DataFrame], threads: int) -> pd.DataFrame:
    """Tiers at every date, each scored with the answers of the date before."""
    previous: pd.DataFrame | None = None
    kept: list[pd.DataFrame] = []
    for frame in frames.values():
        answers = answers_to_frame(score(bundle, frame, explain=False, previous=previous, threads=threads))
        kept.append(answers[["customer_id", "as_of", "tier_rank"]])
        previous = answers[list(PREVIOUS)].rename(columns=PREVIOUS).dropna(subset=["tier"]).reset_index(drop=True)
    return pd.concat(kept, ignore_index=True)


def measured(name: str, *, step_days: int, dates: int, trials: int) -> dict[str, Any]:
    """Changes and reversals of one configuration under each variant."""
    champion = champion_folder(Settings.from_environment().exported(name)) if name != "synthetic" else None
    scratch = Path(tempfile.mkdtemp(prefix="churn-value-"))
    settings = replace(Settings.from_environment(), artifacts=scratch, models=scratch / "models")
    settings = replace(settings, tracking_uri=f"sqlite:///{scratch / 'mlflow.db'}")
    try:
        if name == "synthetic":
            settings = replace(settings, data_root=scratch / "data")
            simulate(SYNTHETIC_CUSTOMERS, seed=SYNTHETIC_SEED).write(settings.data_root / "synthetic")
        config = load_config(f"configs/{name}.yaml", (f"tuning.trials={trials}",))
        bundle = load_bundle(champion or train.run(config, settings).bundle)
        frames = _frames(config, settings, bundle, step_days=step_days, dates=dates)
        found = {
            variant: reversals(followed(under(bundle, changes), frames, config.tuning.threads), WITHIN_DAYS)
            for variant, changes in VARIANTS.items()
        }
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    days = [day.isoformat() for day in frames]
    policy = {"id": bundle.policy.id, **bundle.policy.stability.model_dump()}
    rows = {variant: asdict(one) | {"reversal_share": one.reversal_share} for variant, one in found.items()}
    return {
        "model": bundle.version,
        "customers": len(frames[max(frames)]),
        "from": days[0],
        "to": days[-1],
        "policy": policy,
        "variants": rows,
    }


def _frames(
    config: Config, settings: Settings, bundle: Bundle, *, step_days: int, dates: int
) -> dict[date, pd.DataFrame]:
    tables = company_tables(config, settings, datetime.now(UTC))
    features, end = catalog_of(bundle.catalog.parameters), observed_through(config, tables)
    days = [end - timedelta(days=step_days * back) for back in range(dates - 1, -1, -1)]
    with step(f"{config.name}: features at {len(days)} dates"):
        return {day: features_at(config, tables, features, day) for day in days}


def rows_of(results: dict[str, Any]) -> list[list[object]]:
    """One row per set and variant."""
    rows: list[list[object]] = []
    for name, found in results.items():
        for variant, cells in found["variants"].items():
            one = Reversals(*(cells[key] for key in ("changes", "reversed", "customers", "steps")))
            shares = [f"{one.change_share:.2%}", f"{one.reversal_share:.1%}"]
            rows.append([name, variant, one.changes, one.reversed, *shares])
    return rows


def command(
    only: Annotated[list[str] | None, typer.Option(help="Configurations; both by default.")] = None,
    step_days: Annotated[int, typer.Option(help="Days between two scorings.")] = 7,
    dates: Annotated[int, typer.Option(help="Scorings, the last at the end of the data.")] = 26,
    trials: Annotated[int, typer.Option(help="Search trials of the models.")] = 0,
) -> None:
    """Count tier changes that are taken back within 60 days, with and without hysteresis and dwell."""
    results: dict[str, Any] = json.loads(RESULTS.read_text())["sets"] if RESULTS.exists() else {}
    for name in only or SETS:
        results[name] = measured(name, step_days=step_days, dates=dates, trials=trials) | {"commit": commit()}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "measured": datetime.now(UTC).date().isoformat(),
        "within_days": WITHIN_DAYS,
        "step_days": step_days,
        "trials": trials,
        "sets": results,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    heads = ("set", "hysteresis and dwell", "changes", "taken back", "of steps changed", "of changes taken back")
    stdout.print(table(f"Tier changes taken back within {WITHIN_DAYS} days", heads, rows_of(results)))


if __name__ == "__main__":
    main(command)
