"""Who bought what on which day, as known at one as_of: all that the recommender ever sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.features.asof import past_of
from churn_value.features.purchases import is_bought
from churn_value.tables.load import Tables

Kind = Literal["category", "product_id"]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Baskets:
    """Distinct (customer, item, day) purchases before one as_of.

    Parameters
    ----------
    customers
        Ids, ascending.
    items
        Names, ascending.
    customer, item
        Place of each purchase among them, shape (n,); sorted by customer, item, then oldest first.
    age_days
        Age of each purchase, at least 1; shape (n,).
    lines
        Lines bought that day, shape (n,).
    """

    customers: tuple[str, ...]
    items: tuple[str, ...]
    customer: Ints
    item: Ints
    age_days: Ints
    lines: Ints

    @classmethod
    def of(cls, bought: pd.DataFrame | Mapping[str, npt.NDArray[Any]]) -> Baskets:
        """Baskets of columns ``customer_id``, ``item``, ``age_days``, ``lines``, one row per customer, item and day."""
        customer, customers = pd.factorize(np.asarray(bought["customer_id"], dtype=object), sort=True)
        item, items = pd.factorize(np.asarray(bought["item"], dtype=object), sort=True)
        age, lines = (np.asarray(bought[name], dtype=np.int64) for name in ("age_days", "lines"))
        order = np.lexsort((-age, item, customer))
        return cls(
            tuple(customers), tuple(items), *(cells.astype(np.int64)[order] for cells in (customer, item, age, lines))
        )

    def within(self, days: int) -> Baskets:
        """Purchases at most `days` old; customers and items keep their places."""
        kept = self.age_days <= days
        cells = (self.customer[kept], self.item[kept], self.age_days[kept], self.lines[kept])
        return Baskets(self.customers, self.items, *cells)


def item_kind(tables: Tables) -> Kind | None:
    """What is recommended: categories where purchases have them, else products, else nothing."""
    present = tables.present.get("purchases", frozenset())
    return "category" if "category" in present else "product_id" if "product_id" in present else None


def bought_before(purchases: ir.Table, column: str, spine: ir.Table) -> ir.Table:
    """Lines bought per customer, item and day before each as_of, by the law of time of the features.

    Parameters
    ----------
    purchases
        Accepted rows of the table.
    column
        ``category``, ``product_id`` or ``channel``; rows without it do not count.
    spine
        ``customer_id``, ``as_of``: whose past is seen, and when.

    Returns
    -------
    ir.Table
        ``customer_id``, ``as_of``, ``item``, ``age_days`` (at least 1), ``lines`` (at least 1).
    """
    past = past_of("purchases", purchases, spine)
    past = past.filter(is_bought(past)).drop_null(column)
    keys = ["customer_id", "as_of", past[column].name("item"), "age_days"]
    return past.group_by(keys).aggregate(lines=past.count())


def baskets(
    tables: Tables, as_of: date, *, column: str | None = None, customer_ids: Sequence[str] | None = None
) -> Baskets:
    """Baskets of everyone who bought before `as_of`, or of the given customers; by default of `item_kind`."""
    purchases = tables.events["purchases"]
    asked = purchases.select("customer_id").distinct()
    if customer_ids is not None:
        # A join, not a list in the statement: a chunk of a base has tens of thousands.
        given = ibis.memtable({"customer_id": list(customer_ids)}, schema={"customer_id": "string"})
        asked = asked.semi_join(given, "customer_id")
    spine = asked.mutate(as_of=ibis.date(as_of.year, as_of.month, as_of.day))
    rows = bought_before(purchases, column or item_kind(tables) or "product_id", spine)
    return Baskets.of(tables.connection.to_pandas(rows.drop("as_of")))
