"""Attributes of customers and snapshots: columns outside the contract, each a number or a category."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import ibis
import ibis.expr.types as ir

from churn_value.tables import casts
from churn_value.tables.specs import Column

AttributeType = Literal["number", "category"]

# 007 is a code, not seven.
_CODE = r"^[+-]?0\d"


def attribute_types(raw: ir.Table, attributes: Mapping[str, ir.Value]) -> dict[str, AttributeType]:
    """Whether each attribute is a number or a category.

    Numeric columns are numbers. A text column is a number when every text in it is a finite number without leading
    zeros; a column without any text is a category.
    """
    types: dict[str, AttributeType] = {
        name: "number" if value.type().is_numeric() and not value.type().is_boolean() else "category"
        for name, value in attributes.items()
    }
    texts = {name: value for name, value in attributes.items() if value.type().is_string()}
    if texts:
        sums = {}
        for name, value in texts.items():
            reading = casts.read_number(value)
            sums[f"{name}__filled"] = raw.count(where=~reading.missing)
            sums[f"{name}__bad"] = raw.count(where=reading.bad | value.re_search(_CODE))
        counts = raw.aggregate(**sums).to_pyarrow().to_pylist()[0]
        for name in texts:
            if counts[f"{name}__filled"] and not counts[f"{name}__bad"]:
                types[name] = "number"
    return types


def attribute_type_of(column: Column) -> AttributeType:
    """Type of a contract column that is an attribute."""
    return "number" if column.kind == "number" else "category"


def read_attribute(value: ir.Value, kind: AttributeType) -> ir.Value:
    """Attribute as a double, or as text with booleans written ``true`` and ``false``."""
    if kind == "number":
        return casts.read_number(value).value.cast("float64")
    if value.type().is_boolean():
        return ibis.ifelse(value, "true", "false")
    return casts.as_text(value).cast("string")
