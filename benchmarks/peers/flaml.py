"""FLAML on the multi-date rows: log-loss for churn, Tweedie deviance for value, validated on newer, purged dates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from flaml import AutoML
from flaml.automl.model import LGBMEstimator, XGBoostSklearnEstimator
from sklearn.metrics import mean_tweedie_deviance

from benchmarks.peers.task import OUTCOMES, Answer, Array, Task, stretched

POWER = 1.5
LEARNERS = ("lgbm", "xgboost", "catboost", "rf", "extra_tree")


class TweedieLightGBM(LGBMEstimator):  # type: ignore[misc]
    """LightGBM with the objective that suits heavy-tailed amounts with many zeros."""

    def __init__(self, task: str = "regression", **config: Any) -> None:
        super().__init__(task, **{**config, "objective": "tweedie", "tweedie_variance_power": POWER})


class TweedieXGBoost(XGBoostSklearnEstimator):  # type: ignore[misc]
    """XGBoost with the same objective."""

    def __init__(self, task: str = "regression", **config: Any) -> None:
        super().__init__(task, **{**config, "objective": "reg:tweedie", "tweedie_variance_power": POWER})


def deviance(X_val: Any, y_val: Any, estimator: Any, *others: Any, **_: Any) -> tuple[float, Mapping[str, float]]:
    """Loss of FLAML's search: Tweedie deviance on the validation rows; `others` are labels, X_train, y_train, …."""
    y_train = others[2]
    said = np.maximum(np.asarray(estimator.predict(X_val), dtype=np.float64), 1e-6 * float(np.mean(y_train)))
    loss = float(mean_tweedie_deviance(np.asarray(y_val), said, power=POWER))
    return loss, {"deviance": loss}


CHURN, VALUE = ("classification", "log_loss"), ("regression", deviance)


def predict(task: Task) -> Answer:
    """Both targets, each for the seconds of the task; refitted on all rows."""
    rows, later, everything, test = task.rows("train"), task.rows("calibration"), task.rows(), task.test()
    features, seen = task.features, {"X_val": later[task.features]}
    churn = AutoML()
    churn.fit(
        rows[features],
        rows["churned"].astype(int),
        y_val=later["churned"].astype(int),
        **seen,
        **_means(task, *CHURN),
        estimator_list=list(LEARNERS),
    )
    value = _with_tweedie()
    value.fit(
        rows[features],
        _major(rows),
        y_val=_major(later),
        **seen,
        **_means(task, *VALUE),
        estimator_list=["tweedie_lgbm", "tweedie_xgboost", "lgbm", "rf", "extra_tree"],
    )
    churn = _again(churn, everything[features], everything["churned"].astype(int), _means(task, *CHURN))
    value = _again(value, everything[features], _major(everything), _means(task, *VALUE))
    probability = np.asarray(churn.predict_proba(test[features]), dtype=np.float64)[:, 1]
    amount = np.asarray(value.predict(test[features]), dtype=np.float64) * 100
    return Answer(test["customer_id"], *stretched(task, probability, amount))


def classify(task: Task, learned: pd.DataFrame, held: pd.DataFrame) -> Array:
    """Probability of churn of held-out rows, with FLAML's own cross-validation."""
    columns = [name for name in held.columns if name not in OUTCOMES]
    model = AutoML()
    means = _means(task, *CHURN)
    model.fit(learned[columns], learned["churned"].astype(int), **means, estimator_list=[*LEARNERS, "lrl1"])
    probability: Array = np.asarray(model.predict_proba(held[columns]), dtype=np.float64)[:, 1]
    return probability


def _with_tweedie() -> AutoML:
    search = AutoML()
    search.add_learner("tweedie_lgbm", TweedieLightGBM)
    search.add_learner("tweedie_xgboost", TweedieXGBoost)
    return search


def _again(search: AutoML, features: pd.DataFrame, target: pd.Series, means: dict[str, Any]) -> AutoML:
    """The best learner with the settings found, fitted on all rows, those of the dates in between too."""
    fitted = _with_tweedie()
    best = search.best_estimator
    fitted.fit(
        features,
        target,
        **{**means, "time_budget": -1},
        estimator_list=[best],
        starting_points={best: search.best_config},
        max_iter=1,
        eval_method="holdout",
    )
    return fitted


def _major(rows: pd.DataFrame) -> pd.Series:
    """Amounts in major units, returns that exceed purchases as 0: the objective knows none below."""
    return rows["value_minor"].clip(lower=0) / 100


def _means(task: Task, kind: str, metric: object) -> dict[str, Any]:
    return {
        "task": kind,
        "metric": metric,
        "time_budget": task.seconds,
        "n_jobs": task.threads,
        "seed": task.seed,
        "verbose": 0,
        "log_file_name": "",
    }
