"""Keeping a cleaned table in DuckDB: accepted rows, quarantine file, report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from churn_value.tables import rows
from churn_value.tables.attributes import AttributeType, attribute_type_of, attribute_types
from churn_value.tables.casts import Reading
from churn_value.tables.cleaning import staged
from churn_value.tables.content import content_of, quoted
from churn_value.tables.quarantine import BROKEN_ROW, write_quarantine
from churn_value.tables.reading import Mapped, Rules, check_columns, check_currencies, check_time_zone, readings
from churn_value.tables.reasons import REASONS
from churn_value.tables.repeats import marks_repeats, repeats_query
from churn_value.tables.report import TableReport
from churn_value.tables.returns import at_purchase_date
from churn_value.tables.specs import TableSpec


@dataclass(frozen=True)
class Stored:
    """One table's accepted rows and what is known about them."""

    table: ir.Table
    present: frozenset[str]
    types: Mapping[str, AttributeType]
    report: TableReport
    sha256: str


def keep(
    connection: Any,
    mapped: Mapped,
    rules: Rules,
    *,
    types: Mapping[str, AttributeType] | None = None,
    returns: str = "by_return_date",
    quarantine_dir: Path | None = None,
) -> Stored:
    """Clean one table and keep its accepted rows in the connection under the table's own name.

    Raises
    ------
    SchemaError
        When a column as a whole cannot be read, or currencies have no rate.
    """
    spec = mapped.spec
    check_time_zone(connection, mapped, rules)
    read = readings(mapped, rules)
    check_currencies(mapped, rules)
    check_columns(mapped, read, rules)
    known = _attribute_types(mapped, read, types or {})
    stage = staged(connection, mapped, read, known, rules)
    if marks_repeats(spec, frozenset(read)):
        stage = _remark(connection, mapped, stage, frozenset(read))
    accepted = stage.filter(stage[rows.REASON].isnull()).drop(rows.ROW, rows.REASON, rows.AT)
    late = _late(accepted, rules) if "known_at" in read else 0
    if spec.name == "purchases" and returns == "by_purchase_date":
        accepted = at_purchase_date(accepted)
    table = connection.create_table(spec.name, accepted)
    total, distinct, sha256 = content_of(connection, spec.name, dict(table.schema().items()))
    reasons = _reason_counts(stage, len(mapped.broken))
    if quarantine_dir is not None:
        write_quarantine(connection, mapped.raw, stage, mapped.broken, quarantine_dir / f"{spec.name}.parquet")
    _drop(connection, stage)
    present = _present(mapped, table, total)
    report = _report(mapped, table, present, reasons, repeated=total - distinct, late=late)
    return Stored(table, present, known, report, sha256)


def keep_nothing(
    connection: Any, spec: TableSpec, columns: Sequence[str], types: Mapping[str, AttributeType]
) -> Stored:
    """Keep a table without rows: a request rarely has rows of every table, and cleaning none costs as much as some.

    Parameters
    ----------
    connection
        Ibis DuckDB backend.
    spec
        Table of the contract.
    columns
        Columns the source has; those outside the contract are attributes, where the table has any.
    types
        Types of attributes; others are categories.
    """
    own = {column.stored: column.stored_type for column in spec.columns}
    mentioned = {name for column in spec.columns for name in (column.name, column.stored)}
    extra = [name for name in columns if spec.has_attributes and name not in mentioned]
    known: dict[str, AttributeType] = {name: types.get(name, "category") for name in extra}
    known |= {c.name: attribute_type_of(c) for c in spec.columns if c.attribute and c.name in columns}
    stored_types = own | {name: "float64" if known[name] == "number" else "string" for name in extra}
    table: ir.Table = connection.create_table(spec.name, schema=ibis.schema(stored_types))
    _, _, sha256 = content_of(connection, spec.name, dict(table.schema().items()))
    optional = {column.name for column in spec.mappable if not column.required and column.name in columns}
    present = frozenset(optional | set(extra) | ({"satisfaction"} if "score" in optional else set()))
    nulls = dict.fromkeys(sorted(present), 0.0)
    report = TableReport(spec.name, 0, 0, {}, 0, 0, 0, nulls, None, None)
    return Stored(table, present, known, report, sha256)


def _attribute_types(
    mapped: Mapped, read: Mapping[str, Reading], given: Mapping[str, AttributeType]
) -> dict[str, AttributeType]:
    """Types of all attributes: as given, as the contract says, else as the values show."""
    contract = {
        column.name: attribute_type_of(column)
        for column in mapped.spec.columns
        if column.attribute and column.name in read
    }
    known = {name: kind for name, kind in given.items() if name in mapped.attributes}
    unknown = {name: value for name, value in mapped.attributes.items() if name not in known}
    return known | attribute_types(mapped.raw, unknown) | contract


def _remark(connection: Any, mapped: Mapped, stage: ir.Table, present: frozenset[str]) -> ir.Table:
    name = f"marked_{mapped.spec.name}"
    query = repeats_query(mapped.spec, stage, stage.op().name, present)
    connection.raw_sql(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")
    _drop(connection, stage)
    return connection.table(name)


def _drop(connection: Any, table: ir.Table) -> None:
    # Written out: the SQL writer that Ibis uses leaves the name out of DROP statements.
    connection.raw_sql(f"DROP TABLE {quoted(table.op().name)}")


def _late(accepted: ir.Table, rules: Rules) -> int:
    happened = accepted["due_at"] if "due_at" in accepted.columns else accepted[_first_time(accepted)]
    late = accepted.known_at > happened + ibis.interval(days=rules.late_after_days)
    return int(accepted.filter(late).count().execute())


def _first_time(accepted: ir.Table) -> str:
    return "started_at" if "started_at" in accepted.columns else "event_time"


def _reason_counts(stage: ir.Table, broken: int) -> dict[str, int]:
    counted = stage.group_by(rows.REASON).agg(n=stage.count()).to_pyarrow().to_pylist()
    found = {row[rows.REASON]: int(row["n"]) for row in counted if row[rows.REASON] is not None}
    found |= {BROKEN_ROW: broken} if broken else {}
    return {reason: found[reason] for reason in REASONS if reason in found}


def _present(mapped: Mapped, table: ir.Table, total: int) -> frozenset[str]:
    """Optional columns of the contract that the source has, and attributes."""
    found = {column.name for column in mapped.spec.mappable if not column.required and column.name in mapped.columns}
    if "score" in found:
        found.add("satisfaction")
    if mapped.spec.name == "purchases" and "is_return" not in found and total:
        found |= {"is_return"} if bool(table.is_return.any().execute()) else set()
    return frozenset(found | set(mapped.attributes))


def _report(
    mapped: Mapped, table: ir.Table, present: frozenset[str], reasons: Mapping[str, int], *, repeated: int, late: int
) -> TableReport:
    spec = mapped.spec
    stored_as = {column.name: column.stored for column in spec.columns}
    sums: dict[str, ir.Value] = {
        f"null:{name}": table[stored_as.get(name, name)].isnull().sum() for name in sorted(present)
    }
    if spec.time:
        stamp = table[spec.time].cast("timestamp(6)")
        sums |= {"first": stamp.min(), "last": stamp.max()}
    found = table.aggregate(accepted=table.count(), **sums).to_pyarrow().to_pylist()[0]
    accepted = int(found["accepted"])
    return TableReport(
        table=spec.name,
        read=int(mapped.raw.count().execute()) + len(mapped.broken),
        accepted=accepted,
        quarantined=reasons,
        duplicates=reasons.get("DUPLICATE", 0) + repeated,
        future_dated=reasons.get("EVENT_IN_FUTURE", 0),
        late=late,
        null_share={name: int(found[f"null:{name}"] or 0) / max(accepted, 1) for name in sorted(present)},
        first=found.get("first"),
        last=found.get("last"),
        unread=dict(mapped.unread),
    )
