"""Two training runs side by side, as tables to read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from churn_value.errors import RegistryError
from churn_value.estimators.bootstrap import Estimate
from churn_value.evaluation.results import BY_NAME, MODEL, Evaluation, has_interval
from churn_value.tracking.runs import EVALUATION_FILE, KIND, read_text
from churn_value.tracking.store import Store

MOST_RUNS = 200
SHOWN = ("test.churn_auc", "test.churn_log_loss", "test.churn_calibration_error", "test.value_normalised_gini")


def training_runs(store: Store, experiment: str) -> pd.DataFrame:
    """Finished training runs of one company, the newest first.

    Returns
    -------
    DataFrame
        run_id, name, started, config_sha256, data_sha256, then a few test metrics; empty when there are none.
    """
    columns = ["run_id", "name", "started", "config_sha256", "data_sha256", *SHOWN]
    found = store.client.get_experiment_by_name(experiment)
    if found is None:
        return pd.DataFrame(columns=columns)
    query = f"tags.`{KIND}` = 'training' and attributes.status = 'FINISHED'"
    runs = store.client.search_runs([found.experiment_id], query, max_results=MOST_RUNS)
    rows = [
        [
            run.info.run_id,
            run.info.run_name,
            pd.Timestamp(run.info.start_time, unit="ms"),
            run.data.tags.get("config_sha256", "")[:12],
            run.data.tags.get("data_sha256", "")[:12],
            *(run.data.metrics.get(name, math.nan) for name in SHOWN),
        ]
        for run in runs
    ]
    return pd.DataFrame(rows, columns=columns)


def newest_two(store: Store, experiment: str) -> tuple[str, str]:
    """Ids of the run before the newest and of the newest.

    Raises
    ------
    RegistryError
        ``TOO_FEW_RUNS``.
    """
    runs = training_runs(store, experiment)
    if len(runs) < 2:
        raise RegistryError(
            "a comparison needs two finished training runs",
            code="TOO_FEW_RUNS",
            where=f"experiment {experiment}",
            received=len(runs),
            remedy=f"train again: python -m pipelines.train --config configs/{experiment}.yaml",
        )
    return str(runs["run_id"].iloc[1]), str(runs["run_id"].iloc[0])


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes
    ----------
    metrics
        One row per measure: measure, before, before_interval, now, now_interval, change, verdict.
    settings
        Parameters and tags that differ: name, before, now.
    same_rows
        Whether both were tested on the same data at the same dates; if not, a change may come from the customers.
    """

    metrics: pd.DataFrame
    settings: pd.DataFrame
    same_rows: bool


def compare(store: Store, before: str, now: str) -> Comparison:
    """Comparison of two training runs by id.

    Raises
    ------
    RegistryError
        ``ARTIFACT_MISSING`` when a run has no evaluation.
    """
    first, second = (Evaluation.from_json(read_text(store, run, EVALUATION_FILE)) for run in (before, now))
    tags = [store.client.get_run(run).data.tags.get("data_sha256") for run in (before, now)]
    same = tags[0] == tags[1] and (first.as_of, first.rows) == (second.as_of, second.rows)
    return Comparison(_metrics(first, second), _settings(store, before, now), same)


def _metrics(before: Evaluation, now: Evaluation) -> pd.DataFrame:
    names = [name for name in BY_NAME if before.of(name) or now.of(name)]
    rows = [_row(name, before.of(name, MODEL), now.of(name, MODEL)) for name in names]
    columns = ["measure", "before", "before_interval", "now", "now_interval", "change", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def _row(name: str, before: Estimate | None, now: Estimate | None) -> list[object]:
    nothing = Estimate(math.nan, math.nan, math.nan)
    a, b = before or nothing, now or nothing
    return [BY_NAME[name].label_en, a.value, _ends(a), b.value, _ends(b), b.value - a.value, _verdict(name, a, b)]


def _ends(estimate: Estimate) -> str:
    return f"{estimate.lower:.4g} … {estimate.upper:.4g}" if has_interval(estimate) else ""


def _verdict(name: str, before: Estimate, now: Estimate) -> str:
    """Better or worse only when the intervals lie apart: a careful reading, since the runs are not paired here."""
    if not (has_interval(before) and has_interval(now)):
        return "unknown"
    direction = {"higher": 1, "lower": -1}.get(BY_NAME[name].better)
    if direction is None or (now.lower <= before.upper and before.lower <= now.upper):
        return "within chance" if direction else "see the figures"
    return "better" if (now.value - before.value) * direction > 0 else "worse"


def _settings(store: Store, before: str, now: str) -> pd.DataFrame:
    first, second = (_described(store, run) for run in (before, now))
    names = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    rows = [(name, first.get(name), second.get(name)) for name in names]
    return pd.DataFrame(rows, columns=["name", "before", "now"])


def _described(store: Store, run_id: str) -> Mapping[str, str]:
    """Parameters, and tags that are not MLflow's own."""
    data = store.client.get_run(run_id).data
    return {**data.params, **{key: value for key, value in data.tags.items() if not key.startswith("mlflow.")}}
