"""Buy-till-you-die models: what frequency, recency and age alone say of future purchases, leaving and spend.

The words are the literature's: `frequency` counts repeat purchase days, `recency` is the age at the last purchase and
``T`` the age at the end of the calibration period, all in one unit of time.
"""

from __future__ import annotations

from churn_value.estimators.btyd.bg_nbd import BgNbd, fit_bg_nbd
from churn_value.estimators.btyd.gamma_gamma import GammaGamma, fit_gamma_gamma
from churn_value.estimators.btyd.history import History
from churn_value.estimators.btyd.pareto_nbd import ParetoNbd, fit_pareto_nbd

__all__ = ["BgNbd", "GammaGamma", "History", "ParetoNbd", "fit_bg_nbd", "fit_gamma_gamma", "fit_pareto_nbd"]
