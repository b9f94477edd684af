"""Features that a caller sends, as the row that `score` reads."""

from __future__ import annotations

from churn_value.scoring.offered import Expected, Offered
from churn_value.service.requests import FeaturesItem, ItemFault


def offered_features(item: FeaturesItem, expected: Expected) -> Offered:
    """One row of the features given; `score` warns about those left out.

    Raises
    ------
    ItemFault
        When a name is not in the catalog, or a value is not of its feature's type.
    """
    if not item.features:
        raise ItemFault("FIELD_INVALID", "features")
    places, seen = expected.places, expected.seen
    cells: dict[str, float | str | None] = {}
    for name, value in item.features.items():
        is_number = name in places
        if not is_number and name not in seen:
            raise ItemFault("FEATURE_UNKNOWN", "features")
        if value is None:
            cells[name] = None
        elif isinstance(value, bool) or isinstance(value, str) is is_number:
            raise ItemFault("FEATURE_INVALID", f"features.{name}")
        else:
            cells[name] = value
    return Offered.one(item.customer_id, item.as_of, cells, expected)
