"""Habits of a few customers from their events at once, by statements prepared once, as a service needs them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np

from churn_value.features.statements import Asked, Columns, Statements
from churn_value.recommendation.baskets import Baskets, bought_before
from churn_value.recommendation.habits import COLUMNS, columns_wanted, texts_of
from churn_value.recommendation.recommender import Recommender

NOTHING: Columns = {
    "customer_id": np.empty(0, dtype=object),
    "as_of": np.empty(0, dtype="datetime64[D]"),
    "item": np.empty(0, dtype=object),
    "age_days": np.empty(0, dtype=np.int64),
    "lines": np.empty(0, dtype=np.int64),
}


class LiveHabits:
    """Makes the habits of a handful of (customer, as_of), those that `habits.habits` gives of whole tables.

    Parameters
    ----------
    statements
        With a table of purchases; those of the habits are prepared there.
    present
        Columns that the company's purchases really have.
    recommender
        Of the bundle, or None.
    """

    def __init__(self, statements: Statements, present: frozenset[str], recommender: Recommender | None) -> None:
        self._recommender = recommender
        names = statements.schemas["purchases"].names
        self._columns = [name for name in columns_wanted(present, recommender) if name in names]
        for name in self._columns:
            bought = bought_before(statements.table("purchases"), name, statements.spine)
            statements.prepare(f"bought_{name}", bought, ["purchases"])

    def texts(self, answers: Mapping[str, Columns], asked: Asked) -> list[tuple[str | None, ...]]:
        """Habits of the (customer_id, as_of) asked for, in their order: cells of `habits.COLUMNS`.

        Parameters
        ----------
        answers
            Of the statements, for the same `asked`.
        asked
            Each pair once.
        """
        # The same customer may be asked for on two days, so a pair goes by its place.
        places = {pair: str(place) for place, pair in enumerate(asked)}
        seen = {name: _baskets(answers.get(f"bought_{name}", NOTHING), places) for name in self._columns}
        found = texts_of(seen, list(places.values()), self._recommender)
        return list(zip(*(found[name] for name in COLUMNS), strict=True))


def _baskets(bought: Columns, places: Mapping[tuple[str, date], str]) -> Baskets:
    days = bought["as_of"].astype("datetime64[D]").tolist()
    own = [places[pair] for pair in zip(bought["customer_id"].tolist(), days, strict=True)]
    return Baskets.of({**bought, "customer_id": np.array(own, dtype=object)})
