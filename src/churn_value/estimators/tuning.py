"""The search for parameters, and the only importer of Optuna: seeded, bounded, resumable after kill -9.

Search space, the reason of each bound:

================  ================  =================================================================================
parameter         range             reason
================  ================  =================================================================================
learning_rate     0.03 - 0.2, log   slower needs many more trees: explanations cost time, and no set gained
num_leaves        4 - 31, log       beyond 31 no set gained, and contributions cost leaves times depth of each tree
min_leaf_rows     20 - 400, log     below 20 leaves follow single customers; at most a twentieth of the rows
feature_share     0.2 - 0.9         windows of one source are near copies; dropping some decorrelates trees
row_share         0.5 - 0.95        the same customers stand on many dates
l2                0.1 - 100, log    leaf values of rare churners are shrunk
tweedie_power     1.1 - 1.7         value head only: from nearly Poisson to nearly gamma
================  ================  =================================================================================

The value head's form is not searched: single ones won validations and lost later (on an earlier cut of Online Retail a
deviance of 40.3 where the blend has 39.9).

The first trial is the defaults, and the best trial replaces them only when its loss is lower by more than the luckiest
of so many trials would be by chance once in twenty searches: by `isf(.05 / n)` standard errors of the difference,
customer by customer, of n other trials (Bonferroni; 2.9 of 25, 3.1 of 50). The best of many trials on a few thousand
rows is mostly luck, and luck does not last: see decision 24.

Each trial's sampler is seeded by the number of trials completed before it, and an interrupted trial is marked failed
and repeated: a search that was killed and resumed makes the same trials as one that was not. Only the time budget can
make two searches differ, in their length.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from scipy.stats import norm

from churn_value.config import Config, TuningConfig
from churn_value.estimators import FloatArray
from churn_value.estimators.design import CatalogLike
from churn_value.estimators.trees import TreeParams
from churn_value.estimators.validation import ChurnLoss, Judged, Validation, ValueLoss, value_loss
from churn_value.estimators.value import DEFAULT_POWER

Head = Literal["churn", "value"]
STARTUP_TRIALS = 6
SPACE_VERSION = 3
LOCK_TIMEOUT_S = 60
TUNED_PATIENCE = 30
CHANCE = 0.05

optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class TrialReport:
    """One finished trial.

    Attributes
    ----------
    head, number
        Of the search, and the place in it from 0.
    params
        What was tried.
    loss, best
        Of this trial, and the lowest so far.
    beside
        Other figures of the trial.
    """

    head: Head
    number: int
    params: Mapping[str, Any]
    loss: float
    best: float
    beside: Mapping[str, float]


@dataclass(frozen=True)
class TuningResult:
    """What a search found.

    Attributes
    ----------
    params
        Parameters for ``hurdle.fit``; empty, which means the defaults, without trials or when none was better beyond
        chance.
    trials
        One row a finished trial: number, loss, the parameters, the figures beside the loss.
    best
        Lowest loss; ``nan`` without trials.
    """

    params: Mapping[str, Any] = field(default_factory=dict)
    trials: pd.DataFrame = field(default_factory=pd.DataFrame)
    best: float = float("nan")


def _default_trial(head: Head, rows: int) -> dict[str, Any]:
    """The defaults as a point of the search space."""
    plain = TreeParams().for_rows(rows)
    point: dict[str, Any] = {
        "learning_rate": plain.learning_rate,
        "num_leaves": plain.num_leaves,
        "min_leaf_rows": int(np.clip(plain.min_leaf_rows or 0, *_leaf_bounds(rows))),
        "feature_share": plain.feature_share,
        "row_share": plain.row_share,
        "l2": plain.l2,
    }
    return point | ({"tweedie_power": DEFAULT_POWER} if head == "value" else {})


def _leaf_bounds(rows: int) -> tuple[int, int]:
    most = int(np.clip(rows // 20, 10, 400))
    return min(20, most), most


def _suggest(trial: optuna.Trial, head: Head, rows: int) -> dict[str, Any]:
    least, most = _leaf_bounds(rows)
    point: dict[str, Any] = {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 31, log=True),
        "min_leaf_rows": trial.suggest_int("min_leaf_rows", least, most, log=True),
        "feature_share": trial.suggest_float("feature_share", 0.2, 0.9),
        "row_share": trial.suggest_float("row_share", 0.5, 0.95),
        "l2": trial.suggest_float("l2", 0.1, 100.0, log=True),
    }
    if head == "value":
        point["tweedie_power"] = trial.suggest_float("tweedie_power", 1.1, 1.7)
    return point


def _study_name(head: Head, validation: Validation, tuning: TuningConfig) -> str:
    """Name that only the same search on the same rows has, whatever its length."""
    digest = hashlib.sha256(f"{head} {SPACE_VERSION} {tuning.seed}".encode())
    for rows in (validation.earlier, validation.later):
        for array in (rows.matrix, rows.churned, rows.amount_minor):
            digest.update(np.ascontiguousarray(array).tobytes())
    return f"{head}-{digest.hexdigest()[:16]}"


def _open(name: str, storage: Path | None) -> optuna.Study:
    """Study of that name, new or resumed; trials that a dead process left open are marked failed."""
    where = None
    if storage is not None:
        storage.parent.mkdir(parents=True, exist_ok=True)
        where = optuna.storages.RDBStorage(
            f"sqlite:///{storage}", engine_kwargs={"connect_args": {"timeout": LOCK_TIMEOUT_S}}
        )
    study = optuna.create_study(study_name=name, storage=where, direction="minimize", load_if_exists=True)
    unfinished = (optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.WAITING)
    for trial in study.get_trials(deepcopy=False, states=unfinished):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
    return study


def _completed(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))


def _one_trial(study: optuna.Study, loss: ChurnLoss | ValueLoss, head: Head, done: int, seed: int) -> Judged:
    rows = len(loss.validation.earlier)
    if done == 0:
        study.enqueue_trial(_default_trial(head, rows))
    study.sampler = optuna.samplers.TPESampler(seed=seed + done, n_startup_trials=STARTUP_TRIALS)
    trial = study.ask()
    judged = loss({**_suggest(trial, head, rows), "patience": TUNED_PATIENCE})
    for name, figure in judged.beside.items():
        trial.set_user_attr(name, figure)
    study.tell(trial, judged.loss)
    return judged


def _search(
    loss: ChurnLoss | ValueLoss,
    head: Head,
    tuning: TuningConfig,
    storage: Path | None,
    on_trial: Callable[[TrialReport], None] | None,
) -> TuningResult:
    if tuning.trials == 0:
        return TuningResult()
    study = _open(_study_name(head, loss.validation, tuning), storage)
    deadline = time.monotonic() + tuning.time_budget_s
    done = len(_completed(study))
    while done < tuning.trials and (done == 0 or time.monotonic() < deadline):
        judged = _one_trial(study, loss, head, done, tuning.seed)
        if on_trial is not None:
            latest = _completed(study)[-1]
            on_trial(TrialReport(head, done, latest.params, judged.loss, study.best_value, judged.beside))
        done += 1
    chosen = _beyond_chance(study.best_params, loss, head, done - 1)
    return TuningResult(chosen, _table(_completed(study)), float(study.best_value))


def _beyond_chance(best: Mapping[str, Any], loss: ChurnLoss | ValueLoss, head: Head, others: int) -> dict[str, Any]:
    """The best parameters, or none when the best of so many others may be better than the defaults by luck."""
    usual, found = (
        loss({**point, "patience": TUNED_PATIENCE}).losses
        for point in (_default_trial(head, len(loss.validation.earlier)), best)
    )
    return dict(best) if is_lower(found, usual, loss.validation.later.customers, others) else {}


def is_lower(losses: FloatArray, usual: FloatArray, customers: npt.NDArray[np.object_], tried: int) -> bool:
    """Whether a mean loss is lower than the usual one beyond the luck of the best of several.

    Parameters
    ----------
    losses, usual
        (n,) losses of the same rows.
    customers
        (n,) ids; a customer's rows are one observation.
    tried
        How many the losses are the best of.
    """
    gain = usual - losses
    member = np.unique(customers.astype(str), return_inverse=True)[1]
    sums = np.bincount(member, weights=gain)
    return bool(gain.sum() > norm.isf(CHANCE / max(tried, 1)) * np.sqrt(len(sums)) * sums.std())


def _table(trials: list[optuna.trial.FrozenTrial]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"number": place, "loss": trial.value, **trial.params, **trial.user_attrs}
            for place, trial in enumerate(trials)
        ]
    )


def tune(
    head: Head,
    train: pd.DataFrame,
    calibration: pd.DataFrame,
    catalog: CatalogLike,
    config: Config,
    *,
    churn_params: Mapping[str, Any] | None = None,
    storage: Path | None = None,
    on_trial: Callable[[TrialReport], None] | None = None,
) -> TuningResult:
    """Parameters of one head with the lowest loss on later, purged rows.

    Parameters
    ----------
    head
        ``churn`` (log-loss) or ``value`` (Tweedie deviance of power 1.5); see `validation` for both.
    train, calibration
        Rows of the two folds, as for ``hurdle.fit``.
    catalog, config
        Features; trials, time budget [s], seed and threads of the search.
    churn_params
        Of the churn head, whose probabilities the two-part forms of the value head need.
    storage
        SQLite file that keeps the trials, for resuming; null keeps them in memory.
    on_trial
        Called after each trial made now (not for those resumed).

    Raises
    ------
    TooLittleData
        When a fold has no row with a complete outcome window.
    """
    if config.tuning.trials == 0:
        return TuningResult()
    validation = Validation.of(train, calibration, catalog, config)
    loss = ChurnLoss(validation) if head == "churn" else value_loss(validation, churn_params or {})
    return _search(loss, head, config.tuning, storage, on_trial)
