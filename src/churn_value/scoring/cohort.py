"""Who a model may speak of: the cohort rule of the configuration, read from features."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from churn_value.config import Config
from churn_value.scoring.offered import Offered

# Feature that shows whether somebody is active in the sense of a cohort rule.
_ACTIVE = {
    "purchased": "days_since_last_purchase",
    "visited": "days_since_last_visit",
    "active_contract": "contract_active",
}


def eligible(offered: Offered, config: Config) -> npt.NDArray[np.bool_]:
    """Whether each customer is of the cohort the model was trained on. Shape (n,).

    Parameters
    ----------
    offered
        Feature rows; where the feature was not offered the cohort cannot be seen, and nobody is turned away.
    config
        Gives the cohort rule.
    """
    name = _ACTIVE.get(config.cohort.rule)
    if name is None or name not in offered.there:
        return np.ones(len(offered), dtype=np.bool_)
    cells, within = offered.rows.cells(name), config.cohort.lookback_days
    if config.cohort.rule == "active_contract":
        return cells >= 1
    return ~np.isnan(cells) if within is None else cells <= within
