"""One way to score a base with reasons, in a process of its own: prints rows, seconds and peak memory as JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

TOP = 5
EVERY_CORE = 10**9  # customers: more than any machine has cores for
SELF = Path("/proc/self")
Way = Callable[[Path, int], Iterator[int]]


def ours(folder: Path, chunk: int, customers: int = 1) -> Iterator[int]:
    """Whole answers - tiers, portraits, actions, reasons of both heads - as `pipelines.score` makes them.

    By as many processes as it takes for so many customers.
    """
    from churn_value.monitoring.scorers import Chunk, Wanted, processes_for, scorer  # noqa: PLC0415 - the peer has no churn_value
    from churn_value.scoring.bundle import load_bundle  # noqa: PLC0415
    from churn_value.scoring.overrides import TierOverrides  # noqa: PLC0415

    place = Path(json.loads((folder / "peer.json").read_text())["bundle"])
    wanted, processes = Wanted("en", TierOverrides(), date(2000, 1, 1), threads=1), processes_for(customers)
    with scorer(load_bundle(place), place, wanted, processes) as scored:
        batches = pq.ParquetFile(folder / "base.parquet").iter_batches(batch_size=processes * chunk)
        for _, answers in scored(Chunk(batch.to_pandas()) for batch in batches):
            yield len(answers)


def explained(folder: Path, chunk: int) -> Iterator[int]:
    """Scores and the five largest contributions of each head by pandas, LightGBM and shap; nothing else."""
    lightgbm, shap = importlib.import_module("lightgbm"), importlib.import_module("shap")
    told = json.loads((folder / "peer.json").read_text())
    heads = [[lightgbm.Booster(model_str=text) for text in texts] for texts in told["heads"]]
    explainers = [[shap.TreeExplainer(booster) for booster in boosters] for boosters in heads]
    for batch in pq.ParquetFile(folder / "base.parquet").iter_batches(batch_size=chunk):
        frame = batch.to_pandas()
        for name, texts in told["categories"].items():
            frame[name] = frame[name].map({text: code for code, text in enumerate(texts)})
        matrix = frame[told["names"]].to_numpy(dtype=np.float64)
        for boosters, ways in zip(heads, explainers, strict=True):
            raw = np.mean([booster.predict(matrix, raw_score=True, num_threads=1) for booster in boosters], axis=0)
            values = np.mean([way.shap_values(matrix) for way in ways], axis=0)
            rows = len(_reasons(values, raw, told["names"]))
        yield rows


def _reasons(values: Any, raw: Any, names: list[str]) -> pd.DataFrame:
    """Names and sizes of the largest contributions of each row."""
    order = np.argsort(-np.abs(values), axis=1)[:, :TOP]
    columns = np.array(names, dtype=object)[order]
    sizes = np.take_along_axis(values, order, axis=1)
    reasons = [
        json.dumps(list(zip(row, size, strict=True)))
        for row, size in zip(columns.tolist(), sizes.tolist(), strict=True)
    ]
    return pd.DataFrame({"raw": raw, "reasons": reasons})


WAYS: dict[str, Way] = {"ours": ours, "ours, every core": partial(ours, customers=EVERY_CORE), "shap": explained}


def _peak_bytes() -> int:
    """High-water marks of this process and those it has begun; `getrusage` counts the parent's from before exec too."""
    children = [Path(f"/proc/{child}") for task in Path("/proc/self/task").iterdir() for child in _children(task)]
    return sum(1024 * int((one / "status").read_text().split("VmHWM:")[1].split()[0]) for one in (SELF, *children))


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def main() -> None:
    """Run one way over a folder that `benchmarks.batch` prepared."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=sorted(WAYS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--chunk", type=int, required=True)
    given = parser.parse_args()
    start = time.perf_counter()
    stamps, peak = [], 0
    for done in WAYS[given.way](given.folder, given.chunk):
        stamps.append((done, time.perf_counter()))
        peak = max(peak, _peak_bytes())
    rows, seconds = sum(one for one, _ in stamps), stamps[-1][1] - start
    # What the first chunk pays once - imports, reading the model, compiling - is apart from the pace that follows.
    pace = sum(one for one, _ in stamps[1:]) / (stamps[-1][1] - stamps[0][1])
    found = {"rows": rows, "seconds": seconds, "customers_per_second": pace}
    sys.stdout.write(json.dumps({**found, "peak_bytes": peak}) + "\n")


if __name__ == "__main__":
    main()
