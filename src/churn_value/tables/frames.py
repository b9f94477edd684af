"""Frames with the contract's own column names as source tables."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from churn_value.config import Config, TableConfig
from churn_value.errors import SchemaError
from churn_value.tables import rows
from churn_value.tables.contract import CONTRACT
from churn_value.tables.mapping import check_attribute_names, is_attribute, missing_column, named
from churn_value.tables.reading import Mapped
from churn_value.tables.specs import TableSpec


def mapped_frame(connection: Any, config: Config, name: str, frame: pd.DataFrame) -> Mapped:
    """Frame as a source of one table.

    Raises
    ------
    SchemaError
        When a required column is missing or a column mixes types.
    """
    arrow = _arrow(frame, f"frame {name}")
    numbers = pa.array(range(1, arrow.num_rows + 1), pa.int64())
    raw = connection.create_table(f"frame_{name}", ibis.memtable(arrow.append_column(rows.ROW, numbers)), temp=True)
    return mapped_rows(config, name, raw)


def mapped_rows(config: Config, name: str, raw: ir.Table) -> Mapped:
    """Numbered rows under the contract's own column names as a source of one table; `raw` need not exist yet.

    Raises
    ------
    SchemaError
        When a required column is missing.
    """
    spec, settings, where = CONTRACT[name], config.tables[name], f"frame {name}"
    columns, minor = named(spec, raw, where)
    for column, value in settings.constants.items():
        if column in spec.names and column not in columns:
            columns[column] = ibis.literal(value)
    needed = [column for column in spec.mappable if column.required and column.name not in columns]
    if needed:
        raise missing_column(needed[0], raw, where, remedy="add the column to the frame")
    attributes = _attributes(spec, settings, raw)
    check_attribute_names(spec, attributes, where)
    return Mapped(spec, raw, columns, attributes, minor, where)


def _attributes(spec: TableSpec, settings: TableConfig, raw: ir.Table) -> dict[str, ir.Value]:
    if not spec.has_attributes:
        return {}
    own = {rows.ROW.casefold(), *(column.stored.casefold() for column in spec.columns)}
    names = [name for name in raw.columns if name.casefold() not in own and is_attribute(raw[name])]
    named_there = {*settings.columns, *settings.derived, *settings.constants}
    return {
        name: raw[name]
        for name in names
        if settings.attributes == "all" or name in settings.attributes or name in named_there
    }


def _arrow(frame: pd.DataFrame, where: str) -> pa.Table:
    if "" in frame.columns:
        raise SchemaError(
            "every column of a frame must have a name",
            code="COLUMN_NAME",
            where=where,
            received="a column named by an empty text",
            remedy="name the column, or leave it out",
        )
    try:
        arrow = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    except (pa.ArrowInvalid, pa.ArrowTypeError, UnicodeEncodeError) as error:
        raise SchemaError(
            "every column of a frame must hold one type",
            code="COLUMN_TYPE",
            where=where,
            received=str(error).splitlines()[0],
            remedy="make the column all text or all numbers",
        ) from None
    return arrow.cast(pa.schema([_typed(field) for field in arrow.schema]))


def _typed(field: pa.Field) -> pa.Field:
    """Field of a column that holds anything; one of nulls alone counts as text."""
    return field.with_type(pa.string()) if pa.types.is_null(field.type) else field
