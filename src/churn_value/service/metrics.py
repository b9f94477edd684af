"""What an operator watches, in Prometheus' words; no label ever holds text of a caller.

With several workers each keeps its numbers in files of BentoML's metrics folder (``PROMETHEUS_MULTIPROC_DIR``), and
whichever worker is asked adds them up. BentoML's own endpoint and middleware stay off, because their labels are raw
paths, in which a caller may have put an id.
"""

from __future__ import annotations

import os
import re
from collections import Counter as Tally
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
PROBABILITIES = tuple(step / 20 for step in range(1, 21))
SCORES = tuple(float(step) for step in range(10, 101, 10))
_LIVE_FILE = re.compile(r"gauge_live[a-z]*_([0-9]+)\.db")


class Meters:
    """Counters, histograms and gauges of one worker process.

    Attributes
    ----------
    registry
        Where they are kept when the process is the only worker.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        kept: dict[str, Any] = {"namespace": "churn_value", "registry": self.registry}
        self.requests = Counter("requests", "Requests answered.", ["route", "method", "status"], **kept)
        self.refusals = Counter("refusals", "Requests refused, by the code of the refusal.", ["code"], **kept)
        self.seconds = Histogram(
            "request_seconds",
            "Time from a request's head to its answer's end; not of those refused at the door.",
            ["route"],
            buckets=SECONDS,
            **kept,
        )
        self.inside = Gauge("inside", "Requests in the queue or being scored.", multiprocess_mode="livesum", **kept)
        self.items = Counter("items", "Customers answered, by the status of the answer.", ["status"], **kept)
        self.item_faults = Counter("item_faults", "Customers without an answer, by code.", ["code"], **kept)
        self.warnings = Counter("warnings", "Warnings about inputs, by code.", ["code"], **kept)
        self.tiers = Counter("tiers", "Customers answered, by tier.", ["tier"], **kept)
        self.probability = Histogram(
            "churn_probability", "Churn probabilities answered.", buckets=PROBABILITIES, **kept
        )
        self.overall = Histogram("overall_score", "Overall scores answered, 0 to 100.", buckets=SCORES, **kept)
        self.event_rows = Counter("event_rows", "Rows of live events, by what became of them.", ["status"], **kept)
        self.log_lost = Gauge(
            "score_log_lost",
            "Answers missing from the score log, told there by its gap entries.",
            multiprocess_mode="livesum",
            **kept,
        )
        self.swaps = Counter("swaps", "New champions met, by what became of them.", ["outcome"], **kept)
        self.model = Gauge(
            "model_info", "1 for the model version being served.", ["version"], multiprocess_mode="livemax", **kept
        )
        self.ready = Gauge("ready", "1 when every worker can score.", multiprocess_mode="livemin", **kept)
        self.faults = Gauge(
            "fault", "1 while an operator should look at it.", ["code"], multiprocess_mode="livemax", **kept
        )
        self.features_written = Gauge(
            "features_written_timestamp_seconds",
            "When the feature table was written [s since 1970].",
            multiprocess_mode="livemax",
            **kept,
        )
        self._version: str | None = None
        self._faults: frozenset[str] = frozenset()

    def answered(self, route: str, method: str, status: int, code: str | None, seconds: float) -> None:
        """Count one request."""
        self.requests.labels(route, method, str(status)).inc()
        self.seconds.labels(route).observe(seconds)
        if code is not None:
            self.refusals.labels(code).inc()

    def refused(self, route: str, method: str, status: int, code: str, count: int) -> None:
        """Count requests refused at the door, which took no time to speak of."""
        self.requests.labels(route, method, str(status)).inc(count)
        self.refusals.labels(code).inc(count)

    def received(self, counts: Mapping[str, int]) -> None:
        """Count the rows of one request of events, by status."""
        for status, count in counts.items():
            self.event_rows.labels(status).inc(count)

    def scored(self, results: Iterable[Mapping[str, Any]]) -> None:
        """Count the answers of one response."""
        statuses, faults, warnings, tiers = Tally[str](), Tally[str](), Tally[str](), Tally[str]()
        for result in results:
            statuses[result["status"]] += 1
            warnings.update(warning["code"] for warning in result["warnings"])
            if result["error"]:
                faults[result["error"]["code"]] += 1
            if result["tier"]:
                tiers[result["tier"]["code"]] += 1
            if result["churn"]:
                self.probability.observe(result["churn"]["probability"])
            if result["scores"] and result["scores"]["overall"] is not None:
                self.overall.observe(result["scores"]["overall"])
        counters = ((self.items, statuses), (self.item_faults, faults), (self.warnings, warnings), (self.tiers, tiers))
        for counter, tally in counters:
            for label, count in tally.items():
                counter.labels(label).inc(count)

    def state(self, version: str | None, faults: Iterable[str], features_written: float | None, *, ready: bool) -> None:
        """Set what holds now; what no longer holds becomes 0, since other processes' files cannot be taken back."""
        self.ready.set(ready)
        if features_written is not None:
            self.features_written.set(features_written)
        if version != self._version:
            if self._version is not None:
                self.model.labels(self._version).set(0)
            if version is not None:
                self.model.labels(version).set(1)
            self._version = version
        now = frozenset(faults)
        for code in now | self._faults:
            self.faults.labels(code).set(code in now)
        self._faults = now

    def exposition(self) -> bytes:
        """Figures of all workers in Prometheus' text format."""
        folder = os.environ.get(FOLDER)
        if not folder:
            return generate_latest(self.registry)
        forget_dead(Path(folder))
        registry = CollectorRegistry()
        MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry)


def forget_dead(folder: Path) -> None:
    """Remove the live gauges of workers that are gone: one that was killed could not do so itself."""
    for file in folder.glob("gauge_live*.db"):
        found = _LIVE_FILE.fullmatch(file.name)
        if found and not _alive(int(found[1])):
            file.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
