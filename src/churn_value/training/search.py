"""Both heads' searches, one after the other: the value head's needs the churn head's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from churn_value.config import Config
from churn_value.dataset import Dataset
from churn_value.estimators.hurdle import HurdleModel, fit
from churn_value.estimators.tuning import TrialReport, TuningResult, tune


@dataclass(frozen=True)
class Searched:
    """What the searches found; `value` is None without a value head."""

    churn: TuningResult
    value: TuningResult | None

    @property
    def params(self) -> dict[str, Mapping[str, Any]]:
        """Chosen parameters by head; empty ones mean the defaults."""
        found = {"churn": self.churn.params}
        return found if self.value is None else {**found, "value": self.value.params}

    @property
    def trials(self) -> dict[str, pd.DataFrame]:
        """Trials by head."""
        found = {"churn": self.churn.trials}
        return found if self.value is None else {**found, "value": self.value.trials}


def search(data: Dataset, config: Config, *, storage: Path, on_trial: Callable[[TrialReport], None]) -> Searched:
    """Parameters of both heads, on train and calibration rows only.

    Parameters
    ----------
    data, config
        Rows; trials, time budget and seed.
    storage
        Optuna's SQLite file: a search that was killed goes on from it.
    on_trial
        Called after each new trial.
    """
    train, calibration = data.fold("train"), data.fold("calibration")
    # The search parts the train fold by the windows its rows were labelled over.
    learned = config.model_copy(update={"horizon_days": data.learned_days})
    churn = tune("churn", train, calibration, data.catalog, learned, storage=storage, on_trial=on_trial)
    if not config.has_value:
        return Searched(churn, None)
    value = tune(
        "value",
        train,
        calibration,
        data.catalog,
        learned,
        churn_params=churn.params,
        storage=storage,
        on_trial=on_trial,
    )
    return Searched(churn, value)


def fitted(data: Dataset, config: Config, searched: Searched) -> HurdleModel:
    """Both heads with the parameters found."""
    params = searched.params
    return fit(
        data.fold("train"),
        data.fold("calibration"),
        data.catalog,
        config,
        refit=data.fold("refit"),
        learned_days=data.learned_days,
        churn_params=params["churn"],
        value_params=params.get("value"),
    )
