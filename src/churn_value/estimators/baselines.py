"""What a model must beat, on the same rows: rules a company uses today, and the literature's models.

============  ====================================================  ====================================================
name          churn probability                                     expected value
============  ====================================================  ====================================================
recency       monotone regression on days since the last purchase   as run_rate
run_rate      monotone regression on purchase days per day          past net spend per day of age, times the horizon
bg_nbd        P(no purchase in the horizon) of a BG/NBD             expected purchases times the Gamma-Gamma's amount
pareto_nbd    the same of a Pareto/NBD                              the same
base_rate     churn rate of the rows fitted on                      none
logistic      ridge-penalised logistic regression on the design     none
============  ====================================================  ====================================================

The first four need purchases, and are there when their columns are; the last two stand in for them otherwise. Where
churn is not the absence of a purchase, the BTYD probabilities are put through a monotone regression too. Baselines are
fitted on the train and calibration folds together: everything the model itself may see.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.isotonic import IsotonicRegression

from churn_value.config import Config
from churn_value.estimators import FloatArray
from churn_value.estimators.btyd import (
    BgNbd,
    GammaGamma,
    History,
    ParetoNbd,
    fit_bg_nbd,
    fit_gamma_gamma,
    fit_pareto_nbd,
)
from churn_value.estimators.design import CatalogLike, Design
from churn_value.estimators.linear.regression import fit_linear
from churn_value.estimators.rows import labelled
from churn_value.estimators.silence import FEATURES, history_of

PURCHASE_COLUMNS = (
    "days_since_last_purchase",
    "frequency",
    "recency_days",
    "T_days",
    "monetary_value_minor",
    "spend_minor",
    "purchase_days",
)
MOST_HISTORIES = 20_000
SMALLEST_PROBABILITY = 1e-4
LOGISTIC_PENALTY = 0.003


@dataclass(frozen=True)
class BaselinePrediction:
    """What a baseline says of n rows: a probability, and an amount [minor units] where it has one; each (n,)."""

    churn_probability: FloatArray
    expected_value_minor: FloatArray | None = None


Baseline = Callable[[pd.DataFrame], BaselinePrediction]


def _column(frame: pd.DataFrame, name: str) -> FloatArray:
    values: FloatArray = np.nan_to_num(frame[name].to_numpy(dtype=np.float64, na_value=np.nan))
    return values


def _clipped(probability: FloatArray) -> FloatArray:
    clipped: FloatArray = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    return clipped


def _monotone(score: FloatArray, churned: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Churn rate as a function of a score, increasing."""
    fitted = IsotonicRegression(out_of_bounds="clip").fit(score, churned)
    return lambda later: _clipped(np.asarray(fitted.predict(later), dtype=np.float64))


def run_rate_minor(frame: pd.DataFrame, horizon_days: int) -> FloatArray:
    """Past net spend per day of age, times the horizon, shape (n,) [minor units], not below 0."""
    rate = _column(frame, "spend_minor") / np.maximum(_column(frame, "T_days"), 1.0)
    value: FloatArray = np.maximum(rate, 0.0) * horizon_days
    return value


def _history(frame: pd.DataFrame) -> History:
    """BTYD history of feature rows [days], as the model's own part takes it."""
    return history_of(np.column_stack([_column(frame, name) for name in FEATURES]))


def newest_histories(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the newest as_of, by customer, thinned evenly to 20,000 at most: a date says all that BTYD can know."""
    newest = frame[frame["as_of"] == frame["as_of"].max()].sort_values("customer_id", kind="stable")
    thinned: pd.DataFrame = newest.iloc[:: -(-len(newest) // MOST_HISTORIES)]
    return thinned


def _by_recency(rows: pd.DataFrame, horizon_days: int) -> Baseline:
    rate = _monotone(_column(rows, "days_since_last_purchase"), _column(rows, "churned"))
    return lambda frame: BaselinePrediction(
        rate(_column(frame, "days_since_last_purchase")), run_rate_minor(frame, horizon_days)
    )


def _by_run_rate(rows: pd.DataFrame, horizon_days: int) -> Baseline:
    def silence(frame: pd.DataFrame) -> FloatArray:
        return -_column(frame, "purchase_days") / np.maximum(_column(frame, "T_days"), 1.0)

    rate = _monotone(silence(rows), _column(rows, "churned"))
    return lambda frame: BaselinePrediction(rate(silence(frame)), run_rate_minor(frame, horizon_days))


def _by_btyd(
    model: BgNbd | ParetoNbd, amounts: GammaGamma, rows: pd.DataFrame, horizon_days: int, *, is_silence_churn: bool
) -> Baseline:
    def silence(frame: pd.DataFrame) -> FloatArray:
        return _clipped(model.no_purchase(_history(frame), horizon_days))

    mapped = _clipped if is_silence_churn else _monotone(silence(rows), _column(rows, "churned"))

    def predict(frame: pd.DataFrame) -> BaselinePrediction:
        purchases = model.expected_purchases(_history(frame), horizon_days)
        amount = amounts.expected_amount(_column(frame, "frequency"), _column(frame, "monetary_value_minor"))
        return BaselinePrediction(mapped(silence(frame)), purchases * amount)

    return predict


def _by_base_rate(rows: pd.DataFrame) -> Baseline:
    rate = float(_column(rows, "churned").mean())
    return lambda frame: BaselinePrediction(_clipped(np.full(len(frame), rate)))


def _by_logistic(rows: pd.DataFrame, catalog: CatalogLike) -> Baseline:
    design = Design.fit(rows, catalog)
    fitted = fit_linear(design.matrix(rows), _column(rows, "churned"), design.category_places, penalty=LOGISTIC_PENALTY)

    def predict(frame: pd.DataFrame) -> BaselinePrediction:
        return BaselinePrediction(_clipped(1 / (1 + np.exp(-fitted.raw(design.matrix(frame))))))

    return predict


@dataclass(frozen=True)
class Baselines:
    """Fitted baselines by name."""

    by_name: Mapping[str, Baseline]

    def predict(self, frame: pd.DataFrame) -> dict[str, BaselinePrediction]:
        """What each baseline says of the rows of a frame, in its order."""
        return {name: baseline(frame) for name, baseline in self.by_name.items()}


def fit_baselines(train: pd.DataFrame, calibration: pd.DataFrame, catalog: CatalogLike, config: Config) -> Baselines:
    """Baselines that a data set allows.

    Parameters
    ----------
    train, calibration
        Rows of the two folds, as for `hurdle.fit`; no row of a later date.
    catalog
        Features of the design of the logistic regression.
    config
        Gives the horizon and the definition of churn.

    Raises
    ------
    TooLittleData
        When no row has a complete outcome window.
    """
    rows = labelled(pd.concat([train, calibration]), with_value=config.has_value)
    if not (config.has_value and set(PURCHASE_COLUMNS) <= set(rows.columns)):
        return Baselines({"base_rate": _by_base_rate(rows), "logistic": _by_logistic(rows, catalog)})
    horizon = config.horizon_days
    newest = newest_histories(rows)
    amounts = fit_gamma_gamma(_column(newest, "frequency"), _column(newest, "monetary_value_minor"))
    histories = _history(newest)
    models: dict[str, BgNbd | ParetoNbd] = {"bg_nbd": fit_bg_nbd(histories), "pareto_nbd": fit_pareto_nbd(histories)}
    is_silence = config.churn.definition == "no_purchase"
    btyd = {
        name: _by_btyd(model, amounts, rows, horizon, is_silence_churn=is_silence) for name, model in models.items()
    }
    return Baselines({"recency": _by_recency(rows, horizon), "run_rate": _by_run_rate(rows, horizon), **btyd})
