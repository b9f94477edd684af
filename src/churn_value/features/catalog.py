"""Every feature in order: what models are fitted on, what the data dictionary prints, what a fingerprint pins."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import ibis

from churn_value.features import (
    affinity,
    complaints,
    contracts,
    customers,
    feedback,
    intent,
    orders,
    payments,
    purchases,
    returns,
    rhythm,
    signs,
    visits,
)
from churn_value.features.compiled import compiled_sql
from churn_value.features.declare import Feature, FeatureType, declared
from churn_value.features.windows import windows_for
from churn_value.tables.contract import CONTRACT

FAMILIES: tuple[ModuleType, ...] = (
    purchases,
    rhythm,
    returns,
    orders,
    affinity,
    visits,
    intent,
    feedback,
    complaints,
    payments,
    contracts,
    customers,
    signs,
)
DEFAULT_WINDOWS_DAYS = windows_for(None, 90)
EVERY_COLUMN: Mapping[str, frozenset[str]] = {
    name: frozenset(column.name for column in spec.columns) for name, spec in CONTRACT.items()
}
"""Per table, every column of the contract: what is present when nothing is missing."""
ATTRIBUTES_OF_CONTRACT: Mapping[str, FeatureType] = {
    column.name: "number" if column.stored_type == "float64" else "category"
    for column in CONTRACT["customers"].columns
    if column.attribute
}
"""Attributes of customers that the contract names; a company's own come on top."""
_TYPES: Mapping[FeatureType, str] = {"number": "float64", "category": "string"}


@dataclass(frozen=True)
class Catalog:
    """Features in the order of a model's columns.

    Parameters
    ----------
    features
        The features.
    attributes
        Attribute columns of customers and snapshots with their type.
    """

    features: tuple[Feature, ...]
    attributes: Mapping[str, FeatureType]

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(feature.name for feature in self.features)

    @property
    def schemas(self) -> dict[str, ibis.Schema]:
        """Schema of each table the features are computed from, attributes included."""
        tables = sorted({table for f in self.features for table in f.grain.tables})
        return {table: source_schema(table, self.attributes) for table in tables}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every feature's name, source, window, empty value, unit and the compiled SQL of them all."""
        words = [[f.name, f.source, f.window_days, f.half_life_days, f.empty, f.unit, f.dtype] for f in self.features]
        return hashlib.sha256(json.dumps([words, self.sql], ensure_ascii=False).encode()).hexdigest()

    @cached_property
    def sql(self) -> str:
        """DuckDB's SQL of all features over tables of `schemas` and ``spine``; takes about a second to write."""
        return compiled_sql(self.features, self.schemas)

    def dictionary(self) -> list[dict[str, Any]]:
        """Data dictionary, one entry per feature: what the column is, in which unit, and what null or 0 mean."""
        return [
            {
                "name": f.name,
                "source": f.source,
                "window_days": f.window_days,
                "half_life_days": f.half_life_days,
                "unit": f.unit,
                "type": f.dtype,
                "empty": "null" if f.empty is None else str(f.empty),
                "group": f.group,
                "en": f.en,
                "zh": f.zh,
            }
            for f in self.features
        ]


def source_schema(source: str, attributes: Mapping[str, FeatureType]) -> ibis.Schema:
    """Schema of a canonical table: the contract's columns, with attributes where the table has them."""
    spec = CONTRACT[source]
    columns = {column.stored: column.stored_type for column in spec.columns}
    if spec.has_attributes:
        columns |= {name: _TYPES[kind] for name, kind in attributes.items()}
    return ibis.schema(columns)


def _available(present: Mapping[str, frozenset[str]], windows: tuple[int, ...]) -> Iterator[Feature]:
    for family in FAMILIES:
        for declaration in declared(vars(family)):
            possible = declaration.over(present)
            if possible is not None:
                yield from possible.expanded(windows)


def catalog(
    present: Mapping[str, frozenset[str]],
    windows_days: Sequence[int],
    attributes: Mapping[str, FeatureType] | None = None,
) -> Catalog:
    """Features that the tables at hand can feed.

    Parameters
    ----------
    present
        Per table, the optional columns its source really has, with the attributes of customers and snapshots.
    windows_days
        Ladder of lookback windows, increasing [days].
    attributes
        Attribute columns and their type; each becomes ``attr_<column>``.
    """
    attributes = dict(sorted((attributes or {}).items()))  # a bundle keeps them as JSON with sorted keys
    features = (*_available(present, tuple(windows_days)), *customers.attribute_features(present, attributes))
    return Catalog(features, attributes)


if __name__ == "__main__":
    # The command is named after the catalog; it lives with the texts it prints.
    from churn_value.features.dictionary import main

    raise SystemExit(main())
