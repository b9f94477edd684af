"""Reasons: exactness of the books, and whether the top reasons survive small changes of the input.

    python -m benchmarks.reasons [--only completejourney]

Additivity: largest |base + contributions - raw score| over all test rows, both heads. Stability: share of the top-3
codes kept when every numeric feature moves by 1 %, up or down at random, seeded. Models are trained quickly: the
questions are of the explanation, not of the accuracy. Writes ``benchmarks/results/reasons.json``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from benchmarks.cheap_bundle import cheap, made, scratch, synthetic
from churn_value.cli import main, stdout, table
from churn_value.errors import DataContractError
from churn_value.provenance import commit
from churn_value.scoring.answer import Answer
from churn_value.scoring.score import score

RESULTS = Path("benchmarks/results/reasons.json")
SETS = ("completejourney", "cdnow", "online_retail", "synthetic")
WORLD, MOVED_SHARE, TOP, SEED, MOST_ROWS = 4_000, 0.01, 3, 7, 4_000


def moved(frame: pd.DataFrame) -> pd.DataFrame:
    """Feature rows in which every number is 1 % larger or smaller."""
    rng, numbers = np.random.default_rng(SEED), frame.select_dtypes("number").columns
    signs = rng.choice([1 - MOVED_SHARE, 1 + MOVED_SHARE], (len(frame), len(numbers)))
    return frame.assign(**{name: frame[name] * signs[:, place] for place, name in enumerate(numbers)})


def additivity(answers: list[Answer]) -> float:
    """Largest error of the books of both heads."""
    sums = [head for one in answers if one.explain for head in (one.explain.churn, one.explain.value) if head]
    return max(abs(head.base + head.sum_contributions - head.raw) for head in sums)


def kept(before: list[Answer], after: list[Answer], head: str) -> float:
    """Mean share of the top codes of one head that are still among the top."""
    shares = []
    for one, other in zip(before, after, strict=True):
        codes = [{r.code for r in getattr(a.reasons, head)} for a in (one, other)]
        if codes[0]:
            shares.append(len(codes[0] & codes[1]) / len(codes[0]))
    return float(np.mean(shares)) if shares else float("nan")


def measured(name: str) -> dict[str, float]:
    """Exactness and stability on one set."""
    world = synthetic(WORLD) if name == "synthetic" else None
    with scratch(world=world) as settings:
        found = made(cheap(name), settings)
    rows = found.test
    some = rows.iloc[:: max(1, len(rows) // MOST_ROWS)].head(MOST_ROWS)
    before, after = (score(found.bundle, frame, top=TOP) for frame in (some, moved(some)))
    every = before if len(some) == len(rows) else score(found.bundle, rows, top=0)
    return {
        "rows": float(len(rows)),
        "additivity_error": additivity(every),
        "churn_top3_kept": kept(before, after, "churn"),
        "value_top3_kept": kept(before, after, "value"),
    }


def command(only: Annotated[list[str] | None, typer.Option(help="Sets to run; all by default.")] = None) -> None:
    """Measure exactness and stability of reasons."""
    results = {}
    for name in only or SETS:
        try:
            results[name] = measured(name)
        except DataContractError as error:
            stdout.print(f"{name}: left out, {error.code}")
    names = ("rows", "additivity_error", "churn_top3_kept", "value_top3_kept")
    stdout.print(table("Reasons", ("set", *names), [[one, *(f[n] for n in names)] for one, f in results.items()]))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps({"commit": commit(), "sets": results}, indent=1) + "\n")


if __name__ == "__main__":
    main(command)
