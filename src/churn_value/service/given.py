"""Features that a caller sends, as the one-row frame that `score` reads."""

from __future__ import annotations

import numpy as np
import pandas as pd

from churn_value.scoring.bundle import Bundle, StoredFeature
from churn_value.service.requests import FeaturesItem, ItemFault, Scalar


def frame_from_features(item: FeaturesItem, bundle: Bundle) -> pd.DataFrame:
    """One row: customer_id, as_of, and the features given; `score` warns about those left out.

    Raises
    ------
    ItemFault
        When a name is not in the catalog, or a value is not of its feature's type.
    """
    known = {feature.name: feature for feature in bundle.catalog.features}
    columns: dict[str, object] = {"customer_id": [item.customer_id], "as_of": [item.as_of]}
    for name, value in item.features.items():
        if name not in known:
            raise ItemFault("FEATURE_UNKNOWN", "features")
        columns[name] = _column(known[name], value)
    if len(columns) == 2:
        raise ItemFault("FIELD_INVALID", "features")
    return pd.DataFrame(columns)


def _column(feature: StoredFeature, value: Scalar) -> object:
    """One value as a column of the feature's own type, null included."""
    if feature.dtype == "number":
        if isinstance(value, str | bool):
            raise ItemFault("FEATURE_INVALID", f"features.{feature.name}")
        return np.array([np.nan if value is None else value], dtype=np.float64)
    if value is not None and not isinstance(value, str):
        raise ItemFault("FEATURE_INVALID", f"features.{feature.name}")
    return np.array([value], dtype=object)
