"""Which source column is which contract column, and what is said when one is missing."""

from __future__ import annotations

import difflib

import ibis.expr.types as ir

from churn_value.errors import SchemaError
from churn_value.tables import rows
from churn_value.tables.specs import Column, TableSpec


def named(spec: TableSpec, raw: ir.Table, where: str) -> tuple[dict[str, ir.Value], frozenset[str]]:
    """Source columns that bear a contract name already, and the money columns among them in minor units.

    Raises
    ------
    SchemaError
        When a money column is there in major and in minor units.
    """
    columns: dict[str, ir.Value] = {}
    minor = set()
    for column in spec.mappable:
        if column.name in raw.columns:
            columns[column.name] = raw[column.name]
        if column.kind == "money" and column.stored in raw.columns:
            if column.name in columns:
                raise ambiguous(column.name, [column.name, column.stored], where)
            columns[column.name] = raw[column.stored]
            minor.add(column.name)
    return columns, frozenset(minor)


def ambiguous(name: str, found: list[str], where: str) -> SchemaError:
    """Error of a contract column that comes from two places."""
    return SchemaError(
        f"{name} must come from one place",
        code="AMBIGUOUS_MAPPING",
        where=where,
        received=" and ".join(found),
        remedy="keep one of them",
    )


def missing_column(column: Column, raw: ir.Table, where: str, *, remedy: str) -> SchemaError:
    """Error of a required contract column that no source column provides."""
    names = [name for name in raw.columns if name != rows.ROW]
    return SchemaError(
        f"the table needs {column.name}: {column.en}",
        code="MISSING_COLUMN",
        where=where,
        received=f"columns {', '.join(names[:30])}",
        remedy=near(column.name, names) or remedy,
    )


def near(word: str, known: list[str]) -> str | None:
    """Question after the known word closest to one that is not known."""
    folded = {name.lower().replace(" ", "_"): name for name in known}
    found = difflib.get_close_matches(word.lower().replace(" ", "_"), list(folded), n=1)
    return f"did you mean {folded[found[0]]}?" if found else None
