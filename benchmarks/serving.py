"""The service beside its alternatives: the same boosters, the same kind of answer, one machine, one run.

    python -m benchmarks.serving --config configs/completejourney.yaml --peer-python PYTHON [--quick]

Feature rows go in; a score and the five largest reasons of each head come out. Ours gives the whole governed answer
besides. FastAPI, the BentoML tutorial and `mlflow models serve` run pandas, LightGBM and shap, in the environment of
`requirements/serving_peers.in`. All are up at once on one core, and each load goes to them in short turns. Closed
loop: each connection asks again when answered. Open loop: Poisson arrivals at half of a way's own closed-loop rate,
latency from the planned arrival. With ``--trees 300`` all serve heads of the size that tutorials use, instead of the
champion's small ones. Needs a champion and its scored features (`make demo`). Writes
``benchmarks/results/serving.json``, or ``serving_<trees>.json``.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import sized
from benchmarks.serving_load import Seen, Summary, Target, arrivals, closed, first, opened
from benchmarks.serving_servers import WAYS, Prepared, checked, pinned, prepared, served, target
from churn_value.cli import ConfigPath, main, stdout, step, table
from churn_value.config import load_config
from churn_value.provenance import commit
from churn_value.settings import Settings
from churn_value.tracking.exported import champion_folder_or_refuse

OURS = "churn_value"
HALF = 0.5
OPEN_CONNECTIONS = 64
# What servers go on loading after their first answer should not meet the first load.
SETTLING_S = 20.0
TURNS = 5
HEADS = ("way", "loop", "connections", "list", "reasons", "p50 ms", "p99 ms", "requests/s", "customers/s", "refused")


@dataclass(frozen=True, slots=True)
class Plan:
    """Loads of one way: connections that ask for one customer, lists asked for by one connection, seconds each."""

    connections: tuple[int, ...] = (1, 8, 64)
    lists: tuple[int, ...] = (10, 100, 1_000)
    seconds: float = 5.0

    def closed(self) -> Iterator[tuple[int, int]]:
        """Connections and list of each load."""
        yield from ((connections, 1) for connections in self.connections)
        yield from ((1, size) for size in self.lists)


QUICK = Plan((1, 8), (100,), 2.0)


def _warmed(name: str, asked: Target, size: int, *, explain: bool) -> None:
    status, body = first(asked)
    if status != 200:
        raise RuntimeError(f"{name}: {status} {body[:500]!r}")
    checked(name, body, size, explain=explain)
    closed(asked, connections=1, seconds=0.3)


def _row(name: str, loop: str, load: tuple[int, int], seen: Summary, *, reasons: bool) -> dict[str, Any]:
    told = {"way": name, "loop": loop, "connections": load[0], "list": load[1], "reasons": reasons}
    return {**told, **seen.to_json()}


def measured(given: Prepared, ports: Mapping[str, int], plan: Plan) -> Iterator[list[dict[str, Any]]]:
    """Every load on every way, in turns of about a second: the speed of a shared machine changes within minutes.

    Closed loops, then the open loop at half of a way's rate, with reasons and without.
    """
    for reasons in (True, False):
        rates = dict.fromkeys(ports, 0.0)
        for connections, size in plan.closed():
            with step(f"{connections} at once, lists of {size:,}, {'with' if reasons else 'without'} reasons"):
                asked = {name: target(given, name, port, size=size, explain=reasons) for name, port in ports.items()}
                for name, one in asked.items():
                    _warmed(name, one, size, explain=reasons)
                seen = dict.fromkeys(ports, Seen())
                for name, one in TURNS * list(asked.items()):
                    seen[name] += closed(one, connections=connections, seconds=plan.seconds / TURNS)
            found = {name: one.summary(size) for name, one in seen.items()}
            if size == 1:
                rates = {name: max(rates[name], one.requests_per_s) for name, one in found.items()}
            yield [_row(name, "closed", (connections, size), one, reasons=reasons) for name, one in found.items()]
        yield [_held(given, name, port, plan, rates[name], reasons=reasons) for name, port in ports.items()]


def _held(given: Prepared, name: str, port: int, plan: Plan, rate: float, *, reasons: bool) -> dict[str, Any]:
    """The open loop on one way, at half of its rate."""
    asked = target(given, name, port, size=1, explain=reasons)
    planned = arrivals(HALF * rate, 2 * plan.seconds)
    held = opened(asked, connections=OPEN_CONNECTIONS, planned=planned).summary(1)
    return _row(name, "open", (OPEN_CONNECTIONS, 1), held, reasons=reasons)


def ratios(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Ours over each alternative, with reasons; above 1 is ahead.

    Requests/s of one customer at the best number of connections, p50 of one connection, customers/s of the longest.
    """
    found = {}
    mine = _figures(rows, OURS)
    for name in dict.fromkeys(row["way"] for row in rows if row["way"] != OURS):
        other = _figures(rows, name)
        found[name] = {
            "requests_per_s": mine["requests_per_s"] / other["requests_per_s"],
            "p50": other["p50_ms"] / mine["p50_ms"],
            "customers_per_s": mine["customers_per_s"] / other["customers_per_s"],
        }
    return found


def _figures(rows: list[dict[str, Any]], name: str) -> dict[str, float]:
    own = [row for row in rows if row["way"] == name and row["reasons"] and row["loop"] == "closed"]
    single = [row for row in own if row["list"] == 1]
    longest = max(own, key=lambda row: row["list"])
    return {
        "requests_per_s": max(row["requests_per_s"] for row in single),
        "p50_ms": next(row["p50_ms"] for row in single if row["connections"] == 1),
        "customers_per_s": longest["customers_per_s"],
    }


def _cores() -> tuple[int, int]:
    """Core of the client and core of the servers; the same one where there is no other."""
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def show(rows: list[dict[str, Any]]) -> None:
    """Print every load, and ours over the alternatives."""
    names = ("way", "loop", "connections", "list", "reasons", "p50_ms", "p99_ms", "requests_per_s", "customers_per_s")
    cells = [[*(str(row[n]) if n == "reasons" else row[n] for n in names), row["refused"]] for row in rows]
    stdout.print(table("Serving on one core, client on another", HEADS, cells))
    compared = [(name, *one.values()) for name, one in ratios(rows).items()]
    heads = ("ours over", "requests/s, one customer", "p50, one connection", "customers/s, longest list")
    stdout.print(table("With reasons", heads, compared))


def command(
    config: ConfigPath,
    peer_python: Annotated[str, typer.Option(help="Python with requirements/serving_peers.in.")] = sys.executable,
    trees: sized.Grown = 0,
    quick: Annotated[bool, typer.Option(help="Fewer loads, two seconds each.")] = False,
) -> None:
    """Measure all ways; write benchmarks/results/serving.json, or serving_<trees>.json."""
    loaded, results = load_config(config), sized.results("serving", trees)
    plan, cores, rows = QUICK if quick else Plan(), _cores(), list[dict[str, Any]]()
    with tempfile.TemporaryDirectory() as scratch:
        settings = sized.settings_of(Settings.from_environment(), loaded.name, trees, Path(scratch))
        champion = champion_folder_or_refuse(settings.exported(loaded.name), loaded.name)
        given = prepared(loaded, settings, champion, Path(scratch), peer_python)
        with ExitStack() as up:
            ports = {}
            for name in WAYS:
                with step(f"starting {name}"):
                    ports[name] = up.enter_context(served(given, name, cores[1]))
            time.sleep(0 if quick else SETTLING_S)
            up.enter_context(pinned(cores[0]))
            for more in measured(given, ports, plan):
                rows += more
                told = {"config": loaded.name, "commit": commit(), "quick": quick, "features": len(given.names)}
                sizes = {"trees": trees or "as trained", "one_core_each": cores[0] != cores[1]}
                # What is known so far: a long run that is stopped has not been for nothing.
                _keep(results, {**told, **sizes, "ratios": {}, "rows": rows})
    _keep(results, {**json.loads(results.read_text()), "ratios": ratios(rows)})
    show(rows)


def _keep(results: Path, content: dict[str, Any]) -> None:
    results.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(command)
