"""Which source column is which contract column, and what is said when one is missing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from churn_value.config import Config, TableConfig
from churn_value.errors import SchemaError
from churn_value.tables import rows
from churn_value.tables.contract import CONTRACT
from churn_value.tables.derived import compiled, names_in
from churn_value.tables.missing import MOST_NAMED, near, no_such_column
from churn_value.tables.reading import Mapped
from churn_value.tables.specs import Column, TableSpec

PANDAS_INDEX = re.compile(r"__index_level_\d+__")
"""Numbers of a frame's rows, which pandas writes into Parquet where the index has no name."""


def mapped_source(config: Config, name: str, raw: ir.Table) -> Mapped:
    """Source rows with their columns under contract names, as the configuration says.

    A contract column comes from `columns`, `derived` or `constants`; a source column that bears its name already needs
    no mention. What is left over becomes attributes, of customers and snapshots, as `attributes` allows.

    Raises
    ------
    SchemaError
        When a key is not of the contract, a column is not in the source or comes from two places, or a required column
        is missing.
    """
    spec, settings = CONTRACT[name], config.tables[name]
    where = f"{config.source_file or config.name}: tables.{name}"
    _check_keys(spec, settings, where)
    own, minor = named(spec, raw, where, explicit=_explicit(settings))
    given = _given(settings, raw, where)
    columns = {**own, **{_contract_name(spec, key): value for key, value in given.items() if _is_contract(spec, key)}}
    minor = minor | {column.name for column in spec.mappable if column.kind == "money" and column.stored in given}
    _check_required(config, spec, columns, raw, where)
    attributes = {key: value for key, value in given.items() if not _is_contract(spec, key)}
    read = (name for text in settings.derived.values() for name in names_in(text, where))
    used = {*settings.columns.values(), *read, *columns, *attributes}
    attributes |= _left_over(spec, settings.attributes, raw, used, where)
    columns = _profile(spec, settings.attributes, columns, given)
    check_attribute_names(spec, attributes, where)
    unread = _unread(raw, (*columns.values(), *attributes.values()))
    return Mapped(spec, raw, columns, attributes, frozenset(minor), where, unread=unread)


def _unread(raw: ir.Table, values: Iterable[ir.Value]) -> dict[str, str]:
    """Type of each source column that is part of none of the values."""
    source = raw.op()
    read = {node.name for value in values for node in value.op().find(ops.Field) if node.rel == source}
    return {name: str(value.type()) for name, value in source_columns(raw).items() if name not in read}


def _is_contract(spec: TableSpec, key: str) -> bool:
    return any(key in (column.name, column.stored) for column in spec.mappable)


def _contract_name(spec: TableSpec, key: str) -> str:
    return next(column.name for column in spec.mappable if key in (column.name, column.stored))


def _explicit(settings: TableConfig) -> frozenset[str]:
    return frozenset((*settings.columns, *settings.derived, *settings.constants))


def _check_keys(spec: TableSpec, settings: TableConfig, where: str) -> None:
    seen: dict[str, str] = {}
    for part in ("columns", "derived", "constants"):
        for key in getattr(settings, part):
            if not spec.has_attributes and not _is_contract(spec, key):
                raise SchemaError(
                    f"{key} is not a column of {spec.name} in the contract",
                    code="UNKNOWN_COLUMN",
                    where=f"{where}.{part}",
                    received=key,
                    remedy=near(key, list(spec.names)) or f"the columns are {', '.join(spec.names)}",
                )
            name = _contract_name(spec, key) if _is_contract(spec, key) else key
            if name in seen:
                raise ambiguous(name, [f"{seen[name]}.{name}", f"{part}.{key}"], where)
            seen[name] = part


def _given(settings: TableConfig, raw: ir.Table, where: str) -> dict[str, ir.Value]:
    """Columns that the configuration speaks of, under the names it gives them."""
    sources = source_columns(raw)
    given: dict[str, ir.Value] = {}
    for key, source in settings.columns.items():
        if source not in sources:
            rule = f"the source must have the column that {key} is mapped to"
            raise no_such_column(rule, source, list(sources), f"{where}.columns.{key}")
        given[key] = sources[source]
    for key, text in settings.derived.items():
        given[key] = compiled(text, sources, f"{where}.derived.{key}")
    return given | {key: ibis.literal(value) for key, value in settings.constants.items()}


def source_columns(raw: ir.Table) -> dict[str, ir.Value]:
    """Columns of a source without our row number."""
    return {name: raw[name] for name in raw.columns if name != rows.ROW}


def with_nulls(raw: ir.Table, null_values: Mapping[str, Sequence[str]], where: str) -> ir.Table:
    """Source in which the listed texts of a column are null.

    Raises
    ------
    SchemaError
        When a listed column is not in the source.
    """
    for name in null_values:
        if name not in raw.columns:
            rule = "null_values must name columns of the source"
            raise no_such_column(rule, name, list(source_columns(raw)), f"{where}.null_values")
    replaced = {
        name: ibis.ifelse(raw[name].cast("string").isin(texts), ibis.null(raw[name].type()), raw[name])
        for name, texts in null_values.items()
        if texts
    }
    return raw.mutate(**replaced) if replaced else raw


def named(
    spec: TableSpec, raw: ir.Table, where: str, *, explicit: frozenset[str] = frozenset()
) -> tuple[dict[str, ir.Value], frozenset[str]]:
    """Source columns that bear a contract name already, and the money columns among them in minor units.

    Raises
    ------
    SchemaError
        When a money column is there in major and in minor units.
    """
    columns: dict[str, ir.Value] = {}
    minor = set()
    folded = {name.casefold(): name for name in raw.columns}
    for column in spec.mappable:
        if column.name in explicit or column.stored in explicit:
            continue
        if column.name in raw.columns:
            columns[column.name] = raw[column.name]
        elif column.attribute and column.name in folded:
            # Gender is gender: DuckDB would not tell the two apart as names of one table.
            columns[column.name] = raw[folded[column.name]]
        if column.kind == "money" and column.stored in raw.columns:
            if column.name in columns:
                raise ambiguous(column.name, [column.name, column.stored], where)
            columns[column.name] = raw[column.stored]
            minor.add(column.name)
    return columns, frozenset(minor)


def _check_required(
    config: Config, spec: TableSpec, columns: Mapping[str, ir.Value], raw: ir.Table, where: str
) -> None:
    for column in spec.mappable:
        needed = column.required or (column.kind == "label" and config.is_snapshot)
        if needed and column.name not in columns:
            raise missing_column(
                column, raw, where, remedy=f"write tables.{spec.name}.columns: {{{column.name}: <one of these>}}"
            )


def _left_over(
    spec: TableSpec, wanted: Sequence[str] | str, raw: ir.Table, used: set[str], where: str
) -> dict[str, ir.Value]:
    """Source columns that become attributes as they are."""
    if not spec.has_attributes:
        return {}
    profile = {column.name for column in spec.mappable if column.attribute}
    free = {
        name: value
        for name, value in source_columns(raw).items()
        if name not in used and not (name.casefold() in profile and name.casefold() in used)
    }
    if wanted == "all":
        return {name: value for name, value in free.items() if is_attribute(value) and not PANDAS_INDEX.fullmatch(name)}
    for name in wanted:
        if name not in raw.columns and name not in used:
            rule = "attributes must be columns of the source"
            raise no_such_column(rule, name, list(free), f"{where}.attributes")
        if name in free and not is_attribute(free[name]):
            raise SchemaError(
                "attributes must be numbers, texts or booleans",
                code="COLUMN_TYPE",
                where=f"{where}.attributes",
                received=f"{name} of type {free[name].type()}",
                remedy="leave it out; signup_at and valid_from are the times of a customer",
            )
    return {name: free[name] for name in wanted if name in free}


def is_attribute(value: ir.Value) -> bool:
    """Whether a column can describe a customer: numbers, texts and booleans, not dates or nested values."""
    kind = value.type()
    return bool(kind.is_numeric() or kind.is_string() or kind.is_boolean())


def check_attribute_names(spec: TableSpec, attributes: Mapping[str, ir.Value], where: str) -> None:
    """Refuse attributes that differ from a contract column, or from each other, in capitals only.

    Raises
    ------
    SchemaError
        Naming the two.
    """
    seen = {column.stored.casefold(): column.stored for column in spec.columns}
    for name in attributes:
        if name.casefold() in seen:
            raise ambiguous(name, [seen[name.casefold()], name], where)
        seen[name.casefold()] = name


def _profile(
    spec: TableSpec, wanted: Sequence[str] | str, columns: dict[str, ir.Value], given: Mapping[str, ir.Value]
) -> dict[str, ir.Value]:
    """Columns without those attributes of the contract that neither the configuration maps nor `attributes` lists."""
    listed = {name.casefold() for name in wanted}
    unwanted = {
        column.name
        for column in spec.mappable
        if column.attribute and column.name not in given and wanted != "all" and column.name not in listed
    }
    return {name: value for name, value in columns.items() if name not in unwanted}


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
    names = list(source_columns(raw))
    close = near(column.name, names)
    return SchemaError(
        f"the table needs {column.name}: {column.en}",
        code="MISSING_COLUMN",
        where=where,
        received=f"columns {', '.join(names[:MOST_NAMED])}",
        remedy=f"{close} {remedy}" if close else remedy,
    )
