"""What a column and a table of the contract are: the vocabulary in which `contract` is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["id", "text", "kind", "time", "day", "money", "number", "flag", "label"]

# How each kind is stored among accepted rows; money is integer minor units so that sums do not depend on threads.
STORED_AS: Mapping[Kind, str] = {
    "id": "string",
    "text": "string",
    "kind": "string",
    "time": "timestamp(6)",
    "day": "date",
    "money": "int64",
    "number": "float64",
    "flag": "boolean",
    "label": "int8",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the contract.

    Parameters
    ----------
    name
        Word used in configurations and in frames.
    kind
        Decides how values are read and which reasons a row can be quarantined for.
    unit
        Unit of the values, or ``"-"``.
    en, zh
        Meaning in one clause.
    required
        Whether a source without the column is refused.
    nullable
        Whether a required column may be null in a row.
    may_be_future
        Time columns: whether a stamp after `observed_now` is legitimate, as a due date is.
    allowed
        Kind columns: the closed list of texts; empty leaves the list open.
    attribute
        Whether the column describes a customer rather than an event, and so becomes an attribute feature.
    derived
        Whether it is computed while cleaning and cannot be mapped.
    """

    name: str
    kind: Kind
    unit: str
    en: str
    zh: str
    required: bool = False
    nullable: bool = False
    may_be_future: bool = False
    allowed: tuple[str, ...] = ()
    attribute: bool = False
    derived: bool = False

    @property
    def stored(self) -> str:
        """Name among accepted rows: money columns end in ``_minor``."""
        return f"{self.name}_minor" if self.kind == "money" else self.name

    @property
    def stored_type(self) -> str:
        """Type among accepted rows, in Ibis' words."""
        return STORED_AS[self.kind]


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table of the contract.

    Parameters
    ----------
    name
        Word used in configurations.
    columns
        In the order accepted rows have them.
    time
        Column that says when a row happened, if any.
    unique
        Columns that identify a row; repeated rows are quarantined. Empty: rows may repeat and are only counted.
    has_attributes
        Whether further source columns become attributes of the customer.
    en, zh
        What a row is.
    """

    name: str
    columns: tuple[Column, ...]
    time: str | None
    en: str
    zh: str
    unique: tuple[str, ...] = ()
    has_attributes: bool = False

    def column(self, name: str) -> Column:
        """Column of that name; KeyError when the table has none."""
        return {column.name: column for column in self.columns}[name]

    @property
    def mappable(self) -> tuple[Column, ...]:
        """Columns a source can provide."""
        return tuple(column for column in self.columns if not column.derived)

    @property
    def names(self) -> tuple[str, ...]:
        """Names a configuration may use."""
        return tuple(column.name for column in self.mappable)
