"""Features that a caller sends, as the row that `score` reads."""

from __future__ import annotations

from collections.abc import Mapping

from churn_value.scoring.offered import Expected, Offered
from churn_value.service.requests import FeaturesItem, ItemFault

NUMBERS, TEXTS = frozenset({float, int, type(None)}), frozenset({str, type(None)})


def offered_features(item: FeaturesItem, expected: Expected) -> Offered:
    """One row of the features given; `score` warns about those left out.

    Raises
    ------
    ItemFault
        When a name is not in the catalog, or a value is not of its feature's type.
    """
    given = item.features
    if not given:
        raise ItemFault("FIELD_INVALID", "features")
    numbers, texts = map(given.get, expected.names), map(given.get, expected.seen)
    typed = NUMBERS.issuperset(map(type, numbers)) and TEXTS.issuperset(map(type, texts))
    if not (typed and given.keys() <= expected.known):
        raise _first_fault(given, expected)
    return Offered.one(item.customer_id, item.as_of, given, expected)


def _first_fault(given: Mapping[str, object], expected: Expected) -> ItemFault:
    """What is wrong with the first feature that cannot be taken."""
    for name, value in given.items():
        if name not in expected.known:
            return ItemFault("FEATURE_UNKNOWN", "features")
        if type(value) not in (NUMBERS if name in expected.places else TEXTS):
            return ItemFault("FEATURE_INVALID", f"features.{name}")
    raise AssertionError(given.keys())
