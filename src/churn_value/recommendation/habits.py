"""Habits of each customer as of a date: preferred categories and channels with shares, and next best items.

A habits table has one row per customer and its cells are JSON texts, so that it passes through Parquet and the feature
store as it is. A null cell means *not known* (the tables have no such column), an empty list that nothing was found.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd

from churn_value.recommendation.baskets import Baskets, baskets
from churn_value.recommendation.item_facts import Pairs
from churn_value.recommendation.ranking import top_places
from churn_value.recommendation.recommender import Recommender
from churn_value.tables.load import Tables

COLUMNS = ("categories", "channels", "next_best")
PREFIX = "habits__"
MOST_SHOWN = 5
NEXT_SHOWN = 5
_SHARE_DIGITS = 4


def shares_of(past: Baskets) -> dict[str, str]:
    """By customer, the items with most lines and their share of all lines, largest first, as JSON.

    ``share = lines of the item / lines of all items``, 0 to 1; of equals the first by name.
    """
    pairs = Pairs.of(past)
    if not len(pairs.starts):
        return {}
    lines = np.add.reduceat(past.lines, pairs.starts)
    total = np.bincount(pairs.customer, weights=lines)
    order = np.lexsort((pairs.item, -lines, pairs.customer))
    found: dict[str, list[tuple[str, float]]] = {}
    for customer, item, count in zip(
        pairs.customer[order].tolist(), pairs.item[order].tolist(), lines[order].tolist(), strict=True
    ):
        own = found.setdefault(past.customers[customer], [])
        if len(own) < MOST_SHOWN:
            own.append((past.items[item], round(count / total[customer], _SHARE_DIGITS)))
    return {customer: json.dumps(own, ensure_ascii=False) for customer, own in found.items()}


def next_best(recommender: Recommender, past: Baskets) -> dict[str, str]:
    """By customer, the likeliest items: name, probability within the horizon, and whether bought before; as JSON."""
    bought = set(zip(past.customer.tolist(), past.item.tolist(), strict=True))
    place = {name: at for at, name in enumerate(past.items)}
    items, found = recommender.facts.items, {}
    for places, scores in recommender.scores(past):
        ranked = top_places(scores, NEXT_SHOWN)
        chances = 1 / (1 + np.exp(-np.take_along_axis(scores, ranked, axis=1)))
        for customer, row, chance in zip(places, ranked.tolist(), chances.tolist(), strict=True):
            found[past.customers[customer]] = json.dumps(
                [
                    (items[one], round(p, _SHARE_DIGITS), (customer, place.get(items[one], -1)) in bought)
                    for one, p in zip(row, chance, strict=True)
                ],
                ensure_ascii=False,
            )
    return found


def habits(
    tables: Tables, as_of: date, *, customer_ids: Sequence[str], recommender: Recommender | None = None
) -> pd.DataFrame:
    """Habits table of customers, from what was known before `as_of` by the same law of time as features.

    Parameters
    ----------
    tables
        Accepted rows.
    as_of
        Date whose past is seen.
    customer_ids
        Whose habits; one row each, in this order.
    recommender
        For `next_best`; without it that column is null.

    Returns
    -------
    DataFrame
        ``customer_id`` and `COLUMNS`.
    """
    present = tables.present.get("purchases", frozenset())
    wanted = columns_wanted(present, recommender)
    seen = {name: baskets(tables, as_of, column=name, customer_ids=customer_ids) for name in wanted}
    columns = {"customer_id": list(customer_ids), **texts_of(seen, customer_ids, recommender)}
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in columns.items()})


def columns_wanted(present: Collection[str], recommender: Recommender | None) -> list[str]:
    """Columns of purchases that habits are read from."""
    asked = ("category", "channel", *(() if recommender is None else (recommender.kind,)))
    return [name for name in dict.fromkeys(asked) if name in present]


def texts_of(
    seen: Mapping[str, Baskets], customer_ids: Sequence[str], recommender: Recommender | None
) -> dict[str, list[str | None]]:
    """Cells of `COLUMNS` from baskets by column of purchases; a column without baskets is not known."""
    found: dict[str, dict[str, str] | None] = dict.fromkeys(COLUMNS)
    for name, column in (("categories", "category"), ("channels", "channel")):
        found[name] = shares_of(seen[column]) if column in seen else None
    if recommender is not None and recommender.kind in seen:
        found["next_best"] = next_best(recommender, seen[recommender.kind])
    return {
        name: [None if cells is None else cells.get(customer, "[]") for customer in customer_ids]
        for name, cells in found.items()
    }


def with_habits(features: pd.DataFrame, tables: Tables, as_of: date, recommender: Recommender | None) -> pd.DataFrame:
    """Feature rows of one date with their customers' habits beside them, under the prefix `PREFIX`.

    They ride on the feature rows so that a stored row gives the service the same portrait as the batch; models never
    see them. Without purchases the rows come back as they are.
    """
    if "purchases" not in tables.events:
        return features
    found = habits(tables, as_of, customer_ids=features["customer_id"].tolist(), recommender=recommender)
    return pd.concat([features, found[list(COLUMNS)].add_prefix(PREFIX).set_axis(features.index)], axis=1)
