"""Our full training and every peer that installs, on the reference sets: identical customers, dates and horizons.

    python -m benchmarks.accuracy [--sets cdnow --sets iranian] [--peers flaml] [--seconds 300] [--trials 25] [--resume]

Writes ``benchmarks/results/accuracy.json`` and ``docs/accuracy.md`` as each system finishes, so that an interrupted run
goes on with ``--resume``. ``--quick`` is a small synthetic world with two cheap peers, within a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.accuracy_document import difference_rows, figure_rows, interval_text, written
from benchmarks.accuracy_judge import RESAMPLES, Truth, compared, judged, optimal, width_beside
from benchmarks.accuracy_run import OURS, Means, child, peers_of, run
from benchmarks.accuracy_sets import DATED, DOCUMENT, NAMES, RESULTS, is_present
from churn_value.cli import main, stderr, stdout, table
from churn_value.errors import ConfigError, DataContractError
from churn_value.provenance import commit, libraries
from churn_value.settings import Settings

QUICK_PEERS, QUICK_CUSTOMERS, QUICK_RESAMPLES = ["run_rate", "tutorial_lightgbm"], 300, 40
TASK = "handed/task.json"


def hand(name: str, folder: Path, means: Means, *, resume: bool) -> None:
    """Write what peers are handed, unless an earlier run did."""
    changes = [part for override in means.overrides for part in ("--set", override)]
    asked = ["--customers", str(means.customers), "--repeats", str(means.repeats), *changes]
    begun = folder / "asked.json"
    if resume and (folder / TASK).exists() and begun.exists() and json.loads(begun.read_text()) == asked:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begun.write_text(json.dumps(asked))
    status, _, _ = child(
        [sys.executable, "-m", "benchmarks.accuracy_hand", name, str(folder), *asked], folder / "log.txt"
    )
    if status != 0:
        raise DataContractError(
            "a set must be readable",
            code="NOT_HANDED_OVER",
            where=name,
            received=(folder / "log.txt").read_text()[-600:],
        )


def facts(folder: Path, truth: Truth) -> dict[str, Any]:
    """What a set is."""
    task = json.loads((folder / TASK).read_text())
    fold = truth.keys["fold"].nunique() if "fold" in truth.keys else 0
    return {
        "as_of": task["as_of"],
        "horizon_days": task["horizon_days"],
        "label_days": task["label_days"],
        "rows": int(truth.keys["customer_id"].nunique()),
        "folds": int(fold),
        "churn": float(truth.churned.mean()),
        "mean_value": None if truth.value is None else float(truth.value.mean()),
    }


def measured(name: str, folder: Path, ran: dict[str, dict[str, Any]], truth: Truth) -> dict[str, Any]:
    """Results of a set from the systems that have run so far."""
    done = [system for system, found in ran.items() if found["status"] == "done"]
    figures = compared(folder, done, OURS)
    systems: dict[str, Any] = {}
    for system, found in ran.items():
        judgement = json.loads((folder / "systems" / system / "judged.json").read_text()) if system in done else {}
        kept = {key: judgement[key] for key in ("not_finite", "diagnosis") if judgement.get(key)}
        systems[system] = {**found, **figures.get(system, {}), **kept}
    result = {**facts(folder, truth), "systems": systems}
    if {OURS, "quantile_lightgbm"} <= set(done):
        width = width_beside(systems[OURS]["diagnosis"], systems["quantile_lightgbm"]["diagnosis"])
        result["width"] = {key: value if value == value else None for key, value in width.items()}  # noqa: PLR0124 - NaN
    if name in DATED and not DATED[name].kept:
        result["optimal"] = optimal(folder, truth)
    return result


def save(content: dict[str, Any], out: Path) -> None:
    """JSON, and the document where the results are the repository's."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    if out == RESULTS:
        DOCUMENT.write_text(written(content), encoding="utf-8")


def show(name: str, found: dict[str, Any]) -> None:
    """Figures and differences of a set, one head after the other."""
    for head in ("churn", "value"):
        header, rows = figure_rows(found, head)
        if len(header) > len(("system", "s", "MiB")):
            stdout.print(table(f"{name}, {head}: {found['rows']:,} customers", header, rows))
        header, rows = difference_rows(found, head)
        if rows and len(header) > 1:
            stdout.print(table("ours minus each peer, 95 % intervals", header, rows))
    stdout.print(interval_text(found))


def one_set(
    name: str,
    folder: Path,
    *,
    means: Means,
    wanted: list[str] | None,
    peer_python: Path,
    resume: bool,
    resamples: int,
) -> Iterator[dict[str, Any]]:
    """Run and judge ours and the wanted peers of a set; its results after each system."""
    hand(name, folder, means, resume=resume)
    truth = Truth.read(folder)
    ran: dict[str, dict[str, Any]] = {}
    peers = [peer for peer in peers_of(name) if wanted is None or peer in wanted]
    for system in (OURS, *peers):
        stderr.print(f"{name}: {system}", highlight=False)
        ran[system] = run(system, name, folder, means, peer_python=peer_python, resume=resume)
        if ran[system]["status"] == "done":
            judged(folder / "systems" / system, truth, resamples=resamples)
        yield measured(name, folder, ran, truth)


def command(
    *,
    sets: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(NAMES)}; all by default.")] = None,
    peers: Annotated[
        list[str] | None, typer.Option(help="Peers to run; all by default; 'none' for ours alone.")
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of each search of a peer, for each target.")] = 300.0,
    trials: Annotated[int, typer.Option(help="Of each of our own searches.")] = 25,
    repeats: Annotated[int, typer.Option(help="Repetitions of the cross-validation of static sets.")] = 5,
    peer_python: Annotated[Path, typer.Option(help="Python of the peers' environment.")] = Path(
        ".artifacts/peers/bin/python"
    ),
    work: Annotated[Path, typer.Option(help="Folder of predictions and logs.")] = Path(".artifacts/accuracy"),
    out: Annotated[Path, typer.Option(help="JSON to write.")] = RESULTS,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="Replace a setting of our training.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A small synthetic world and two cheap peers.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Take what an earlier run with equal means left.")] = False,
    document: Annotated[bool, typer.Option("--document", help="Only write the document of the JSON again.")] = False,
) -> None:
    """Measure our training and every peer that installs on the reference sets."""
    if document:
        DOCUMENT.write_text(written(json.loads(RESULTS.read_text())), encoding="utf-8")
        return
    means = Means(seconds, trials, repeats=repeats, overrides=tuple(overrides or ()))
    resamples = RESAMPLES
    if quick:
        sets, peers, resamples = ["synthetic"], QUICK_PEERS, QUICK_RESAMPLES
        few = ("dates.max_train_dates=2", "tuning.seeds_averaged=1", "windows_days=[30, 90]")
        means = Means(5.0, 0, customers=QUICK_CUSTOMERS, overrides=(*few, *means.overrides))
        work, out = (work / "quick", work / "quick.json") if out == RESULTS else (work / "quick", out)
    each = partial(one_set, means=means, wanted=peers, peer_python=peer_python.absolute(), resume=resume)
    _every_set(sets or list(NAMES), partial(each, resamples=resamples), means, work.resolve(), out)


def _every_set(
    names: list[str], each: Callable[[str, Path], Iterator[dict[str, Any]]], means: Means, work: Path, out: Path
) -> None:
    """Measure sets one after the other; results of other sets in the JSON stay."""
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise ConfigError(f"the sets are {', '.join(NAMES)}", where="--sets", received=unknown[0])
    known = json.loads(out.read_text())["sets"] if out.exists() else {}
    data_root = Settings.from_environment().data_root
    for name in names:
        if not is_present(name, data_root):
            stderr.print(f"{name}: left out, its data are not below CHURN_VALUE_DATA")
            continue
        for found in each(name, work / name):
            known[name] = found
            save(_content({key: known[key] for key in NAMES if key in known}, means), out)
        show(name, known[name])


def _content(results: dict[str, Any], means: Means) -> dict[str, Any]:
    return {
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit(),
        "cores": os.cpu_count(),
        "libraries": libraries(),
        "means": {**asdict(means), "overrides": list(means.overrides)},
        "sets": results,
    }


if __name__ == "__main__":
    main(command)
