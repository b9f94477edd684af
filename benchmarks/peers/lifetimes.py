"""BG/NBD and Pareto/NBD with Gamma-Gamma as the package `lifetimes` fits them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, GammaGammaFitter, ParetoNBDFitter
from lifetimes.utils import ConvergenceError

from benchmarks.peers.histories import histories
from benchmarks.peers.task import Answer, Array, Task

PENALTIES = (0.0, 0.001, 0.01, 0.1)  # "try adding a larger penalizer", says the package when a fit does not converge


def bg_nbd(task: Task) -> Answer:
    """BG/NBD; P(no purchase) from the fitted parameters, for the package has no function for it.

    Notes
    -----
    A living customer's rate is Gamma(r + x, alpha + T), and in this model nobody leaves between purchases:
    ``1 - alive (1 - ((alpha + T) / (alpha + T + h)) ** (r + x))``.
    """
    found = histories(task.purchases(), pd.Timestamp(task.as_of))
    x, last, age = (found[name].to_numpy(dtype=np.float64) for name in ("frequency", "recency", "T"))
    model = _converged(BetaGeoFitter, x, last, age)
    alive = np.asarray(model.conditional_probability_alive(x, last, age), dtype=np.float64)
    r, alpha = float(model.params_["r"]), float(model.params_["alpha"])
    silent = ((alpha + age) / (alpha + age + task.horizon_days)) ** (r + x)
    purchases = model.conditional_expected_number_of_purchases_up_to_time(task.horizon_days, x, last, age)
    return Answer(found["customer_id"], 1 - alive * (1 - silent), np.asarray(purchases) * _amounts(found))


def pareto_nbd(task: Task) -> Answer:
    """Pareto/NBD."""
    found = histories(task.purchases(), pd.Timestamp(task.as_of))
    x, last, age = (found[name].to_numpy(dtype=np.float64) for name in ("frequency", "recency", "T"))
    model = _converged(ParetoNBDFitter, x, last, age)
    none = model.conditional_probability_of_n_purchases_up_to_time(0, task.horizon_days, x, last, age)
    purchases = model.conditional_expected_number_of_purchases_up_to_time(task.horizon_days, x, last, age)
    return Answer(found["customer_id"], np.asarray(none, dtype=np.float64), np.asarray(purchases) * _amounts(found))


def _converged(fitter: Any, *history: Array) -> Any:
    """Fit with the smallest penalty that converges.

    Raises
    ------
    ConvergenceError
        When none does.
    """
    for penalty in PENALTIES[:-1]:
        try:
            return fitter(penalizer_coef=penalty).fit(*history)
        except ConvergenceError:
            continue
    return fitter(penalizer_coef=PENALTIES[-1]).fit(*history)


def _amounts(found: pd.DataFrame) -> Array:
    """Expected amount of a purchase [minor units]."""
    repeated = found[(found["frequency"] > 0) & (found["monetary_value"] > 0)]
    model = _converged(GammaGammaFitter, repeated["frequency"].to_numpy(), repeated["monetary_value"].to_numpy() / 100)
    said = model.conditional_expected_average_profit(found["frequency"], found["monetary_value"] / 100)
    amount: Array = np.asarray(said, dtype=np.float64) * 100
    return amount
