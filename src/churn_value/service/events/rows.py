"""One row of raw events against the table contract, before any engine sees it.

What the cleaning of tables would set aside is refused here already, by row and column: a request is small, its sender
is at hand, and an engine that meets a bad row among many items costs a second to find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from churn_value.config import Config
from churn_value.service.requests import EventsItem, ItemFault, Scalar
from churn_value.tables.contract import CONTRACT
from churn_value.tables.specs import Column, Kind

NUMBERS: frozenset[Kind] = frozenset({"money", "number", "label"})
FIRST_YEAR, LAST_YEAR = 1900, 2199
LARGEST_AMOUNT = 10**12
DATE_LENGTH = len("2024-10-01")
Row = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class RowRules:
    """What rows of a company's tables must be like.

    Parameters
    ----------
    config
        Its tables, time zones and currencies.
    attributes
        Attribute columns with their type, ``number`` or ``category``.
    """

    config: Config
    attributes: Mapping[str, str]

    def kind(self, table: str, name: str) -> Kind | None:
        """Kind of a column of the contract, or of an attribute; None when the table has no such column."""
        column = _column(table, name)
        if column is not None:
            return column.kind
        if CONTRACT[table].has_attributes and name in self.attributes:
            return "number" if self.attributes[name] == "number" else "text"
        return None

    def checked(self, item: EventsItem, now: datetime) -> dict[str, list[Row]]:
        """Rows of an item by table, times that have an offset in UTC.

        Parameters
        ----------
        item
            As sent.
        now
            Moment that nothing but due dates and the like may be later than, UTC.

        Raises
        ------
        ItemFault
            Naming the table, the row's number from 0 and, where it is one of ours, the column.
        """
        tables: dict[str, list[Row]] = {}
        for table, rows in item.events.items():
            if table not in self.config.tables:
                raise ItemFault("TABLE_UNKNOWN", "events")
            if rows:
                places = (f"events.{table}.{number}" for number in range(len(rows)))
                tables[table] = [self.row(table, place, row, now) for place, row in zip(places, rows, strict=True)]
        return tables

    def row(self, table: str, place: str, row: Row, now: datetime) -> Row:
        """One row, times that have an offset in UTC; faults are named as in `checked`, from `place` on."""
        for column in CONTRACT[table].mappable:
            if column.required and column.name != "customer_id" and not {column.name, column.stored} & row.keys():
                raise ItemFault("COLUMN_MISSING", f"{place}.{column.name}")
        return {name: self._cell(table, place, name, value, now) for name, value in row.items()}

    def _cell(self, table: str, place: str, name: str, value: Scalar, now: datetime) -> Scalar:
        kind = self.kind(table, name)
        if kind is None or name == "customer_id":
            raise ItemFault("COLUMN_UNKNOWN", place)
        column = _column(table, name)
        wrong = ItemFault("ROW_INVALID", f"{place}.{name}")
        if value is None:
            if column is not None and column.required and not column.nullable:
                raise wrong
            return None
        if not _fits(value, kind) or (column is not None and not self._allowed(column, value)):
            raise wrong
        if kind == "time" and column is not None and isinstance(value, str):
            return self._instant(table, column, value, now, wrong)
        return value

    def _allowed(self, column: Column, value: Scalar) -> bool:
        """Whether a value is within what its column may hold."""
        if column.kind == "money" and isinstance(value, float | int):
            return abs(value) <= LARGEST_AMOUNT
        if column.name == "currency":
            return value in {self.config.currency, *self.config.rates}
        return not column.allowed or value in column.allowed

    def _instant(self, table: str, column: Column, text: str, now: datetime, wrong: ItemFault) -> str:
        """Time in UTC; a date, or a clock reading of a table that says of which zone, stays as it is."""
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise wrong from None
        if not FIRST_YEAR < moment.year < LAST_YEAR:
            raise wrong
        if moment.tzinfo is None:
            if len(text) > DATE_LENGTH and self.config.tables[table].time_zone is None:
                raise wrong
            return text
        moment = moment.astimezone(UTC)
        if moment > now and not column.may_be_future:
            raise wrong
        return moment.isoformat()


def _column(table: str, name: str) -> Column | None:
    return next((column for column in CONTRACT[table].mappable if name in (column.name, column.stored)), None)


def _fits(value: Scalar, kind: Kind) -> bool:
    """Whether a JSON value is of the type in which a kind of column is sent."""
    if kind in NUMBERS:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, bool) if kind == "flag" else isinstance(value, str)
