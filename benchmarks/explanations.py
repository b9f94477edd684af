"""Exact contributions of boosters: ours beside LightGBM's own ``pred_contrib``, one row at a time and many at once.

    python -m benchmarks.explanations

Pairs of boosters, as two heads, are grown on made-up rows with missing numbers and categories. Told are the largest
difference of any contribution; the median time of one row through both heads, ours and LightGBM's in turns of twenty
rows, and ours with the processor's caches swept before each row, as by other work between two requests; the rows a
second of a batch, in one thread each; what a worker pays once to make a pair ready, from its text to its first row; and
what it pays before that to load the compiled loops (several seconds more where they have not been compiled yet).
Writes ``benchmarks/results/explanations.json``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np

from churn_value.cli import main, stdout, table
from churn_value.estimators import FloatArray
from churn_value.estimators.attribution.text import Booster, Node, Tree, booster_of
from churn_value.estimators.attribution.trees import Attribution
from churn_value.provenance import commit

RESULTS = Path("benchmarks/results/explanations.json")
SIZES = ((100, 7), (250, 11), (300, 31))
ROWS, COLUMNS, MISSING_SHARE, SEED = 20_000, 100, 0.1, 7
CATEGORIES = (95, 96, 97)
ALONE, TURN, BATCH, THEIR_BATCH, COMPARED = 400, 20, 20_000, 500, 300
SWEPT_BYTES = 8_000_000  # four times what is next to a core
EACH: dict[str, Any] = {"learning_rate": 0.03, "feature_fraction": 0.5, "verbosity": -1, "num_threads": 1}


def rows_and_targets() -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """Feature rows (n, k), and what two heads learn: whether, and how much."""
    rng = np.random.default_rng(SEED)
    matrix = rng.normal(size=(ROWS, COLUMNS))
    matrix[rng.random(matrix.shape) < MISSING_SHARE] = np.nan
    for column in CATEGORIES:
        matrix[:, column] = rng.integers(0, 12, ROWS)
    signal = np.nansum(matrix[:, :20] ** 2, axis=1) + 3.0 * (matrix[:, CATEGORIES[0]] > 5)
    whether = (signal + rng.normal(0, 5, ROWS) > np.median(signal)).astype(float)
    return matrix, (whether, np.nansum(matrix[:, :10], axis=1) + rng.normal(0, 1, ROWS))


def grown(matrix: FloatArray, target: FloatArray, objective: str, trees: int, leaves: int) -> lgb.Booster:
    """One head's booster."""
    data = lgb.Dataset(matrix, target, categorical_feature=list(CATEGORIES))
    return lgb.train({"objective": objective, "num_leaves": leaves, **EACH}, data, trees)


def in_turns(ways: Sequence[Callable[[FloatArray], object]], matrix: FloatArray) -> list[float]:
    """Median time of a row by each way [ms]; every row goes to all of them, some rows at a time."""
    spent: list[list[float]] = [[] for _ in ways]
    for start in range(0, ALONE, TURN):
        for way, times in zip(ways, spent, strict=True):
            times += [_seconds(way, matrix[place : place + 1]) for place in range(start, start + TURN)]
    return [1_000 * float(np.median(times)) for times in spent]


def swept(way: Callable[[FloatArray], object], matrix: FloatArray) -> float:
    """Median time of a row that finds nothing of the boosters in the caches next to the core [ms]."""
    broom, times = np.zeros(SWEPT_BYTES, np.uint8), []
    for place in range(ALONE):
        broom += 1
        times.append(_seconds(way, matrix[place : place + 1]))
    return 1_000 * float(np.median(times))


def _seconds(way: Callable[[FloatArray], object], rows: FloatArray) -> float:
    began = time.perf_counter()
    way(rows)
    return time.perf_counter() - began


def pace(way: Callable[[FloatArray], object], rows: FloatArray) -> float:
    """Rows a second."""
    return len(rows) / _seconds(way, rows)


def measured(trees: int, leaves: int) -> dict[str, Any]:
    """One pair of boosters."""
    matrix, targets = rows_and_targets()
    heads = [
        grown(matrix, target, objective, trees, leaves)
        for target, objective in zip(targets, ("binary", "regression"), strict=True)
    ]
    texts = [head.model_to_string() for head in heads]
    began = time.perf_counter()
    ready = [Attribution.of([booster_of(text)], [1.0]) for text in texts]
    ours(ready, matrix[:1])
    ready_s = time.perf_counter() - began

    def theirs(rows: FloatArray) -> list[FloatArray]:
        return [np.asarray(head.predict(rows, pred_contrib=True, num_threads=1)) for head in heads]

    pairs = zip(ours(ready, matrix[:COMPARED]), theirs(matrix[:COMPARED]), strict=True)
    alone = in_turns([lambda rows: ours(ready, rows), theirs], matrix)
    many = pace(lambda rows: ours(ready, rows), matrix[:BATCH]), pace(theirs, matrix[:THEIR_BATCH])
    return {
        "trees": trees,
        "leaves": leaves,
        "largest_error": max(float(np.abs(found - known).max()) for found, known in pairs),
        "one_row_ms": alone[0],
        "one_row_pred_contrib_ms": alone[1],
        "one_row_ratio": alone[1] / alone[0],
        "one_row_swept_ms": swept(lambda rows: ours(ready, rows), matrix),
        "rows_per_s": many[0],
        "rows_per_s_pred_contrib": many[1],
        "batch_ratio": many[0] / many[1],
        "ready_s": ready_s,
    }


def ours(ready: Sequence[Attribution], rows: FloatArray) -> list[FloatArray]:
    """Contributions of both heads, in this thread."""
    return [head.contributions(rows) for head in ready]


def loaded_s() -> float:
    """Time to explain a first row by the smallest of trees [s]: to read the compiled loops, or to compile them."""
    stump = Tree((Node(0, 0.0, None, 2, False, ~0, ~1),), (2,), (-1.0, 1.0), (1, 1))
    began = time.perf_counter()
    ours([Attribution.of([Booster(1, (stump,))], [1.0])], np.zeros((1, 1)))
    return time.perf_counter() - began


def command() -> None:
    """Measure exactness and speed of contributions, both heads."""
    first_s = loaded_s()
    results = [measured(*size) for size in SIZES]
    alone, many = ("one row ms", "swept", "pred_contrib ms", "ratio"), ("rows/s", "pred_contrib", "ratio")
    head = ("trees x leaves", "error", *alone, *many, "ready s")
    rows = [
        [
            f"{one['trees']} x {one['leaves']}",
            f"{one['largest_error']:.1e}",
            f"{one['one_row_ms']:.2f}",
            f"{one['one_row_swept_ms']:.2f}",
            f"{one['one_row_pred_contrib_ms']:.2f}",
            f"{one['one_row_ratio']:.1f}",
            f"{one['rows_per_s']:,.0f}",
            f"{one['rows_per_s_pred_contrib']:,.0f}",
            f"{one['batch_ratio']:.1f}",
            f"{one['ready_s']:.2f}",
        ]
        for one in results
    ]
    stdout.print(table("Contributions of both heads", head, rows))
    stdout.print(f"compiled loops ready after {first_s:.2f} s")
    content = {
        "measured": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "loops_ready_s": first_s,
        "sizes": results,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(command)
