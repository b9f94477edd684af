"""Reasons: exactness of the books, and whether the top reasons survive small changes of the input.

    python -m benchmarks.reasons [--only completejourney]

Additivity: largest ``|base + contributions - raw score|`` over every test row of a set, both heads. Stability: each
number of a row is made 1 % larger or smaller, at random and seeded, and the row is explained again; told are the mean
share of the top three codes that are still among the top three, the share of rows whose three codes are all kept, and
the share whose first code is still first. Models are trained quickly: the questions are of the explanation, not of the
accuracy. Sets that are not run keep their rows in ``benchmarks/results/reasons.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.cheap_bundle import cheap, made, scratch, synthetic
from churn_value.cli import main, stdout, table
from churn_value.provenance import commit
from churn_value.scoring.answer import Answer, Reason
from churn_value.scoring.reason_catalog import BY_FEATURE
from churn_value.scoring.score import score

RESULTS = Path("benchmarks/results/reasons.json")
SETS = ("completejourney", "cdnow", "online_retail", "synthetic")
WORLD, MOVED_SHARE, TOP, SEED, MOST_ROWS = 4_000, 0.01, 3, 7, 4_000


def moved(frame: pd.DataFrame) -> pd.DataFrame:
    """Feature rows in which every number is 1 % larger or smaller."""
    rng, numbers = np.random.default_rng(SEED), frame.select_dtypes("number").columns
    signs = rng.choice([1 - MOVED_SHARE, 1 + MOVED_SHARE], (len(frame), len(numbers)))
    return frame.assign(**{name: frame[name] * signs[:, place] for place, name in enumerate(numbers)})


def additivity(answers: Sequence[Answer]) -> float:
    """Largest error of the books of both heads."""
    sums = [head for one in answers if one.explain for head in (one.explain.churn, one.explain.value) if head]
    return max(abs(head.base + head.sum_contributions - head.raw) for head in sums)


def stability(before: Sequence[Answer], after: Sequence[Answer], head: str) -> dict[str, float]:
    """Shares of top codes kept, of rows that keep all, and of rows whose first code is still first."""
    pairs = [[_named(getattr(a.reasons, head)) for a in pair] for pair in zip(before, after, strict=True)]
    pairs = [pair for pair in pairs if pair[0]]
    shares = [len(set(one) & set(other)) / len(set(one)) for one, other in pairs]
    same = [bool(other) and one[0] == other[0] for one, other in pairs]
    return {
        f"{head}_top3_kept": float(np.mean(shares)),
        f"{head}_all_kept": float(np.mean([share == 1 for share in shares])),
        f"{head}_first_kept": float(np.mean(same)),
    }


def _named(reasons: Iterable[Reason]) -> list[str]:
    """Codes; of codes whose features are reasons of their own, with the feature."""
    return [f"{one.code} {one.feature}" if one.code in BY_FEATURE else one.code for one in reasons]


def measured(name: str) -> dict[str, Any]:
    """Exactness and stability on one set."""
    world = synthetic(WORLD) if name == "synthetic" else None
    with scratch(world=world) as settings:
        found = made(cheap(name), settings)
    rows = found.test
    some = rows.iloc[:: max(1, len(rows) // MOST_ROWS)].head(MOST_ROWS)
    before, after = (score(found.bundle, frame, top=TOP) for frame in (some, moved(some)))
    every = before if len(some) == len(rows) else score(found.bundle, rows, top=0)
    found_both = stability(before, after, "churn") | stability(before, after, "value")
    return {"rows": len(rows), "compared": len(some), "additivity_error": additivity(every), **found_both}


def command(only: Annotated[list[str] | None, typer.Option(help="Sets to run; all by default.")] = None) -> None:
    """Measure exactness and stability of reasons."""
    results: dict[str, Any] = json.loads(RESULTS.read_text())["sets"] if RESULTS.exists() else {}
    for name in only or SETS:
        results[name] = measured(name) | {"commit": commit()}
    names = [f"{head}_{what}" for head in ("churn", "value") for what in ("top3_kept", "all_kept", "first_kept")]
    rows = [
        [one, found["rows"], f"{found['additivity_error']:.1e}", *(f"{found[name]:.1%}" for name in names)]
        for one, found in results.items()
    ]
    heads = ("set", "rows", "error", "churn: kept", "all", "first", "value: kept", "all", "first")
    stdout.print(table("Reasons", heads, rows))
    worst = max(found["additivity_error"] for found in results.values())
    stdout.print(
        f"largest additivity error over {sum(found['rows'] for found in results.values()):,} rows: {worst:.1e}"
    )
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "measured": datetime.now(UTC).date().isoformat(),
        "moved_share": MOVED_SHARE,
        "top": TOP,
        "additivity_error": worst,
        "sets": results,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(command)
