"""Events of a few customers to features, by the code that made the features the model was fitted on.

Events come with a request, or lie in the event store. Those of a request are cleaned first, all items together, each
under its own index instead of its customer's id (features never look at ids, and two items may speak of the same
customer). Cleaning says of each row why it is set aside, so that a bad item stays alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from churn_value.errors import FingerprintMismatch
from churn_value.features.prepared import PreparedFeatures
from churn_value.features.statements import Statements, table_of
from churn_value.recommendation.live import LiveHabits
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.offered import Expected, Offered
from churn_value.service.events.ledger import StoredRow
from churn_value.service.events.rows import Row, RowRules
from churn_value.service.events.store import EventStore
from churn_value.service.requests import EventsItem, ItemFault
from churn_value.tables.prepared import PreparedCleaning

HARMLESS = frozenset({"DUPLICATE"})
Found = tuple[dict[int, Offered], dict[int, ItemFault]]
Shape = tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True, slots=True)
class Checked:
    """An item whose rows keep the contract as far as one row can show."""

    customer_id: str
    as_of: date
    tables: Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class EventFeatures:
    """Makes the features of one bundle from events.

    Parameters
    ----------
    rules
        What rows must be like.
    cleaning
        Statements prepared for the bundle's configuration.
    statements, schemas
        Statements of features and habits, and the columns of the tables they read.
    features, habits
        What their answers mean; no habits without purchases.
    expected
        What the bundle expects of feature rows.
    """

    rules: RowRules
    cleaning: PreparedCleaning
    statements: Statements
    schemas: Mapping[str, pa.Schema]
    features: PreparedFeatures
    expected: Expected
    habits: LiveHabits | None = None

    @classmethod
    def of(cls, bundle: Bundle) -> EventFeatures:
        """Maker for a bundle; takes a second or two.

        Raises
        ------
        FingerprintMismatch
            When the definitions at hand are not those the model was fitted on.
        """
        made, config = bundle.catalog.rebuilt(), bundle.config
        purchases = config.tables.get("purchases")
        statements = Statements(made.schemas, returns=purchases.returns if purchases else "by_return_date")
        return cls(
            RowRules(config, made.attributes),
            PreparedCleaning(config, made.attributes),
            statements,
            {name: one.to_pyarrow() for name, one in made.schemas.items()},
            PreparedFeatures(made, statements),
            bundle.expected,
            _habits_of(bundle, statements),
        )

    def shape(self, item: Checked) -> Shape:
        """Tables and what matters of their columns: items of one shape can be cleaned together."""
        return tuple((name, self.cleaning.decisive(name, rows)) for name, rows in sorted(item.tables.items()))

    def accepted(self, items: Mapping[int, Checked], now: datetime) -> tuple[dict[str, pa.Table], dict[int, ItemFault]]:
        """Canonical rows by table, under the items' indices, and the faults of items with a row set aside."""
        tables: dict[str, pa.Table] = {}
        faults: dict[int, ItemFault] = {}
        for table in sorted({name for item in items.values() for name in item.tables}):
            rows = [_under(index, row) for index, item in items.items() for row in item.tables.get(table, ())]
            judged = self.cleaning.judged(table, rows, now, repeats=True)
            tables[table] = judged.rows.filter(pa.array([reason is None for reason in judged.reasons], pa.bool_()))
            for row, reason in zip(rows, judged.reasons, strict=True):
                if reason is not None and reason not in HARMLESS:
                    index = int(str(row["customer_id"]))
                    faults.setdefault(index, ItemFault("EVENTS_REFUSED", f"events.{table}: {reason}"))
        return tables, faults

    def rows(self, tables: Mapping[str, pa.Table], asked: Sequence[tuple[str, date]]) -> Offered:
        """Features of (customer_id, as_of), each pair once, in their order."""
        used = {name: table.select(self.schemas[name].names) for name, table in tables.items() if name in self.schemas}
        answers = self.statements.answered(used, asked)
        habits = (None,) * len(asked) if self.habits is None else tuple(self.habits.texts(answers, asked))
        return Offered.made(asked, self.features.cells(answers, asked), habits, self.expected)


def _habits_of(bundle: Bundle, statements: Statements) -> LiveHabits | None:
    """Maker of habits, for a bundle whose features are made from purchases."""
    if "purchases" not in statements.schemas:
        return None
    present = frozenset(bundle.catalog.parameters["present"]["purchases"])
    return LiveHabits(statements, present, bundle.recommender)


def _under(index: int, row: Row) -> Row:
    """Row under its item's index; ids of events are told apart by it too."""
    event_id = row.get("event_id")
    own = {"event_id": f"{index}:{event_id}"} if event_id is not None else {}
    return {**row, **own, "customer_id": str(index)}


def features_from_events(items: Mapping[int, EventsItem], maker: EventFeatures | None, now: datetime) -> Found:
    """Feature row, or fault, of each item.

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
        return {}, dict.fromkeys(items, ItemFault("EVENTS_UNSUPPORTED", "events"))
    rows: dict[int, Offered] = {}
    faults: dict[int, ItemFault] = {}
    groups: dict[Shape, dict[int, Checked]] = {}
    for index, item in items.items():
        try:
            checked = Checked(item.customer_id, item.as_of, maker.rules.checked(item, now))
            groups.setdefault(maker.shape(checked), {})[index] = checked
        except ItemFault as fault:
            faults[index] = fault
    for group in groups.values():
        tables, refused = maker.accepted(group, now)
        faults |= refused
        good = {index: item for index, item in group.items() if index not in refused}
        if good:
            made = maker.rows(tables, [(str(index), item.as_of) for index, item in good.items()])
            rows |= {index: made.row(place, item.customer_id) for place, (index, item) in enumerate(good.items())}
    return rows, faults


def live_as_of(now: datetime) -> date:
    """The midnight after `now` (UTC): where everything that is known by now is past."""
    return now.date() + timedelta(days=1)


def features_from_store(items: Mapping[int, tuple[str, date]], maker: EventFeatures | None, store: EventStore) -> Found:
    """Feature row, or fault, of each item, from the events in the store.

    Parameters
    ----------
    items
        Customer and as_of by their index in the request.
    maker
        For the served bundle; None when its features cannot be made here.
    store
        Must be open, in the currency of the bundle.
    """
    if maker is None:
        return {}, dict.fromkeys(items, ItemFault("EVENTS_UNSUPPORTED", "customer_id"))
    found = store.rows([customer_id for customer_id, _ in items.values()])
    known = {index: pair for index, pair in items.items() if pair[0] in found}
    faults = {index: ItemFault("CUSTOMER_NOT_FOUND", "customer_id") for index in items.keys() - known.keys()}
    if not known:
        return {}, faults
    try:
        tables = _tables(found.values(), maker)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Another model took an attribute for a number that is text here, or the other way round.
        return {}, dict.fromkeys(items, ItemFault("EVENTS_UNSUPPORTED", "customer_id"))
    asked = list(dict.fromkeys(known.values()))
    made = maker.rows(tables, asked)
    places = {pair: place for place, pair in enumerate(asked)}
    return {index: made.row(places[pair]) for index, pair in known.items()}, faults


def _tables(customers: Iterable[Mapping[str, Sequence[StoredRow]]], maker: EventFeatures) -> dict[str, pa.Table]:
    rows: dict[str, list[StoredRow]] = {}
    for sources in customers:
        for source, own in sources.items():
            rows.setdefault(source, []).extend(own)
    schemas = maker.schemas
    return {source: table_of(own, schemas[source]) for source, own in rows.items() if source in schemas}


def stored_rows(table: pa.Table) -> list[StoredRow]:
    """Canonical rows as the event store keeps them: nulls left out, times in microseconds, days as day numbers."""
    plain = [
        pc.cast(column, pa.int64() if pa.types.is_timestamp(column.type) else pa.int32())
        if pa.types.is_temporal(column.type)
        else column
        for column in table.columns
    ]
    rows = pa.table(plain, names=table.column_names).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def maker_of(bundle: Bundle) -> EventFeatures | None:
    """Maker for a bundle, or None when the definitions at hand are not those it was fitted on."""
    try:
        return EventFeatures.of(bundle)
    except FingerprintMismatch:
        return None
