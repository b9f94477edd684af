"""The catalog that suits a company's tables, and what it was made with so that it can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from churn_value.config import Config
from churn_value.features.catalog import Catalog, catalog
from churn_value.features.windows import median_gap, windows_for
from churn_value.tables.load import Tables


def catalog_parameters(config: Config, tables: Tables) -> dict[str, Any]:
    """What `catalog` is called with for these tables, JSON-ready: columns present, windows, attributes' types.

    Windows that the configuration does not give are a ladder from the customers' own rhythm and the horizon.
    """
    windows = config.windows_days
    if windows is None:
        purchases = tables.events.get("purchases")
        gap = None if purchases is None else median_gap(purchases)
        windows = windows_for(gap, config.horizon_days)
    attributes = {name: kind for types in tables.attribute_types.values() for name, kind in types.items()}
    return {
        "present": {name: sorted(columns) for name, columns in tables.present.items()},
        "windows_days": list(windows),
        "attributes": attributes,
    }


def catalog_of(parameters: Mapping[str, Any]) -> Catalog:
    """Catalog that `catalog_parameters` describe."""
    present = {name: frozenset(columns) for name, columns in parameters["present"].items()}
    return catalog(present, parameters["windows_days"], parameters["attributes"])
