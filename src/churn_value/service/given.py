"""Features that a caller sends, as the row that `score` reads."""

from __future__ import annotations

from churn_value.scoring.offered import Expected, Offered
from churn_value.service.requests import FeaturesItem, ItemFault

NUMBERS, TEXTS = frozenset({float, int}), frozenset({str})


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
        if name not in places and name not in seen:
            raise ItemFault("FEATURE_UNKNOWN", "features")
        if value is not None and type(value) not in (NUMBERS if name in places else TEXTS):
            raise ItemFault("FEATURE_INVALID", f"features.{name}")
        cells[name] = value
    return Offered.one(item.customer_id, item.as_of, cells, expected)
