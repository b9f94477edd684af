"""Raw events of a few customers to features, by the code that made the features the model was fitted on.

All items of one shape go through cleaning and the feature engine together, each under its own index instead of its
customer's id (features never look at ids, and two items may speak of the same customer). If that fails, or a row is set
aside, the items are halved until the one at fault stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

from churn_value.errors import ChurnValueError, DataContractError, FingerprintMismatch
from churn_value.features.catalog import Catalog, catalog
from churn_value.scoring.bundle import Bundle
from churn_value.service.event_rows import NUMBERS, Row, RowRules
from churn_value.service.isolation import isolated
from churn_value.service.requests import EventsItem, ItemFault, Scalar
from churn_value.tables.contract import CONTRACT
from churn_value.tables.load import tables_from_frames
from churn_value.tables.specs import Kind

HARMLESS = frozenset({"DUPLICATE"})
MOST_HALVINGS = 6
Gathered = tuple[dict[int, pd.DataFrame], dict[int, ItemFault]]


@dataclass(frozen=True, slots=True)
class Checked:
    """An item whose rows keep the contract as far as one row can show."""

    customer_id: str
    as_of: date
    tables: Mapping[str, Sequence[Row]]

    @property
    def shape(self) -> tuple[tuple[str, ...], ...]:
        """Tables with their columns: only items of one shape are cleaned together, so that none gets new nulls."""
        return tuple(
            (name, *sorted({key for row in rows for key in row})) for name, rows in sorted(self.tables.items())
        )


@dataclass(frozen=True)
class EventFeatures:
    """Makes the features of one bundle from raw events.

    Parameters
    ----------
    catalog
        The bundle's catalog, made again from its parameters.
    rules
        What rows must be like.
    """

    catalog: Catalog
    rules: RowRules

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
        return cls(made, RowRules(bundle.config, made.attributes))

    def frame(self, items: Mapping[int, Checked], now: datetime) -> pd.DataFrame:
        """Features of each item, its index as text in `customer_id`, in the order of the items.

        Raises
        ------
        DataContractError
            When a table is refused, or a row is set aside for more than repeating another.
        """
        tables = tables_from_frames(
            self.rules.config,
            self._frames(items),
            observed_now=now,
            threads=1,
            attribute_types=dict.fromkeys(("customers", "snapshots"), self.catalog.attributes),
        )
        try:
            for table, report in tables.reports.items():
                for reason in report.quarantined.keys() - HARMLESS:
                    raise DataContractError("every row must be accepted", code=reason, where=table)
            made = _run(tables.connection.con, self.catalog.sql, items)
        finally:
            tables.connection.disconnect()
        return made.set_index("customer_id", drop=False).loc[[str(index) for index in items]]

    def _frames(self, items: Mapping[int, Checked]) -> dict[str, pd.DataFrame]:
        """Rows of all items by table, columns typed by the contract.

        Tables with attributes are there even without rows, since the features name their columns.
        """
        used = {table for item in items.values() for table in item.tables}
        described = {table for table in self.catalog.schemas if CONTRACT[table].has_attributes}
        return {table: self._frame(table, items) for table in sorted(used | described)}

    def _frame(self, table: str, items: Mapping[int, Checked]) -> pd.DataFrame:
        rows = [
            {**row, "customer_id": str(index)} for index, item in items.items() for row in item.tables.get(table, ())
        ]
        columns = {name for row in rows for name in row} | {"customer_id"}
        if CONTRACT[table].has_attributes:
            columns |= set(self.catalog.attributes)
        kinds = {name: self.rules.kind(table, name) for name in sorted(columns)}
        return pd.DataFrame({name: _typed([row.get(name) for row in rows], kind) for name, kind in kinds.items()})


def _typed(values: Sequence[Scalar], kind: Kind | None) -> pd.Series[Any]:
    if kind in NUMBERS:
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="boolean" if kind == "flag" else "str")


def _run(connection: Any, sql: str, items: Mapping[int, Checked]) -> pd.DataFrame:
    """Features by the catalog's SQL, which was compiled once."""
    days = pa.array([item.as_of for item in items.values()], pa.date32())
    spine = pa.table({"customer_id": pa.array([str(index) for index in items], pa.string()), "as_of": days})
    connection.register("spine", spine)
    made: pd.DataFrame = connection.sql(sql).to_arrow_table().to_pandas()
    return made


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
    rows: dict[int, pd.DataFrame] = {}
    faults: dict[int, ItemFault] = {}
    groups: dict[object, dict[int, Checked]] = {}
    for index, item in items.items():
        try:
            checked = Checked(item.customer_id, item.as_of, maker.rules.checked(item, now))
            groups.setdefault(checked.shape, {})[index] = checked
        except ItemFault as fault:
            faults[index] = fault
    for group in groups.values():
        made, refused = _made(group, maker, now)
        rows |= made
        faults |= refused
    return rows, faults


def _made(group: Mapping[int, Checked], maker: EventFeatures, now: datetime) -> Gathered:
    def attempt(indices: Sequence[int]) -> pd.DataFrame:
        return maker.frame({index: group[index] for index in indices}, now)

    rows: dict[int, pd.DataFrame] = {}
    faults: dict[int, ItemFault] = {}
    for indices, outcome in isolated(list(group), attempt, most_halvings=MOST_HALVINGS):
        if isinstance(outcome, ChurnValueError):
            alone = len(indices) == 1
            fault = (
                ItemFault("EVENTS_REFUSED", _place(outcome)) if alone else ItemFault("EVENTS_NOT_SEPARATED", "events")
            )
            faults |= dict.fromkeys(indices, fault)
            continue
        for position, index in enumerate(indices):
            row = outcome.iloc[position : position + 1]
            rows[index] = row.assign(customer_id=group[index].customer_id)
    return rows, faults


def _place(error: ChurnValueError) -> str:
    """Table and reason code of a refusal; both are words of ours."""
    table = next((name for name in CONTRACT if error.where and error.where.split()[-1] == name), None)
    return f"events.{table}: {error.code}" if table else f"events: {error.code}"


def maker_of(bundle: Bundle) -> EventFeatures | None:
    """Maker for a bundle, or None when the definitions at hand are not those it was fitted on."""
    try:
        return EventFeatures.of(bundle)
    except FingerprintMismatch:
        return None
