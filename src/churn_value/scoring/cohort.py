"""Who a model may speak of: the cohort rule of the configuration, read from features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.config import Config
from churn_value.scoring.quantities import column

# Feature that shows how long ago somebody was last active in the sense of a cohort rule.
_LAST_ACTIVE = {"purchased": "days_since_last_purchase", "visited": "days_since_last_visit"}


def eligible(frame: pd.DataFrame, config: Config) -> npt.NDArray[np.bool_]:
    """Whether each customer is of the cohort the model was trained on. Shape (n,).

    A table that lacks the feature altogether cannot show it, and nobody is turned away for that.
    """
    name = _LAST_ACTIVE.get(config.cohort.rule)
    if name is None or name not in frame.columns or bool(frame[name].isna().all() and len(frame) > 1):
        return np.ones(len(frame), dtype=np.bool_)
    days = column(frame, name)
    within = config.cohort.lookback_days
    return ~np.isnan(days) if within is None else days <= within
