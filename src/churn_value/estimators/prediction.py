"""What a model says of customers."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from churn_value.estimators import FloatArray


@dataclass(frozen=True)
class Prediction:
    """What the model says of n rows; every array has shape (n,), and is finite and not negative but for the raw scores.

    Attributes
    ----------
    churn_raw
        Log-odds of churn before calibration: the scale of the churn contributions.
    churn_probability
        Calibrated, strictly between 0 and 1.
    value_raw
        Log of the amount relative to the head's scale: the scale of the value contributions. Null, as are all amounts,
        when there is no value head.
    value_if_retained_minor, expected_value_minor, value_at_risk_minor
        Amounts in the horizon [minor units].
    value_lower_minor, value_upper_minor
        Prediction interval of the amount [minor units].
    """

    churn_raw: FloatArray
    churn_probability: FloatArray
    value_raw: FloatArray | None = None
    value_if_retained_minor: FloatArray | None = None
    expected_value_minor: FloatArray | None = None
    value_at_risk_minor: FloatArray | None = None
    value_lower_minor: FloatArray | None = None
    value_upper_minor: FloatArray | None = None

    def frame(self) -> pd.DataFrame:
        """Columns of the arrays that are there, in the order above."""
        return pd.DataFrame({name: values for name, values in vars(self).items() if values is not None})
