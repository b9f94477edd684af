"""The package's own BG/NBD, Pareto/NBD and Gamma-Gamma, where `lifetimes` does not install or does not converge."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmarks.peers.histories import histories
from benchmarks.peers.task import Answer, Task
from churn_value.estimators.btyd import BgNbd, History, ParetoNbd, fit_bg_nbd, fit_gamma_gamma, fit_pareto_nbd


def _answer(task: Task, fit: type[BgNbd | ParetoNbd]) -> Answer:
    found = histories(task.purchases(), pd.Timestamp(task.as_of))
    columns = [found[name].to_numpy(dtype=np.float64) for name in ("frequency", "recency", "T")]
    history, mean = History.of(*columns), found["monetary_value"].to_numpy(dtype=np.float64)
    model = (fit_bg_nbd if fit is BgNbd else fit_pareto_nbd)(history)
    amount = fit_gamma_gamma(columns[0], mean).expected_amount(columns[0], mean)
    value = model.expected_purchases(history, task.horizon_days) * amount
    return Answer(found["customer_id"], model.no_purchase(history, task.horizon_days), value)


def bg_nbd(task: Task) -> Answer:
    """BG/NBD + Gamma-Gamma."""
    return _answer(task, BgNbd)


def pareto_nbd(task: Task) -> Answer:
    """Pareto/NBD + Gamma-Gamma."""
    return _answer(task, ParetoNbd)
