"""Raw events of a few customers to features, by the code that made the features the model was fitted on.

All items of one shape go through cleaning and the feature engine together, each under its own index instead of its
customer's id (features never look at ids, and two items may speak of the same customer). If that fails, or a row is set
aside, the items are halved until the one at fault stands alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from churn_value.config import Config
from churn_value.errors import ChurnValueError, DataContractError, FingerprintMismatch
from churn_value.features.catalog import Catalog, catalog
from churn_value.scoring.bundle import Bundle
from churn_value.service.isolation import isolated
from churn_value.service.requests import EventsItem, ItemFault, Scalar
from churn_value.tables.contract import CONTRACT
from churn_value.tables.load import tables_from_frames
from churn_value.tables.specs import Kind

HARMLESS = frozenset({"DUPLICATE"})
Gathered = tuple[dict[int, pd.DataFrame], dict[int, ItemFault]]
Signature = tuple[tuple[str, tuple[str, ...]], ...]
_NUMBERS: frozenset[Kind] = frozenset({"money", "number", "label"})


@dataclass(frozen=True)
class EventFeatures:
    """Makes the features of one bundle from raw events.

    Parameters
    ----------
    catalog
        The bundle's catalog, made again from its parameters.
    config
        The bundle's configuration.
    """

    catalog: Catalog
    config: Config

    @classmethod
    def of(cls, bundle: Bundle) -> EventFeatures:
        """Maker for a bundle.

        Raises
        ------
        FingerprintMismatch
            When the definitions at hand are not those the model was fitted on.
        """
        parameters = bundle.catalog.parameters
        present = {table: frozenset(columns) for table, columns in parameters["present"].items()}
        # JSON objects have no order, but the attributes' features do: that of the bundle.
        places = {name: place for place, name in enumerate(bundle.catalog.names)}
        attributes = parameters.get("attributes") or {}
        ordered = sorted(attributes, key=lambda name: places.get(f"attr_{name}", len(places)))
        made = catalog(present, parameters["windows_days"], {name: attributes[name] for name in ordered})
        bundle.catalog.check(made)
        return cls(made, bundle.config)

    def frame(self, items: Mapping[int, EventsItem], now: datetime) -> pd.DataFrame:
        """Features of each item, index in `customer_id`.

        Raises
        ------
        DataContractError
            When a table is refused, or a row is set aside for more than repeating another.
        """
        tables = tables_from_frames(
            self.config,
            self._frames(items),
            observed_now=now,
            threads=1,
            attribute_types=dict.fromkeys(("customers", "snapshots"), self.catalog.attributes),
        )
        for table, report in tables.reports.items():
            for reason in report.quarantined.keys() - HARMLESS:
                raise DataContractError("every row must be accepted", code=reason, where=table)
        made = _run(tables.connection, self.catalog.sql, items)
        return made.set_index("customer_id", drop=False).loc[[str(index) for index in items]]

    def _frames(self, items: Mapping[int, EventsItem]) -> dict[str, pd.DataFrame]:
        """Rows of all items by table, columns typed by the contract.

        Tables with attributes are there even without rows, since the features name their columns.
        """
        used = {table for item in items.values() for table, rows in item.events.items() if rows}
        described = {table for table in self.catalog.schemas if CONTRACT[table].has_attributes}
        return {table: self._frame(table, items) for table in sorted(used | described)}

    def _frame(self, table: str, items: Mapping[int, EventsItem]) -> pd.DataFrame:
        rows = [
            {**row, "customer_id": str(index)} for index, item in items.items() for row in item.events.get(table, ())
        ]
        columns = {name for row in rows for name in row} | {"customer_id"}
        if CONTRACT[table].has_attributes:
            columns |= set(self.catalog.attributes)
        kinds = {name: self._kind(table, name) for name in sorted(columns)}
        return pd.DataFrame({name: _typed([row.get(name) for row in rows], kind) for name, kind in kinds.items()})

    def _kind(self, table: str, name: str) -> Kind | None:
        """Kind of a column of the contract, or of an attribute; None when the table has no such column."""
        spec = CONTRACT[table]
        for column in spec.mappable:
            if name in (column.name, column.stored):
                return column.kind
        if spec.has_attributes and name in self.catalog.attributes:
            return "number" if self.catalog.attributes[name] == "number" else "text"
        return None

    def check(self, item: EventsItem) -> None:
        """Look at an item's tables, columns and types before anything is computed.

        Raises
        ------
        ItemFault
            Naming the table, the row's number from 0 and, where it is one of ours, the column.
        """
        for table, rows in item.events.items():
            if table not in self.config.tables:
                raise ItemFault("TABLE_UNKNOWN", "events")
            for number, row in enumerate(rows):
                self._check_row(table, f"events.{table}.{number}", row)

    def _check_row(self, table: str, place: str, row: Mapping[str, Scalar]) -> None:
        if "customer_id" in row:
            raise ItemFault("COLUMN_UNKNOWN", place)
        for name, value in row.items():
            kind = self._kind(table, name)
            if kind is None:
                raise ItemFault("COLUMN_UNKNOWN", place)
            if value is not None and not _fits(value, kind):
                raise ItemFault("ROW_INVALID", f"{place}.{name}")
        for column in CONTRACT[table].mappable:
            if column.required and column.name != "customer_id" and not {column.name, column.stored} & row.keys():
                raise ItemFault("COLUMN_MISSING", f"{place}.{column.name}")


def _fits(value: Scalar, kind: Kind) -> bool:
    """Whether a JSON value is of the type in which a kind of column is sent."""
    if kind in _NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool) if kind == "flag" else isinstance(value, str)


def _typed(values: Sequence[Scalar], kind: Kind | None) -> pd.Series[Any]:
    if kind in _NUMBERS:
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="boolean" if kind == "flag" else "str")


def _run(connection: Any, sql: str, items: Mapping[int, EventsItem]) -> pd.DataFrame:
    """Features by the catalog's SQL, which was compiled once; the connection is closed."""
    days = pa.array([item.as_of for item in items.values()], pa.date32())
    spine = pa.table({"customer_id": pa.array([str(index) for index in items], pa.string()), "as_of": days})
    try:
        connection.con.register("spine", spine)
        made: pd.DataFrame = connection.con.sql(sql).to_arrow_table().to_pandas()
        return made
    finally:
        connection.disconnect()


def _signature(item: EventsItem) -> Signature:
    """Tables and columns of an item: only items that have the same may be cleaned together."""
    columns = {table: sorted({name for row in rows for name in row}) for table, rows in item.events.items() if rows}
    return tuple((table, tuple(names)) for table, names in sorted(columns.items()))


def features_from_events(items: Mapping[int, EventsItem], maker: EventFeatures | None, now: datetime) -> Gathered:
    """One-row feature frame, or fault, of each item.

    Parameters
    ----------
    items
        By their index in the request.
    maker
        For the served bundle; None when its features cannot be made here.
    now
        Moment that no event may be later than, UTC.
    """
    if maker is None:
        return {}, {index: ItemFault("EVENTS_UNSUPPORTED", "events") for index in items}
    faults: dict[int, ItemFault] = {}
    groups: dict[Signature, list[int]] = {}
    for index, item in items.items():
        try:
            maker.check(item)
            groups.setdefault(_signature(item), []).append(index)
        except ItemFault as fault:
            faults[index] = fault
    rows: dict[int, pd.DataFrame] = {}
    for group in groups.values():
        made, refused = _made(group, items, maker, now)
        rows |= made
        faults |= refused
    return rows, faults


def _made(group: Sequence[int], items: Mapping[int, EventsItem], maker: EventFeatures, now: datetime) -> Gathered:
    def attempt(indices: Sequence[int]) -> pd.DataFrame:
        return maker.frame({index: items[index] for index in indices}, now)

    rows: dict[int, pd.DataFrame] = {}
    faults: dict[int, ItemFault] = {}
    for indices, outcome in isolated(group, attempt):
        if isinstance(outcome, ChurnValueError):
            faults[indices[0]] = ItemFault("EVENTS_REFUSED", _place(outcome))
            continue
        for position, index in enumerate(indices):
            row = outcome.iloc[position : position + 1]
            rows[index] = row.assign(customer_id=items[index].customer_id)
    return rows, faults


def _place(error: ChurnValueError) -> str:
    """Table and reason code of a refusal; both are words of ours."""
    tables: Iterable[str] = CONTRACT
    table = next((name for name in tables if error.where and error.where.split()[-1] == name), None)
    return f"events.{table}: {error.code}" if table else f"events: {error.code}"


def maker_of(bundle: Bundle) -> EventFeatures | None:
    """Maker for a bundle, or None when the definitions at hand are not those it was fitted on."""
    try:
        return EventFeatures.of(bundle)
    except FingerprintMismatch:
        return None
