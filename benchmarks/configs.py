"""Train every shipped configuration, each in a process of its own, and say how good, how long and how large.

    python -m benchmarks.configs [--only cdnow --only synthetic] [--set tuning.trials=10]

Writes ``benchmarks/results/configs.json`` and ``docs/figures.md``. Configurations whose data are absent are named and
left out. Runs, bundles and data of the synthetic world go to a scratch folder that is removed.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from churn_value.cli import main, stderr, stdout, table
from churn_value.config import load_config
from churn_value.provenance import commit, libraries
from churn_value.settings import Settings

CONFIGS = ("completejourney", "cdnow", "online_retail", "interconnect", "ibm_telco", "synthetic")
SYNTHETIC_CUSTOMERS, SYNTHETIC_SEED = 20_000, 7
RESULTS, DOCUMENT = Path("benchmarks/results/configs.json"), Path("docs/figures.md")
SHOWN = {
    "churn_auc": "AUC",
    "churn_log_loss": "log-loss",
    "churn_brier": "Brier",
    "churn_calibration_error": "cal. error",
    "value_spearman": "Spearman",
    "value_normalised_gini": "n. Gini",
    "value_mae_minor": "MAE",
    "value_total_bias": "bias",
    "value_interval_coverage": "coverage",
}


def measure_one(name: str, overrides: tuple[str, ...]) -> dict[str, Any]:
    """Train one configuration in this process; figures as JSON values."""
    from pipelines import train  # noqa: PLC0415 - the parent process must not load LightGBM

    settings, config = Settings.from_environment(), load_config(f"configs/{name}.yaml", overrides)
    truth = _world(settings) if name == "synthetic" else None
    began = time.monotonic()
    result = train.run(config, settings)
    wall = time.monotonic() - began
    evaluation, manifest = result.subject.evaluation, result.subject.manifest
    figures = {
        system: {metric: (e.value, e.lower, e.upper) for metric, e in found.items()}
        for system, found in evaluation.metrics.items()
    }
    found = {
        "customers": manifest["customers"],
        "rows": manifest["rows"],
        "as_of_dates": len({row["as_of"] for row in manifest["per_as_of"]}),
        "features": manifest["features"],
        "test_rows": evaluation.rows,
        "test_churn": evaluation.churners / evaluation.rows,
        "tested_at": result.subject.tested_at,
        "wall_s": wall,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "systems": figures,
    }
    if truth is not None:
        found["optimal"] = _optimal(truth, evaluation.as_of[0], config.horizon_days)
    return found


def _world(settings: Settings) -> Any:
    """The synthetic world, written where its configuration looks."""
    from churn_value.tables.synthetic import simulate  # noqa: PLC0415

    world = simulate(SYNTHETIC_CUSTOMERS, seed=SYNTHETIC_SEED)
    world.write(settings.data_root / "synthetic")
    return world


def _optimal(world: Any, as_of: str, horizon_days: int) -> dict[str, float]:
    """Bayes-optimal figures on the test rows: those who have bought before as_of."""
    from churn_value.estimators.metrics import auc, log_loss, normalised_gini  # noqa: PLC0415

    day = datetime.fromisoformat(as_of).date()
    purchases = world.frames["purchases"]
    past = purchases[(purchases["event_time"] < as_of) & (purchases["known_at"] < as_of) & ~purchases["is_return"]]
    rows = world.truth(day, horizon_days).merge(world.outcomes(day, horizon_days), on="customer_id")
    rows = rows[rows["customer_id"].isin(past["customer_id"])]
    churned, value = rows["churned"].to_numpy(float), rows["value_minor"].to_numpy(float)
    p, expected = rows["churn_probability"].to_numpy(float), rows["expected_value_minor"].to_numpy(float)
    return {
        "rows": float(len(rows)),
        "churn_auc": auc(churned, p),
        "churn_log_loss": log_loss(churned, p),
        "value_normalised_gini": normalised_gini(value, expected),
    }


def measured(name: str, overrides: tuple[str, ...]) -> dict[str, Any] | None:
    """Figures of one configuration from a process of its own; None when it could not run."""
    scratch = Path(tempfile.mkdtemp(prefix="churn-value-"))
    variables = {**os.environ, "CHURN_VALUE_ARTIFACTS": str(scratch), "CHURN_VALUE_MODELS": str(scratch / "models")}
    variables.pop("MLFLOW_TRACKING_URI", None)
    if name == "synthetic":
        variables["CHURN_VALUE_DATA"] = str(scratch / "data")
    try:
        arguments = [sys.executable, "-m", "benchmarks.configs", "--one", name]
        for override in overrides:
            arguments += ["--set", override]
        done = subprocess.run(arguments, env=variables, stdout=subprocess.PIPE, text=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def rows_of(results: dict[str, Any]) -> list[list[object]]:
    """One row per configuration and system."""
    rows: list[list[object]] = []
    for name, found in results.items():
        for system, metrics in found["systems"].items():
            cells = [_figure(metric, metrics.get(metric)) for metric in SHOWN]
            rows.append([name if system == "model" else "", system.replace("_", " "), *cells])
        if "optimal" in found:
            best = found["optimal"]
            cells = [_figure(metric, (best[metric],) if metric in best else None) for metric in SHOWN]
            rows.append(["", "Bayes-optimal", *cells])
    return rows


def _figure(metric: str, found: Any) -> str:
    if found is None:
        return "–"
    return f"{found[0] / 100:.2f}" if metric.endswith("_minor") else f"{found[0]:.4f}"


def written(results: dict[str, Any], overrides: tuple[str, ...]) -> str:
    """Markdown of all figures, with the command that gives them."""
    versions = ", ".join(f"{name} {version}" for name, version in libraries().items())
    command = " ".join(["python -m benchmarks.configs", *(f"--set {one}" for one in overrides)])
    how = (
        f"Measured {datetime.now(UTC):%Y-%m-%d} with `{command}`, {os.cpu_count()} cores, {versions}. "
        "Times are of a shared machine."
    )
    sizes = [
        f"| {name} | {f['customers']:,} | {f['as_of_dates']} | {f['rows']:,} | {f['features']} | {f['test_rows']:,} | "
        f"{f['test_churn']:.1%} | {f['tested_at']} | {f['wall_s']:.0f} | {f['peak_mib']:,.0f} |"
        for name, f in results.items()
    ]
    figures = ["| " + " | ".join(map(str, row)) + " |" for row in rows_of(results)]
    return "\n".join(
        [
            "# Figures of the shipped configurations",
            "",
            how,
            "Test rows are later than everything a model was fitted, tuned or calibrated on.",
            "",
            "| config | customers | as_of dates | rows | features | test rows | churn | tested at | s | peak MiB |",
            "|---|---|---|---|---|---|---|---|---|---|",
            *sizes,
            "",
            "MAE in currency units; bias is predicted over actual total; coverage is of the 80 % interval.",
            "",
            "| config | system | " + " | ".join(SHOWN.values()) + " |",
            "|---|---|" + "---|" * len(SHOWN),
            *figures,
            "",
        ]
    )


def command(
    only: Annotated[list[str] | None, typer.Option(help="Configurations to run; all by default.")] = None,
    one: Annotated[str | None, typer.Option(hidden=True)] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Replace a setting of every config.")] = None,
) -> None:
    """Train every shipped configuration and write its figures beside the baselines'."""
    changes = tuple(overrides or ())
    if one is not None:
        sys.stdout.write(json.dumps(measure_one(one, changes)))
        return
    results: dict[str, Any] = json.loads(RESULTS.read_text())["configs"] if only and RESULTS.exists() else {}
    for name in only or CONFIGS:
        found = measured(name, changes)
        if found is None:
            stderr.print(
                f"{name}: left out; its data are not below CHURN_VALUE_DATA, or its training failed (see above)"
            )
            continue
        results[name] = found
    results = {name: results[name] for name in CONFIGS if name in results}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {"commit": commit(), "overrides": changes, "configs": results}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    DOCUMENT.write_text(written(results, changes), encoding="utf-8")
    stdout.print(table("Out of time, beside the baselines", ("config", "system", *SHOWN.values()), rows_of(results)))


if __name__ == "__main__":
    main(command)
