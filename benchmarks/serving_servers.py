"""The four servers of `benchmarks.serving`: how each is started on the loopback address, and what it is asked.

Servers run on one core, the client on another. Every one has a single worker and one OpenMP thread.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.serving_load import OK, Target, first
from churn_value.config import Config
from churn_value.estimators.hurdle import HurdleModel
from churn_value.scoring.bundle import load_bundle
from churn_value.service.options import Options
from churn_value.service.serve import LOCAL, free_port, started
from churn_value.settings import Settings

ROOT = Path(__file__).parents[1]
PEERS = "benchmarks.serving_peers"
READY_S = 120.0
STOP_S = 10.0
EXAMPLE_ROWS = 50
Row = dict[str, Any]


@dataclass(frozen=True)
class Prepared:
    """What every way is given: rows as JSON values, and a folder with the boosters for the alternatives."""

    config: Config
    settings: Settings
    folder: Path
    peer_python: str
    names: tuple[str, ...]
    keys: tuple[Row, ...]
    features: tuple[Row, ...]

    def rows(self, size: int, number: int) -> list[int]:
        """Places of the rows of one list, taken in turn."""
        return [(number * size + place) % len(self.features) for place in range(size)]


def _plain(value: object) -> object:
    return None if value is None or (isinstance(value, float) and not math.isfinite(value)) or pd.isna(value) else value  # type: ignore[call-overload]


def prepared(config: Config, settings: Settings, champion: Path, folder: Path, peer_python: str) -> Prepared:
    """Boosters, feature rows and names of a company's champion and its last scored features."""
    model = load_bundle(champion).model
    if not isinstance(model, HurdleModel):
        raise TypeError(model)
    heads = {"churn": list(model.churn.texts)}
    if model.value is not None:
        heads["value"] = [text for part in model.value.parts for text in part.trees.texts]
    names = tuple(model.design.names)
    categories = {name: list(texts) for name, texts in model.design.categories.items()}
    (folder / "peer.json").write_text(json.dumps({"heads": heads, "names": names, "categories": categories}))
    frame = pd.read_parquet(settings.scored_features(config.name)).head(2_000)
    rows: list[Row] = [
        {str(name): _plain(value) for name, value in row.items()}
        for row in frame[list(names)].astype(object).to_dict("records")
    ]
    (folder / "example.json").write_text(json.dumps(rows[:EXAMPLE_ROWS]))
    days = pd.to_datetime(frame["as_of"]).dt.strftime("%Y-%m-%d").tolist()
    keys = [{"customer_id": one, "as_of": day} for one, day in zip(frame["customer_id"].tolist(), days, strict=True)]
    return Prepared(config, settings, folder, peer_python, names, tuple(keys), tuple(rows))


def _ours(given: Prepared, places: Sequence[int], explain: bool) -> Row:
    items = [{**given.keys[place], "features": given.features[place]} for place in places]
    return {"explain": explain, "top": 5, "items": items}


def _listed(given: Prepared, places: Sequence[int], explain: bool) -> Row:
    return {"items": [given.features[place] for place in places], "explain": explain}


def _records(given: Prepared, places: Sequence[int], explain: bool) -> Row:
    return {"dataframe_records": [given.features[place] for place in places], "params": {"explain": explain}}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to serve: its route, its request, the part of an answer that holds results, and how it is started."""

    path: str
    asked: Callable[[Prepared, Sequence[int], bool], Row]
    results: str | None
    module: Sequence[str] = ()


WAYS: Mapping[str, Way] = {
    "churn_value": Way("/v1/score", _ours, "results"),
    "FastAPI + shap": Way(
        "/score", _listed, "results", ("uvicorn", f"{PEERS}.fastapi_app:app", "--no-access-log", "--port")
    ),
    "BentoML tutorial": Way(
        "/score", _listed, None, ("bentoml", "serve", f"{PEERS}.bentoml_service:Scorer", "--host", LOCAL, "--port")
    ),
    "mlflow models serve": Way(
        "/invocations", _records, "predictions", ("mlflow", "models", "serve", "-w", "1", "-h", LOCAL, "-p")
    ),
}


def target(given: Prepared, name: str, port: int, *, size: int, explain: bool) -> Target:
    """Requests of lists of `size` customers to one way."""
    way, different = WAYS[name], 32 if size <= 10 else 2
    bodies = [way.asked(given, given.rows(size, number), explain) for number in range(different)]
    return Target(port, way.path, tuple(json.dumps(body).encode() for body in bodies))


def checked(name: str, body: bytes, size: int, *, explain: bool) -> None:
    """Refuse to compare a way whose answer has not a score and reasons of each head for each customer.

    Ours tells less than five where fewer kinds of reason speak; the alternatives' five may be of one kind.
    """
    content = json.loads(body)
    results = content if WAYS[name].results is None else content[WAYS[name].results]
    reasons = [one["reasons"] or {"churn": []} for one in results] if explain else []
    heads = [len(found) for one in reasons for found in one.values()]
    if len(results) != size or any(one.get("churn") is None for one in results) or not set(heads) <= set(range(1, 6)):
        raise ValueError(f"{name} answered {body[:300]!r}")


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """One core for this thread and what it starts meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def served(given: Prepared, name: str, core: int) -> Iterator[int]:
    """One way up, on a core of its own; yields its port."""
    if WAYS[name].module:
        with _peer(given, name, core) as port:
            yield port
        return
    options = replace(
        Options.from_environment(), body_bytes=2**26, explained=1_000, waiting=256, deadline_s=60.0, body_timeout_s=60.0
    )
    with pinned(core):
        manager = started(given.config.name, options=options, settings=given.settings)
        url, _ = manager.__enter__()
    try:
        yield int(url.rsplit(":", 1)[1])
    finally:
        manager.__exit__(None, None, None)


def _environment(given: Prepared) -> dict[str, str]:
    # `mlflow models serve` runs whatever `uvicorn` the path finds: let it be that of the peers' environment.
    binaries = given.folder / "bin"
    binaries.mkdir(exist_ok=True)
    runner = binaries / "uvicorn"
    runner.write_text(f'#!/bin/sh\nexec "{given.peer_python}" -m uvicorn "$@"\n')
    runner.chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PEER_FOLDER": str(given.folder),
        "BENTOML_HOME": str(given.folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def _peer(given: Prepared, name: str, core: int) -> Iterator[int]:
    port, log = free_port(), given.folder / f"{WAYS[name].module[0]}.log"
    command = [given.peer_python, "-m", *WAYS[name].module, str(port)]
    if name == "mlflow models serve":
        saved = given.folder / "mlflow"
        if not saved.exists():
            making = [given.peer_python, "-m", f"{PEERS}.mlflow_model", str(given.folder)]
            subprocess.run(making, env=_environment(given), cwd=ROOT, check=True, capture_output=True)
        command += ["-m", str(saved), "--env-manager", "local"]
    with pinned(core), log.open("wb") as output:
        process = subprocess.Popen(
            command, env=_environment(given), cwd=ROOT, stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(given, name, port, process, log)
        yield port
    finally:
        _stop(process)


def _wait(given: Prepared, name: str, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    asked, ends = target(given, name, port, size=1, explain=True), time.monotonic() + READY_S
    status, body = first(asked)
    while status != OK:
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"{name}: {status} {body[:500]!r}\n{log.read_text()[-3_000:]}")
        time.sleep(0.5)
        status, body = first(asked)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a peer and the workers it started, which share its process group."""
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
