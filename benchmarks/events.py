"""How long a score from live events takes, and what the score log costs an answer, in the worker's own code.

    python -m benchmarks.events --config configs/completejourney.yaml

Needs a champion and its scored features (`make demo`). The company's tables are loaded into a store of their own, in a
folder that is thrown away. One event of a customer is appended and that customer scored: once for customers drawn
evenly from the scored table, then again and again for the one of them with the most events. Customers of the scored
table are answered in turns of fifty, with the log of answers and without, and the medians are compared. HTTP is not
part of it. Writes ``benchmarks/results/events.json``.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from churn_value.cli import ConfigPath, main, stdout, table
from churn_value.config import Config, load_config
from churn_value.provenance import commit
from churn_value.service.events.arrivals import receive
from churn_value.service.exchange import OWN, Sent, exchange
from churn_value.service.log.entries import Pending
from churn_value.service.options import Options
from churn_value.service.serving import Serving
from churn_value.settings import Settings
from pipelines import backfill

RESULTS = Path("benchmarks/results/events.json")
ROUNDS, TURNS, TURN = 60, 12, 50
WARMING = 5


def timed(work: Callable[[], object]) -> float:
    """Time of one call [ms]."""
    began = time.perf_counter()
    work()
    return 1_000 * (time.perf_counter() - began)


def asked(serving: Serving, customer_id: str) -> Callable[[], object]:
    """One request of a customer by id, with reasons, from bytes to bytes."""
    body = json.dumps({"items": [{"customer_id": customer_id}]}).encode()
    return lambda: exchange([Sent(body, OWN, "benchmark")], serving, now=datetime.now(UTC))


def live(serving: Serving, customer_ids: Sequence[str]) -> dict[str, list[float]]:
    """Times of appending an event of each customer and of the score after it [ms], and the customer's events."""
    found: dict[str, list[float]] = {"append": [], "score_from_events": [], "events": []}
    for number, customer_id in enumerate(customer_ids):
        now = datetime.now(UTC)
        row = {"event_id": f"benchmark-{number}-{now.timestamp()}", "event_time": now.isoformat(), "amount": 10.0}
        document = {"items": [{"customer_id": customer_id, "events": {"purchases": [row]}}]}
        found["append"].append(timed(partial(receive, document, serving, request_id="benchmark", now=now)))
        found["score_from_events"].append(timed(asked(serving, customer_id)))
        found["events"].append(float(events_of(serving, customer_id)))
    return found


def events_of(serving: Serving, customer_id: str) -> int:
    """Events that a score of a customer is made from."""
    return sum(len(rows) for rows in serving.events.rows([customer_id])[customer_id].values())


def lived(serving: Serving, customer_ids: Sequence[str]) -> dict[str, float]:
    """Medians over customers drawn evenly, and of the one of them with the most events [ms]; their events."""
    drawn = customer_ids[:: max(1, len(customer_ids) // ROUNDS)][:ROUNDS]
    live(serving, drawn[:WARMING])
    typical = live(serving, drawn)
    heaviest = live(serving, [drawn[int(np.argmax(typical["events"]))]] * ROUNDS)
    return {
        "append_p50_ms": statistics.median(typical["append"]),
        "score_from_events_p50_ms": statistics.median(typical["score_from_events"]),
        "score_from_events_p99_ms": statistics.quantiles(typical["score_from_events"], n=100)[-1],
        "events_p50": statistics.median(typical["events"]),
        "heaviest_score_from_events_p50_ms": statistics.median(heaviest["score_from_events"]),
        "heaviest_events": heaviest["events"][0],
    }


class _Unlogged:
    """A log that keeps nothing, as far as a worker looks at it."""

    lost, fault = 0, None

    def append(self, pending: Pending) -> None:
        """Forget."""


def logged(serving: Serving, customer_ids: list[str]) -> dict[str, list[float]]:
    """Times of an answer with the log and without, turn by turn [ms]."""
    log = serving.score_log
    found: dict[str, list[float]] = {"logged": [], "unlogged": []}
    for turn in range(2 * TURNS):
        name = "unlogged" if turn % 2 else "logged"
        serving.score_log = _Unlogged() if turn % 2 else log  # type: ignore[assignment]
        for customer_id in customer_ids[:TURN]:
            found[name].append(timed(asked(serving, customer_id)))
    serving.score_log = log
    return found


def measured(config: Config, settings: Settings, scratch: Path) -> dict[str, Any]:
    """Medians, and the 99th percentile of a score from events [ms]."""
    own = replace(settings, artifacts=scratch)
    own.place(config.name).mkdir(parents=True)
    shutil.copy(settings.scored_features(config.name), own.scored_features(config.name))
    rows = backfill.run(config, own).history.rows
    serving = Serving(Options(name=config.name), own)
    serving.start()
    ids = pd.read_parquet(own.scored_features(config.name), columns=["customer_id"])["customer_id"].tolist()
    try:
        found = {f"{name}_p50_ms": statistics.median(times) for name, times in logged(serving, ids).items()}
        found |= lived(serving, ids)
    finally:
        serving.stop()
    share = found["logged_p50_ms"] / found["unlogged_p50_ms"] - 1
    return {"rows_of_history": rows, "rounds": ROUNDS, **found, "log_cost_share": share}


def command(config: ConfigPath) -> None:
    """Measure, print, and write benchmarks/results/events.json."""
    loaded = load_config(config)
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(loaded, Settings.from_environment(), Path(scratch) / "artifacts")
    stdout.print(table(loaded.name, ("figure", "value"), [(name, f"{value:,.3f}") for name, value in found.items()]))
    RESULTS.write_text(json.dumps({"config": loaded.name, "commit": commit(), **found}, indent=1) + "\n")


if __name__ == "__main__":
    main(command)
