"""One parent run per training, one nested run per trial, readable beside each other in MLflow's table.

Only MLflow's low-level client is used, nothing is pickled, and a run's process holds a file lock while it lives, so
that a run left RUNNING by a killed process can be told from one that works (see `orphans`).
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from churn_value.errors import ChurnValueError, RegistryError
from churn_value.estimators.bootstrap import Estimate
from churn_value.evaluation.checks import Check
from churn_value.evaluation.results import CHAMPION, MODEL, Evaluation
from churn_value.tracking.locks import held
from churn_value.tracking.store import Store

PARENT = "mlflow.parentRunId"
TABLES = "mlflow.loggedArtifacts"
KIND = "churn_value.kind"
EVALUATION_FILE = "evaluation/evaluation.json"
CHECKS_FILE = "evaluation/checks.json"
BUNDLE_PLACE = "bundle"
LONGEST_VALUE = 500
BATCH = 90


def metric_names(evaluation: Evaluation) -> dict[str, float]:
    """Flat metric names that line up between runs, with their interval ends.

    The model's are ``test.<metric>``, the champion's ``champion.<metric>``, a baseline's ``baseline.<name>.<metric>``;
    ``_low`` and ``_high`` end the interval; ``difference.<system>.<metric>`` is the model minus that system.
    Numbers that are not finite are left out.
    """
    flat: dict[str, float] = {}
    for system, metrics in evaluation.metrics.items():
        for name, estimate in metrics.items():
            flat |= _ends(f"{_prefix(system)}.{name}", estimate)
    for system, metrics in evaluation.differences.items():
        for name, estimate in metrics.items():
            flat |= _ends(f"difference.{system}.{name}", estimate)
    flat |= {"test.rows": float(evaluation.rows), "test.churners": float(evaluation.churners)}
    return {name: value for name, value in flat.items() if math.isfinite(value)}


def _prefix(system: str) -> str:
    return {MODEL: "test", CHAMPION: CHAMPION}.get(system, f"baseline.{system}")


def _ends(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_low": estimate.lower, f"{name}_high": estimate.upper}


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """An open parent run; every method writes at once.

    Parameters
    ----------
    store
        Where it is kept.
    run_id, experiment_id
        MLflow's ids.
    """

    store: Store
    run_id: str
    experiment_id: str

    def params(self, values: Mapping[str, object]) -> None:
        """Settings; texts longer than 500 characters are cut."""
        entries = [Param(key, _text(value)) for key, value in values.items()]
        for start in range(0, len(entries), BATCH):
            self.store.client.log_batch(self.run_id, params=entries[start : start + BATCH])

    def metrics(self, values: Mapping[str, float], *, step: int = 0) -> None:
        """Finite numbers by name; others are left out, since a chart cannot show them."""
        now = _milliseconds()
        entries = [Metric(key, float(value), now, step) for key, value in values.items() if math.isfinite(value)]
        for start in range(0, len(entries), 10 * BATCH):
            self.store.client.log_batch(self.run_id, metrics=entries[start : start + 10 * BATCH])

    def tags(self, values: Mapping[str, object]) -> None:
        """Tags; shown as columns in MLflow's table."""
        entries = [RunTag(key, _text(value)) for key, value in values.items() if value is not None]
        self.store.client.log_batch(self.run_id, tags=entries)

    def evaluation(self, evaluation: Evaluation) -> None:
        """Metrics with intervals, a table to open in the browser, and the document the gate reads."""
        self.metrics(metric_names(evaluation))
        self.table("evaluation/comparison.json", evaluation.frame())
        self.text(EVALUATION_FILE, evaluation.to_json())

    def checks(self, checks: Sequence[Check]) -> None:
        """Results of the evaluation checks: for people as a table, for the gate as a document."""
        self.document(CHECKS_FILE, [check.to_dict() for check in checks])
        self.table("evaluation/checks_table.json", pd.DataFrame([check.to_dict() for check in checks]))

    def table(self, place: str, frame: pd.DataFrame) -> None:
        """A data frame as an MLflow table, opened as one in the browser; `place` ends ``.json``."""
        # MLflow's own log_table warns under pandas 3; this is the document and the tag it writes.
        self.text(place, frame.to_json(orient="split", index=False, date_format="iso", force_ascii=False))
        known = self.store.client.get_run(self.run_id).data.tags.get(TABLES, "[]")
        listed = [*json.loads(known), {"path": place, "type": "table"}]
        self.store.client.set_tag(self.run_id, TABLES, json.dumps(listed))

    def figure(self, place: str, figure: Figure) -> None:
        """A figure as PNG or SVG, by the ending of `place`."""
        self.store.client.log_figure(self.run_id, figure, place)

    def figures(self, figures: Mapping[str, Figure]) -> None:
        """Figures by name, as PNG in the folder ``figures``."""
        for name, figure in figures.items():
            self.figure(f"figures/{name}.png", figure)

    def text(self, place: str, content: str) -> None:
        """A text file."""
        self.store.client.log_text(self.run_id, content, place)

    def document(self, place: str, content: Mapping[str, Any] | Sequence[Any]) -> None:
        """A JSON file; dates are written as ISO days."""
        self.text(place, json.dumps(content, ensure_ascii=False, indent=1, default=str))

    def files(self, path: Path, place: str = "") -> None:
        """A file, or a whole folder with its name, under the artifact folder `place`."""
        if path.is_dir():
            self.store.client.log_artifacts(self.run_id, str(path), f"{place}/{path.name}".lstrip("/"))
        else:
            self.store.client.log_artifact(self.run_id, str(path), place or None)

    def bundle(self, folder: Path) -> str:
        """A bundle's folder, unchanged; returns its place among the run's artifacts."""
        self.files(folder, BUNDLE_PLACE)
        return f"{BUNDLE_PLACE}/{folder.name}"

    def trial(
        self,
        head: str,
        number: int,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        *,
        state: str = "COMPLETE",
        started_ms: int | None = None,
        ended_ms: int | None = None,
    ) -> str:
        """One nested run for one trial of a search; returns its id.

        Parameters
        ----------
        head
            ``churn`` or ``value``.
        number
            The trial's number in its study.
        params, metrics
            What was tried and what came out.
        state
            Optuna's word; COMPLETE and PRUNED end FINISHED, FAIL ends FAILED.
        started_ms, ended_ms
            Milliseconds since 1970; now by default.
        """
        client, now = self.store.client, _milliseconds()
        tags = {PARENT: self.run_id, KIND: "trial", "head": head, "trial": str(number), "state": state}
        name = f"{head} trial {number:03d}"
        run = client.create_run(self.experiment_id, start_time=started_ms or now, tags=tags, run_name=name)
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(k, float(v), ended_ms or now, number) for k, v in metrics.items() if math.isfinite(v)],
            params=[Param(key, _text(value)) for key, value in params.items()],
        )
        client.set_terminated(run.info.run_id, "FAILED" if state == "FAIL" else "FINISHED", ended_ms or now)
        return str(run.info.run_id)


def _milliseconds() -> int:
    return int(pd.Timestamp.now(tz="UTC").timestamp() * 1000)


def lock_of(store: Store, run_id: str) -> Path:
    """Lock file that the process of a parent run holds."""
    return store.folder / "running" / f"{run_id}.lock"


@contextmanager
def training_run(
    store: Store, experiment: str, *, run_name: str, tags: Mapping[str, object] | None = None
) -> Iterator[TrainingRun]:
    """Parent run that ends FINISHED, FAILED with the error's code as a tag, or KILLED when interrupted.

    Parameters
    ----------
    store
        An opened store.
    experiment
        The config's name: runs of one company stand in one table.
    run_name
        Shown to people.
    tags
        For example ``config_sha256``, ``data_sha256``, ``git_commit``; None values are left out.
    """
    experiment_id = store.experiment(experiment)
    given = {key: _text(value) for key, value in (tags or {}).items() if value is not None}
    run = store.client.create_run(experiment_id, tags={KIND: "training", **given}, run_name=run_name)
    run_id = str(run.info.run_id)
    lock = lock_of(store, run_id)
    with held(lock, wait_s=0):
        outer = sys.exception()
        try:
            yield TrainingRun(store, run_id, experiment_id)
        finally:
            failure = sys.exception()
            _close(store, run_id, None if failure is outer else failure)
    lock.unlink(missing_ok=True)


def _close(store: Store, run_id: str, failure: BaseException | None) -> None:
    """End the run with the status its block earned."""
    status = "FINISHED"
    if failure is not None:
        named = f"{failure.code}: {failure}" if isinstance(failure, ChurnValueError) else type(failure).__name__
        store.client.set_tag(run_id, "error", _text(named))
        status = "FAILED" if isinstance(failure, Exception) else "KILLED"
    store.client.set_terminated(run_id, status)


def read_text(store: Store, run_id: str, place: str) -> str:
    """Text of one artifact of a run.

    Raises
    ------
    RegistryError
        ``ARTIFACT_MISSING`` when the run or the file is not there.
    """
    try:
        with tempfile.TemporaryDirectory() as scratch:
            return Path(store.client.download_artifacts(run_id, place, scratch)).read_text(encoding="utf-8")
    except (MlflowException, OSError) as error:
        raise RegistryError(
            "a training run keeps its documents as artifacts",
            code="ARTIFACT_MISSING",
            where=f"run {run_id}: {place}",
            received=type(error).__name__,
            remedy="train again, or restore the artifact folder",
        ) from None
