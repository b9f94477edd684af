"""One table from readings to canonical rows, each with the first reason against it or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir

from churn_value.tables import rows
from churn_value.tables.attributes import AttributeType, read_attribute
from churn_value.tables.casts import Reading
from churn_value.tables.content import quoted
from churn_value.tables.reading import Mapped, Rules
from churn_value.tables.specs import TableSpec


def staged(
    connection: Any, mapped: Mapped, read: Mapping[str, Reading], types: Mapping[str, AttributeType], rules: Rules
) -> ir.Table:
    """Keep the canonical columns of every source row in a temporary table, with the first reason against it.

    Returns
    -------
    One row per source row: `rows.ROW`, `rows.REASON` (null for good rows), `rows.AT`, the contract's columns under
    their stored names, then the attributes.
    """
    spec = mapped.spec
    judged_rows = judged(mapped, read, _view(connection, mapped, read, types), rules)
    table: ir.Table = connection.create_table(f"staged_{spec.name}", judged_rows, temp=True)
    connection.raw_sql(f"DROP VIEW {quoted(f'read_{spec.name}')}")
    return table


def judged(mapped: Mapped, read: Mapping[str, Reading], view: ir.Table, rules: Rules) -> ir.Table:
    """Canonical columns of every source row, with the first reason against it, over a view of `viewed` columns."""
    spec = mapped.spec
    lifted = {column: Reading(view[f"value:{column}"], view[f"missing:{column}"]) for column in read}
    values = _values(spec, lifted)
    faults = [
        fault
        for column in spec.mappable
        if column.name in lifted
        for fault in rows.column_faults(column, lifted[column.name], rules.observed_now)
    ]
    reason, at = rows.first_fault([*faults, *rows.table_faults(spec.name, values)])
    columns = {
        rows.ROW: view[rows.ROW],
        rows.REASON: reason,
        rows.AT: at,
        **rows.spec_order(spec, values),
        **{attribute: view[f"attribute:{attribute}"] for attribute in mapped.attributes},
    }
    # By place: as an argument's name, that of an attribute might be one of the function's own.
    return view.select(*(value.name(name) for name, value in columns.items()))


def viewed(mapped: Mapped, read: Mapping[str, Reading], types: Mapping[str, AttributeType]) -> ir.Table:
    """Readings of every source row as columns."""
    columns = {rows.ROW: mapped.raw[rows.ROW]}
    for name, reading in read.items():
        columns |= {f"value:{name}": reading.value, f"missing:{name}": reading.missing}
    for name, value in mapped.attributes.items():
        columns[f"attribute:{name}"] = read_attribute(value, types[name])
    return mapped.raw.select(**columns)


def _view(connection: Any, mapped: Mapped, read: Mapping[str, Reading], types: Mapping[str, AttributeType]) -> ir.Table:
    """Readings as columns of a view: written into one query they would be worked out wherever they are mentioned."""
    view = f"read_{mapped.spec.name}"
    query = ibis.to_sql(viewed(mapped, read, types), dialect="duckdb")
    connection.raw_sql(f"CREATE OR REPLACE TEMP VIEW {quoted(view)} AS {query}")
    table: ir.Table = connection.table(view)
    return table


def _values(spec: TableSpec, read: Mapping[str, Reading]) -> dict[str, ir.Value]:
    """Values of all columns of the contract: defaults filled, the table's own rules applied."""
    values = {
        column.name: read[column.name].value if column.name in read else rows.null_of(column) for column in spec.columns
    }
    if "known_at" in values and spec.time:
        values["known_at"] = values["known_at"].fill_null(values[spec.time])
    return rows.completed(spec.name, values)
