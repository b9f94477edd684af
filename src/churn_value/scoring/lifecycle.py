"""The stage of a customer's life with the company, on the customer's own rhythm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_value.scoring.policy import Policy
from churn_value.scoring.quantities import Floats


def lifecycle(quantities: Mapping[str, npt.NDArray[Any]], policy: Policy, rows: int) -> npt.NDArray[np.int64]:
    """Position of each customer's stage in the policy. Shape (n,).

    The rules ask for named quantities, foremost ``rhythm_ratio``: somebody who buys weekly is late after two weeks,
    somebody who buys yearly is not.
    """
    return policy.rules("lifecycle").first(quantities, rows)


def expected_next_purchase(days_since_last: Floats, gap_days: Floats) -> Floats:
    """Days from as_of to the purchase that the customer's own rhythm makes due; negative when overdue, NaN unknown."""
    return np.ceil(gap_days - days_since_last)
