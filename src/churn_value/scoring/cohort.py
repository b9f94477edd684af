"""Who a model may speak of: the cohort rule of the configuration, read from features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.config import Config
from churn_value.scoring.quantities import column

# Feature that shows whether somebody is active in the sense of a cohort rule.
_ACTIVE = {
    "purchased": "days_since_last_purchase",
    "visited": "days_since_last_visit",
    "active_contract": "contract_active",
}


def eligible(frame: pd.DataFrame, config: Config) -> npt.NDArray[np.bool_]:
    """Whether each customer is of the cohort the model was trained on. Shape (n,).

    Parameters
    ----------
    frame
        The columns that were offered; without the feature the cohort cannot be seen, and nobody is turned away.
    config
        Gives the cohort rule.
    """
    name = _ACTIVE.get(config.cohort.rule)
    if name is None or name not in frame.columns:
        return np.ones(len(frame), dtype=np.bool_)
    cells, within = column(frame, name), config.cohort.lookback_days
    if config.cohort.rule == "active_contract":
        return cells >= 1
    return ~np.isnan(cells) if within is None else cells <= within
