"""What a request may hold: the envelope, checked as a whole, and its items, each checked alone.

A fault of the envelope refuses the request; a fault of an item becomes that item's answer and touches no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from churn_value.service.options import Options
from churn_value.service.problems import refusal

LONGEST_ID = 256
LARGEST_TOP = 20
Scalar = str | float | bool | None
Status = Literal["invalid", "not_found", "ineligible"]

FAULTS: Mapping[str, tuple[Status, str]] = {
    "ITEM_NOT_OBJECT": ("invalid", "An item must be an object."),
    "ITEM_AMBIGUOUS": ("invalid", "An item has either features or events, not both."),
    "FIELD_MISSING": ("invalid", "A required key is missing."),
    "FIELD_UNKNOWN": ("invalid", "The item has a key that is not part of the request."),
    "FIELD_INVALID": ("invalid", "A key has a value of the wrong type or range."),
    "FEATURE_UNKNOWN": ("invalid", "A feature is not in the model's catalog."),
    "FEATURE_INVALID": (
        "invalid",
        "A feature has a value of the wrong type: numbers are numbers, categories are texts.",
    ),
    "TABLE_UNKNOWN": ("invalid", "events has a table the served model does not use."),
    "COLUMN_UNKNOWN": ("invalid", "A row has a column that is not in the table contract."),
    "COLUMN_MISSING": ("invalid", "A row lacks a column the table contract requires."),
    "ROW_INVALID": ("invalid", "A row has a value of the wrong type or range."),
    "EVENTS_REFUSED": ("invalid", "The events break the table contract."),
    "CUSTOMER_NOT_FOUND": (
        "not_found",
        "The customer is neither in the last scored table nor in the event store.",
    ),
    "FEATURES_OUTDATED": (
        "ineligible",
        "The last scored feature table was made for another model; score the base again.",
    ),
    "EVENTS_UNSUPPORTED": ("ineligible", "The served model does not score from events."),
    "NOT_SCORABLE": ("ineligible", "The served model cannot score the item."),
}


class ItemFault(Exception):  # noqa: N818 - it ends one item, not the request
    """Why one item has no answer.

    Parameters
    ----------
    code
        One of `FAULTS`.
    field
        Place in the item, made of names of the contract, the catalog and row numbers only.
    """

    def __init__(self, code: str, field: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.field = field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


CustomerId = Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
AsOf = Annotated[date, Field(strict=False, ge=date(1971, 1, 1), le=date(2200, 1, 1))]


class StoredItem(_Part):
    """A customer by id alone: answered from the last scored feature table, or from events that came since."""

    customer_id: CustomerId


class LiveItem(_Part):
    """A customer by id, answered from the events in the store; `as_of` is by default the midnight after now."""

    customer_id: CustomerId
    source: Literal["events"]
    as_of: AsOf | None = None


class FeaturesItem(_Part):
    """A customer with features by their catalog names; features left out count as unknown."""

    customer_id: CustomerId
    as_of: AsOf
    features: dict[str, Scalar]


class EventsItem(_Part):
    """A customer with raw events: per table of the contract a list of rows by canonical column names."""

    customer_id: CustomerId
    as_of: AsOf
    events: dict[str, list[dict[str, Scalar]]]


Item = StoredItem | LiveItem | FeaturesItem | EventsItem


class Envelope(_Part):
    """The request around its items."""

    locale: Literal["en", "zh"] = "en"
    explain: bool = True
    top: Annotated[int, Field(ge=0, le=LARGEST_TOP)] = 5
    levers: bool = False
    items: list[Any]


@dataclass(frozen=True, slots=True)
class Request:
    """A checked envelope with each item, or the fault it has."""

    locale: Literal["en", "zh"]
    explain: bool
    top: int
    levers: bool
    items: tuple[Item | ItemFault, ...]
    customer_ids: tuple[str | None, ...]


def read(document: object, options: Options) -> Request:
    """Request in a parsed document.

    Raises
    ------
    RequestError
        When the envelope is at fault or a limit of `options` is passed.
    """
    if not isinstance(document, dict):
        raise refusal("REQUEST_NOT_OBJECT")
    try:
        envelope = Envelope.model_validate(document)
    except ValidationError as error:
        code, field = _first(error, Envelope)
        raise refusal(code, field=field) from None
    _check_count(envelope, options)
    items = tuple(_read_item(item) for item in envelope.items)
    if sum(isinstance(item, EventsItem) for item in items) > options.event_items:
        raise refusal("EVENTS_TOO_MANY", field="items")
    ids = tuple(_id_of(item) for item in envelope.items)
    return Request(envelope.locale, envelope.explain, envelope.top, envelope.levers, items, ids)


def _check_count(envelope: Envelope, options: Options) -> None:
    if not envelope.items:
        raise refusal("ITEMS_EMPTY", field="items")
    if len(envelope.items) > options.items:
        raise refusal("ITEMS_TOO_MANY", field="items")
    if (envelope.explain or envelope.levers) and len(envelope.items) > options.explained:
        raise refusal("EXPLAINED_TOO_MANY", field="items")


def _read_item(item: object) -> Item | ItemFault:
    if not isinstance(item, dict):
        return ItemFault("ITEM_NOT_OBJECT")
    if "features" in item and "events" in item:
        return ItemFault("ITEM_AMBIGUOUS")
    model: type[StoredItem | LiveItem | FeaturesItem | EventsItem] = StoredItem
    if "features" in item:
        model = FeaturesItem
    elif "events" in item:
        model = EventsItem
    elif "source" in item:
        model = LiveItem
    try:
        return model.model_validate(item)
    except ValidationError as error:
        return ItemFault(*_first(error, model))


def _id_of(item: object) -> str | None:
    """Customer id to put beside the answer, when the item has a proper one."""
    customer_id = item.get("customer_id") if isinstance(item, dict) else None
    return customer_id if isinstance(customer_id, str) and 0 < len(customer_id) <= LONGEST_ID else None


def _first(error: ValidationError, model: type[BaseModel]) -> tuple[str, str | None]:
    """Code and field of the first fault; keys that the caller made up are not repeated."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    code = {"missing": "FIELD_MISSING", "extra_forbidden": "FIELD_UNKNOWN"}.get(first["type"], "FIELD_INVALID")
    name = str(first["loc"][0]) if first["loc"] else ""
    return code, name if name in model.model_fields else None
