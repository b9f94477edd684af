"""Columns that are asked for and not there."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import ibis.expr.types as ir

from churn_value.errors import SchemaError
from churn_value.tables import rows

MOST_NAMED = 30


def near(word: str, known: Sequence[str]) -> str | None:
    """Question after the known word closest to one that is not known."""
    folded = {name.lower().replace(" ", "_"): name for name in known}
    found = difflib.get_close_matches(word.lower().replace(" ", "_"), list(folded), n=1)
    return f"did you mean {folded[found[0]]}?" if found else None


def source_column(raw: ir.Table, name: str, setting: str, where: str) -> ir.Value:
    """Column of a source that a setting of its table names.

    Raises
    ------
    SchemaError
        When there is none.
    """
    known = [column for column in raw.columns if column != rows.ROW]
    if name not in known:
        raise no_such_column(f"{setting} must name columns of the source", name, known, where)
    return raw[name]


def no_such_column(rule: str, name: str, known: Sequence[str], where: str) -> SchemaError:
    """Error of a column that is not among the `known` of a source; the remedy is the nearest of them, or all."""
    return SchemaError(
        rule,
        code="MISSING_COLUMN",
        where=where,
        received=name,
        remedy=near(name, known) or f"the columns are {', '.join(known[:MOST_NAMED])}",
    )
