"""How long a score from live events takes: ``python -m benchmarks.events NAME CUSTOMER``.

Appends one event of a customer and scores that customer, again and again, in the worker's own code without HTTP.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from churn_value.service.arrivals import receive
from churn_value.service.exchange import OWN, exchange
from churn_value.service.options import Options
from churn_value.service.serving import Serving
from churn_value.settings import Settings

ROUNDS = 40


def measure(name: str, settings: Settings, customer_id: str) -> dict[str, float]:
    """Medians of appending one purchase and of the score after it [ms].

    By the clock, and the score also by the thread's own processor time; the store must have a history.
    """
    serving = Serving(Options(name=name), settings)
    serving.refresh()
    appended, scored, worked = [], [], []
    for number in range(ROUNDS):
        now = datetime.now(UTC)
        row = {"event_id": f"bench-{now.timestamp()}-{number}", "event_time": now.isoformat(), "amount": 10.0}
        document = {"items": [{"customer_id": customer_id, "events": {"purchases": [row]}}]}
        started = time.perf_counter()
        receive(document, serving, request_id="bench", now=now)
        appended.append(time.perf_counter() - started)
        body = json.dumps({"items": [{"customer_id": customer_id}]}).encode()
        started, began = time.perf_counter(), time.thread_time()
        exchange(body, serving, OWN, request_id="bench", now=datetime.now(UTC))
        scored.append(time.perf_counter() - started)
        worked.append(time.thread_time() - began)
    found = {"append_ms": appended, "score_ms": scored, "score_cpu_ms": worked}
    return {name: round(1_000 * statistics.median(seconds), 1) for name, seconds in found.items()}


def main() -> None:
    """Measure a company's copy: ``python -m benchmarks.events NAME CUSTOMER``; it writes events into its store."""
    name, customer_id = sys.argv[1:3]
    figures = measure(name, Settings.from_environment(), customer_id)
    sys.stdout.write(json.dumps({"company": name, "rounds": ROUNDS, **figures}, indent=1) + "\n")
    Path("benchmarks/results").mkdir(exist_ok=True)
    Path("benchmarks/results/events.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
