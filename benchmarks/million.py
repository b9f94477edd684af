"""A million customers from features to full answers, with and without reasons: time, customers per second, memory.

    python -m benchmarks.million [--customers 1000000]

Feature rows are drawn from a synthetic world's test rows with replacement; numbers that are not counts or flags are
jittered by up to 2 %. They go through the batch path chunk by chunk – score, flat table, Parquet – so that memory is
bounded by the chunk. Writes ``benchmarks/results/million.json``.
"""

from __future__ import annotations

import json
import os
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from benchmarks.cheap_bundle import cheap, made, scratch, synthetic
from churn_value.cli import main, progress, stdout, table
from churn_value.provenance import commit
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame

RESULTS = Path("benchmarks/results/million.json")
WORLD, CHUNK_ROWS, JITTER_SHARE, SEED = 4_000, 20_000, 0.02, 7


def drawn(rows: pd.DataFrame, start: int, size: int) -> pd.DataFrame:
    """Some of the million: rows drawn with replacement, fractions jittered, ids running."""
    rng = np.random.default_rng([SEED, start])
    frame = rows.iloc[rng.integers(0, len(rows), size)].reset_index(drop=True)
    numbers = frame.select_dtypes("number").columns
    cells = frame[numbers].to_numpy(dtype=np.float64)
    factor = 1 + JITTER_SHARE * (2 * rng.random(cells.shape) - 1)
    jittered = pd.DataFrame(np.where(cells % 1 == 0, cells, cells * factor), columns=numbers)
    ids = pd.Series([f"M{number:07d}" for number in range(start, start + size)], dtype=object)
    return frame.assign(**{name: jittered[name] for name in numbers}, customer_id=ids)


def measured(bundle: Bundle, rows: pd.DataFrame, customers: int, *, explain: bool, path: Path) -> dict[str, Any]:
    """Time of making all answers and writing them; drawing the features is not counted."""
    spent, writer = 0.0, None
    with progress() as bar:
        for start in bar.track(range(0, customers, CHUNK_ROWS), description="reasons" if explain else "no reasons"):
            chunk = drawn(rows, start, min(CHUNK_ROWS, customers - start))
            began = time.perf_counter()
            answers = answers_to_frame(score(bundle, chunk, explain=explain, threads=os.cpu_count() or 1))
            answers = pa.Table.from_pandas(answers, preserve_index=False) if writer is None else _as(writer, answers)
            writer = writer or pq.ParquetWriter(path, answers.schema)
            writer.write_table(answers)
            spent += time.perf_counter() - began
    if writer is not None:
        writer.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "reasons": explain,
        "customers": customers,
        "wall_s": spent,
        "customers_per_s": customers / spent,
        "peak_mib": peak,
        "file_mib": path.stat().st_size / 2**20,
    }


def _as(writer: pq.ParquetWriter, answers: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(answers, schema=writer.schema, preserve_index=False)


def command(customers: Annotated[int, typer.Option(help="Customers to answer for.")] = 1_000_000) -> None:
    """Answer for a million customers, with and without reasons."""
    with scratch(world=synthetic(WORLD)) as settings:
        found = made(cheap("synthetic"), settings)
        results = [
            measured(found.bundle, found.test, customers, explain=explain, path=settings.artifacts / "answers.parquet")
            for explain in (False, True)
        ]
    names = tuple(results[0])
    stdout.print(table("From features to answers", names, [[one[name] for name in names] for one in results]))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "measured": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "cores": os.cpu_count(),
        "chunk_rows": CHUNK_ROWS,
        "runs": results,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(command)
