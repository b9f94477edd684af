"""What more trials buy: quality on the test rows against wall time, on each reference set.

    python -m benchmarks.tuning [--sets cdnow] [--trials 0 --trials 25] [--resume]

Sets are those of `benchmarks.accuracy`, trained on and judged in the same way. Writes
``benchmarks/results/tuning.json`` and ``docs/tuning.md`` as each set finishes.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.accuracy import hand
from benchmarks.accuracy_document import COLUMNS, NOTHING, cell, markdown
from benchmarks.accuracy_judge import RESAMPLES, Truth, compared, judged
from benchmarks.accuracy_run import OURS, Means, run
from benchmarks.accuracy_sets import DATED, NAMES, is_present
from churn_value.cli import main, stderr, stdout, table
from churn_value.provenance import commit, libraries
from churn_value.settings import Settings

RESULTS, DOCUMENT = Path("benchmarks/results/tuning.json"), Path("docs/tuning.md")
TRIALS = [0, 10, 25, 50, 100]
SHOWN = (
    "churn_auc",
    "churn_log_loss",
    "churn_calibration_error",
    "value_normalised_gini",
    "value_tweedie_deviance",
    "value_total_bias",
)
HEADER = ["set", "trials", "s", *(COLUMNS[name] for name in SHOWN)]
TUTORIAL = "tutorial_lightgbm"
PYTHON = Path(".artifacts/peers/bin/python")


def rows_of(results: dict[str, Any]) -> list[list[str]]:
    """One row per set and number of trials, and the tutorial model at the end of each set."""
    rows = []
    for name, runs in results.items():
        for label, found in runs.items():
            said = found.get("metrics", {})
            seconds = NOTHING if found["wall_s"] is None else f"{found['wall_s']:,.0f}"
            rows.append([name, label, seconds, *(cell(measure, said.get(measure)) for measure in SHOWN)])
    return rows


def written(content: dict[str, Any]) -> str:
    """Markdown of the curve."""
    versions = ", ".join(f"{name} {version}" for name, version in content["libraries"].items())
    how = (
        f"Measured {content['measured']} with `python -m benchmarks.tuning` on {content['cores']} cores, {versions}. "
        "Trials are of each head; a set's rows, dates and measures are those of [accuracy.md](accuracy.md). Time is of "
        "the whole training: tables, features, checks, searches, fits."
    )
    return "\n\n".join(["# What more trials buy", how, markdown(HEADER, rows_of(content["sets"]))]) + "\n"


def one_set(name: str, trials: list[int], folder: Path, *, resume: bool) -> dict[str, Any]:
    """Figures of a set by number of trials; static sets with one repetition, dated ones beside the tutorial model."""
    wanted = {f"{OURS}_trials_{count}": Means(trials=count, repeats=1) for count in trials}
    if name in DATED:
        wanted[TUTORIAL] = Means(repeats=1)
    hand(name, folder, Means(repeats=1), resume=resume)
    truth = Truth.read(folder)
    found: dict[str, Any] = {}
    for system, means in wanted.items():
        stderr.print(f"{name}: {system}", highlight=False)
        ran = run(system, name, folder, means, peer_python=PYTHON, resume=resume)
        if ran["status"] == "done":
            judged(folder / "systems" / system, truth, resamples=RESAMPLES)
            ran |= compared(folder, [system], "")[system]
        found[system.removeprefix(f"{OURS}_trials_").replace("_", " ")] = ran
    return found


def command(
    *,
    sets: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(NAMES)}; all by default.")] = None,
    trials: Annotated[list[int] | None, typer.Option(help="Numbers of trials; 0, 10, 25, 50, 100 by default.")] = None,
    work: Annotated[Path, typer.Option(help="Folder of predictions and logs.")] = Path(".artifacts/tuning"),
    out: Annotated[Path, typer.Option(help="JSON to write.")] = RESULTS,
    resume: Annotated[bool, typer.Option("--resume", help="Take what an earlier run left.")] = False,
) -> None:
    """Measure quality against wall time by number of trials."""
    known: dict[str, Any] = json.loads(out.read_text())["sets"] if out.exists() else {}
    data_root = Settings.from_environment().data_root
    for name in sets or NAMES:
        if not is_present(name, data_root):
            stderr.print(f"{name}: left out, its data are not below CHURN_VALUE_DATA")
            continue
        known[name] = one_set(name, trials or TRIALS, work.resolve() / name, resume=resume)
        save({key: known[key] for key in NAMES if key in known}, out)
    stdout.print(table("What more trials buy", HEADER, rows_of(known)))


def save(results: dict[str, Any], out: Path) -> None:
    """JSON, and the document where the results are the repository's."""
    content = {
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit(),
        "cores": os.cpu_count(),
        "libraries": libraries(),
        "sets": results,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    if out == RESULTS:
        DOCUMENT.write_text(written(content), encoding="utf-8")


if __name__ == "__main__":
    main(command)
