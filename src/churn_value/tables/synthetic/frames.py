"""Rows as data frames with the contract's column names: UTC stamps, amounts in major units with two decimals."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.tables.synthetic.lives import CATEGORIES, Ints, Traits
from churn_value.tables.synthetic.parameters import PARAMETERS, PLANS, SOURCES
from churn_value.tables.synthetic.rows import COMPLAINT, KINDS, NEVER, NOON_S, PRODUCTS, SURVEYS, TICKET, Rows

DAY_US = 86_400_000_000
CURRENCY = "USD"
CATEGORY_NAMES = ("grocery", "household", "garden", "toys", "books")
MARGIN_PERCENT = np.array([18, 25, 35, 40, 30])
CHANNELS = ("web", "store", "app")
TOPICS = ("delivery", "quality", "price", "staff")
REGION_NAMES = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
COLOUR_NAMES = ("red", "orange", "yellow", "green", "blue", "violet", "white")
GENDER_NAMES = ("female", "male", "other", None)


def customer_ids(count: int) -> list[str]:
    """Ids of the first so many customers, in order."""
    return [f"C{number:07d}" for number in range(count)]


def words(names: Sequence[str | None], codes: Ints) -> pd.Series:
    """Texts by position in a list."""
    return pd.Series(pd.array(names, dtype="str").take(codes))


def stamps(first_day: int, day: Ints, second: Ints | int = 0) -> pd.Series:
    """UTC stamps of so many days after the world's first; null where the day is `NEVER`."""
    micros = (day + first_day) * DAY_US + np.asarray(second, dtype=np.int64) * 1_000_000
    micros = np.where(day == NEVER, np.iinfo(np.int64).min, micros)
    return pd.Series(micros.view("datetime64[us]")).dt.tz_localize("UTC")


def major(cents: Ints) -> npt.NDArray[np.float64]:
    """Minor units as an amount with two decimals."""
    return np.asarray(cents / 100)


class Tables:
    """Turns rows into frames; ids and texts are looked up, never built row by row.

    Parameters
    ----------
    first_day
        Midnights from 1970-01-01 to the world's first day.
    days
        Length of the span.
    customers
        How many customers there are.
    """

    def __init__(self, first_day: int, days: int, customers: int) -> None:
        self.first_day = first_day
        self.days = days
        self.ids = customer_ids(customers)
        self._day_words = [f"-{day:04d}" for day in range(days)]
        self._products = [f"P{number:03d}" for number in range(PRODUCTS)]

    def _stamped(self, rows: Rows, clock: str = "event_time") -> dict[str, pd.Series]:
        """Columns every event table begins with."""
        return {
            "customer_id": words(self.ids, rows["customer"]),
            clock: stamps(self.first_day, rows["day"], rows["second"]),
        }

    def _known_at(self, rows: Rows) -> pd.Series:
        return stamps(self.first_day, rows["day"] + rows["known_after"], rows["second"])

    def _numbered(self, ids: pd.Series, day: Ints) -> pd.Series:
        """Ids of what happens at most once per customer and day."""
        return ids + words(self._day_words, day)

    def purchases(self, rows: Rows) -> pd.DataFrame:
        """Lines of orders and returns."""
        category = rows["product"] // (PRODUCTS // CATEGORIES)
        columns = self._stamped(rows)
        return pd.DataFrame(
            columns
            | {
                "amount": major(rows["cents"]),
                "order_id": self._numbered(columns["customer_id"], rows["order_day"]),
                "product_id": words(self._products, rows["product"]),
                "category": words(CATEGORY_NAMES, category),
                "quantity": rows["quantity"],
                "margin": major(rows["cents"] * MARGIN_PERCENT[category] // 100),
                "channel": words(CHANNELS, rows["channel"]),
                "currency": words((CURRENCY,), np.zeros_like(category)),
                "known_at": self._known_at(rows),
                "is_return": rows["is_return"].astype(bool),
            }
        )

    def visits(self, rows: Rows) -> pd.DataFrame:
        """Visits of every kind."""
        category = rows["product"] // (PRODUCTS // CATEGORIES)
        columns = self._stamped(rows)
        return pd.DataFrame(
            columns
            | {
                "kind": words(KINDS, rows["kind"]),
                "channel": words(CHANNELS, rows["channel"]),
                "item": words(self._products, rows["product"]),
                "category": words(CATEGORY_NAMES, category),
                "duration_s": rows["duration_s"].astype(np.float64),
                "session_id": self._numbered(columns["customer_id"], rows["day"]),
                "known_at": self._known_at(rows),
            }
        )

    def feedback(self, rows: Rows) -> pd.DataFrame:
        """Surveys, complaints and tickets."""
        kinds = (*(kind for kind, _, _ in SURVEYS), "complaint", "ticket")
        troubled = rows["kind"] >= COMPLAINT
        low, high = (np.array([scale[end] for scale in SURVEYS] + [NEVER, NEVER])[rows["kind"]] for end in (1, 2))
        columns = self._stamped(rows)
        topic = words(TOPICS, rows["topic"])
        return pd.DataFrame(
            columns
            | {
                "kind": words(kinds, rows["kind"]),
                "score": _number(rows["score"]),
                "scale_min": _number(low),
                "scale_max": _number(high),
                "topic": topic,
                "resolved_at": stamps(self.first_day, rows["resolved"], NOON_S),
                "text": ("about " + topic).where(troubled, None),
                "known_at": self._known_at(rows),
            }
        )

    def payments(self, rows: Rows) -> pd.DataFrame:
        """Bills of the orders paid by invoice."""
        return pd.DataFrame(
            {
                "customer_id": words(self.ids, rows["customer"]),
                "due_at": stamps(self.first_day, rows["due"], NOON_S),
                "amount": major(rows["cents"]),
                "paid_at": stamps(self.first_day, rows["paid"], rows["paid_second"]),
                "disputed": rows["disputed"] != NEVER,
                "disputed_at": stamps(self.first_day, rows["disputed"], NOON_S),
                "currency": words((CURRENCY,), np.zeros_like(rows["due"])),
            }
        )

    def contracts(self, rows: Rows) -> pd.DataFrame:
        """Subscriptions."""
        return pd.DataFrame(
            {
                "customer_id": words(self.ids, rows["customer"]),
                "started_at": stamps(self.first_day, rows["started"]),
                "ended_at": stamps(self.first_day, rows["ended"], rows["ended_second"]),
                "plan": words(PLANS, rows["plan"]),
                "price": major(np.array(PARAMETERS.plan_price_minor)[rows["plan"]]),
                "currency": words((CURRENCY,), np.zeros_like(rows["plan"])),
            }
        )

    def customers(self, traits: Traits) -> pd.DataFrame:
        """A row per customer from sign-up on, and one more from the day of a move on."""
        count = len(self.ids)
        moved = np.flatnonzero(traits.move_day < self.days)
        who = np.concatenate([np.arange(count), moved])
        since = np.concatenate([traits.signup_day, traits.move_day[moved]])
        region = np.concatenate([traits.region, traits.region_after[moved]])
        order = np.lexsort((since, who))
        at = who[order]
        return pd.DataFrame(
            {
                "customer_id": words(self.ids, at),
                "signup_at": stamps(self.first_day, traits.signup_day[at]),
                "valid_from": stamps(self.first_day, since[order]),
                "region": words(REGION_NAMES, region[order]),
                "birth_year": traits.birth_year[at],
                "gender": words(GENDER_NAMES, traits.gender[at]),
                "plan": words(PLANS, traits.plan[at]),
                "source": words(SOURCES, traits.source[at]),
                "survey_panel": traits.in_panel[at],
                "pays_by_invoice": traits.by_invoice[at],
                "lucky_number": traits.lucky_number[at],
                "favourite_colour": words(COLOUR_NAMES, traits.favourite_colour[at]),
            }
        )


def _number(values: Ints) -> npt.NDArray[np.float64]:
    return np.where(values == NEVER, np.nan, values.astype(np.float64))


MAKERS: dict[str, Callable[[Tables, Rows], pd.DataFrame]] = {
    "purchases": Tables.purchases,
    "visits": Tables.visits,
    "feedback": Tables.feedback,
    "payments": Tables.payments,
    "contracts": Tables.contracts,
}

__all__ = ["MAKERS", "TICKET", "Tables", "customer_ids", "stamps", "words"]
