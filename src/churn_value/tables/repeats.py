"""Repeated rows: which tables refuse them, and which copy stays."""

from __future__ import annotations

import ibis.expr.types as ir

from churn_value.tables import rows
from churn_value.tables.content import row_text
from churn_value.tables.specs import TableSpec


def marks_repeats(spec: TableSpec, present: frozenset[str]) -> bool:
    """Whether rows of the table may be quarantined for repeating others."""
    return bool(spec.unique) or "event_id" in present


def repeats_query(spec: TableSpec, staged: ir.Table, name: str, present: frozenset[str]) -> str:
    """SQL over a staged table that also gives ``DUPLICATE`` and ``CONFLICTING`` rows their reason.

    Of identical rows one stays. Of rows with the same `event_id` the one known first stays, and then the one whose
    content hashes lowest, so that the choice does not depend on the order of the source. Rows of the same key that say
    different things are all set aside: nothing tells which is right.
    """
    columns = {
        column: kind for column, kind in staged.schema().items() if column not in (rows.ROW, rows.REASON, rows.AT)
    }
    good = f"{rows.REASON} IS NULL"
    if "event_id" in present:
        order = f"PARTITION BY {good}, event_id ORDER BY known_at, digest, {rows.ROW}"
        copy = f"event_id IS NOT NULL AND row_number() OVER ({order}) > 1"
    else:
        copy = f"row_number() OVER (PARTITION BY {good}, digest ORDER BY {rows.ROW}) > 1"
    conflict = "FALSE"
    if spec.unique and spec.unique != ("*",):
        key = ", ".join(spec.unique)
        conflict = f"min(digest) OVER (PARTITION BY {good}, {key}) <> max(digest) OVER (PARTITION BY {good}, {key})"
    return (
        f"WITH hashed AS (SELECT *, md5({row_text(columns)}) AS digest FROM {name}), "  # noqa: S608 - contract names
        f"marked AS (SELECT *, {copy} AS is_copy, {conflict} AS is_conflict FROM hashed) "
        f"SELECT * EXCLUDE (digest, is_copy, is_conflict) REPLACE ("
        f"CASE WHEN NOT ({good}) THEN {rows.REASON} WHEN is_conflict THEN 'CONFLICTING' "
        f"WHEN is_copy THEN 'DUPLICATE' END AS {rows.REASON}, "
        f"CASE WHEN NOT ({good}) THEN {rows.AT} WHEN is_conflict OR is_copy THEN 'customer_id' END AS {rows.AT}) "
        "FROM marked"
    )
