"""AutoGluon without networks: log-loss for churn, Tweedie deviance for value, tuned on the newest, purged dates."""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
import pandas as pd
from autogluon.core.metrics import make_scorer
from autogluon.tabular import TabularPredictor
from sklearn.metrics import mean_tweedie_deviance

from benchmarks.peers.task import OUTCOMES, Answer, Array, Task, stretched

POWER = 1.5
TWEEDIE: dict[str, list[dict[str, Any]]] = {
    "GBM": [{"objective": "tweedie", "tweedie_variance_power": POWER}, {}],
    "XGB": [{"objective": "reg:tweedie", "tweedie_variance_power": POWER}],
    "CAT": [{"loss_function": f"Tweedie:variance_power={POWER}"}],
}
# scikit-learn's forests cannot be stopped: on more rows the first batch of trees outlasts any limit that is given.
FORESTS: dict[str, list[dict[str, Any]]] = {"RF": [{}], "XT": [{}]}
MOST_ROWS_OF_FORESTS = 100_000
NETWORKS = ["NN_TORCH", "FASTAI"]


def _deviance(truth: Array, said: Array) -> float:
    floor = max(1e-6 * float(np.mean(truth)), 1e-9)
    return float(mean_tweedie_deviance(np.maximum(truth, 0.0), np.maximum(said, floor), power=POWER))


def predict(task: Task) -> Answer:
    """Both targets, each for the seconds of the task; refitted on all rows."""
    rows, later, test = task.rows("train"), task.rows("calibration"), task.test()
    features = task.features
    forests = FORESTS if len(rows) <= MOST_ROWS_OF_FORESTS else {}
    excluded = [*NETWORKS, *(FORESTS.keys() - forests.keys())]
    churn = _fitted(task, rows, later, "churned", eval_metric="log_loss", excluded_model_types=excluded)
    probability = _churner(churn, test[features])
    scorer = make_scorer("tweedie_deviance", _deviance, optimum=0, greater_is_better=False)
    forms = TWEEDIE | forests
    value = _fitted(task, rows, later, "value_minor", eval_metric=scorer, hyperparameters=forms)
    amount = np.asarray(value.predict(test[features]), dtype=np.float64) * 100
    return Answer(test["customer_id"], *stretched(task, probability, amount))


def classify(task: Task, learned: pd.DataFrame, held: pd.DataFrame) -> Array:
    """Probability of churn of held-out rows, with AutoGluon's own hold-out."""
    model = _fitted(task, learned, None, "churned", eval_metric="log_loss", excluded_model_types=NETWORKS)
    return _churner(model, held[[name for name in held.columns if name not in OUTCOMES]])


def _fitted(
    task: Task, rows: pd.DataFrame, later: pd.DataFrame | None, target: str, *, eval_metric: object, **more: Any
) -> Any:
    """Predictor of one target; the folder it writes is gone with the process."""
    columns = [*(name for name in rows.columns if name not in OUTCOMES), target]
    kind = "binary" if target == "churned" else "regression"
    folder = tempfile.mkdtemp(prefix="autogluon-", dir=".")
    extra = task.rows("refit") if later is not None else rows.head(0)
    predictor = TabularPredictor(label=target, eval_metric=eval_metric, problem_type=kind, path=folder, verbosity=1)
    given: dict[str, Any] = {} if later is None else {"tuning_data": _target(later[columns], target)}
    predictor.fit(
        _target(rows[columns], target),
        time_limit=task.seconds,
        num_cpus=task.threads,
        **given,
        **more,
    )
    more_rows = {"train_data_extra": _target(extra[columns], target)} if len(extra) else {}
    predictor.refit_full("best", set_best_to_refit_full=True, **more_rows)
    return predictor


def _target(rows: pd.DataFrame, target: str) -> pd.DataFrame:
    """Rows with the outcome as AutoGluon wants it: 0 and 1, or major units that are not below 0."""
    if target == "churned":
        return rows.assign(churned=rows["churned"].astype(int))
    return rows.assign(value_minor=rows["value_minor"].clip(lower=0) / 100)


def _churner(model: Any, features: pd.DataFrame) -> Array:
    probability: Array = model.predict_proba(features)[1].to_numpy(dtype=np.float64)
    return probability
