"""Run one peer on what it is handed: ``python -m benchmarks.peers.run PEER HANDED OUT --seconds 60``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
from pathlib import Path

import pandas as pd

from benchmarks.peers.task import PREDICTIONS, SECONDS, Classify, Task


def cross_validated(task: Task, classify: Classify, out: Path) -> None:
    """Out-of-fold probabilities; each fold is written when it is done, so that an interrupted run goes on."""
    parts = out / "folds"
    parts.mkdir(exist_ok=True)
    for name, learned, held in task.folds():
        part = parts / f"{name}.parquet"
        if part.exists():
            continue
        began = time.monotonic()
        probability = classify(task, learned.reset_index(drop=True), held.reset_index(drop=True))
        (parts / f"{name}.json").write_text(json.dumps(time.monotonic() - began))
        found = {"fold": name, "customer_id": held["customer_id"].to_numpy(), "churn_probability": probability}
        pd.DataFrame(found).to_parquet(part.with_suffix(".partial"))
        part.with_suffix(".partial").replace(part)
    together(parts, out)


def together(parts: Path, out: Path) -> None:
    """One file of all folds, and the seconds they took together."""
    pd.concat([pd.read_parquet(part) for part in sorted(parts.glob("*.parquet"))]).to_parquet(out / PREDICTIONS)
    seconds = sum(json.loads(part.read_text()) for part in parts.glob("*.json"))
    (out / SECONDS).write_text(json.dumps(seconds))


def main() -> None:
    """Read the task, call the peer's ``predict`` (dated) or ``classify`` (static), write what it says.

    A peer is a module of this folder; ``module:function`` names another function than ``predict``.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("peer")
    parser.add_argument("handed", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    task = Task.read(given.handed.resolve(), seconds=given.seconds, threads=given.threads, seed=given.seed)
    module, _, function = given.peer.partition(":")
    peer, out = importlib.import_module(f"benchmarks.peers.{module}"), given.out.resolve()
    os.chdir(out)  # some systems write their logs where they are started
    if task.kind == "static":
        cross_validated(task, peer.classify, out)
    else:
        getattr(peer, function or "predict")(task).frame().to_parquet(out / PREDICTIONS)


if __name__ == "__main__":
    main()
