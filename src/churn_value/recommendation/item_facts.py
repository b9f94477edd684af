"""What is known of the items themselves: how usual they are, their rhythm, and what goes with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from churn_value.recommendation.baskets import Baskets

Floats = npt.NDArray[np.float64]
# A gap of nobody: purchases of an item that no one has bought on two days are taken to be this many horizons apart.
UNKNOWN_GAP_HORIZONS = 4.0


@dataclass(frozen=True, slots=True)
class ItemFacts:
    """Facts of each item, in the order of `items`.

    Parameters
    ----------
    items
        Names, ascending.
    popularity
        Share of the customers active within the last horizon who bought it then, above 0; shape (k,).
    gap_days
        Typical days between purchase days of a customer who buys it again; shape (k,).
    likeness
        Cosine similarity over customers, the nearest neighbours of each item only, without itself; sparse (k, k).
        Row j holds what goes with j.
    """

    items: tuple[str, ...]
    popularity: Floats
    gap_days: Floats
    likeness: sparse.csr_array

    @classmethod
    def of(cls, past: Baskets, *, horizon_days: int, neighbours: int) -> Self:
        """Facts from who bought what.

        Notes
        -----
        ``popularity_i = (buyers_i + 1/2) / (active + 1)`` within the last horizon. ``gap_i = (spans_i + gap) /
        (repeats_i + 1)``: days from first to last purchase over repeats, summed over customers, with one repeat at the
        gap of all items added. ``likeness_ij = n_ij / sqrt(n_i n_j)`` with n the numbers of customers who bought.
        """
        count = len(past.items)
        recent = past.within(horizon_days)
        buyers = np.asarray(_incidence(recent).sum(axis=0)).ravel()
        active = len(np.unique(recent.customer))
        return cls(
            past.items,
            (buyers + 0.5) / (active + 1),
            _gaps(past, count, horizon_days),
            _likeness(_incidence(past), neighbours),
        )

    def to_json(self) -> dict[str, Any]:
        """The facts as JSON values."""
        rows = [
            [[int(place), float(value)] for place, value in zip(row.indices, row.data, strict=True)]
            for row in (self.likeness[[at]] for at in range(len(self.items)))
        ]
        return {
            "items": list(self.items),
            "popularity": self.popularity.tolist(),
            "gap_days": self.gap_days.tolist(),
            "likeness": rows,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Facts from JSON values.

        Raises
        ------
        KeyError, TypeError, ValueError
            When they are not of this form.
        """
        rows = content["likeness"]
        count = len(content["items"])
        places = np.array([place for row in rows for place, _ in row], dtype=np.int64)
        values = np.array([value for row in rows for _, value in row], dtype=np.float64)
        ends = np.cumsum([0, *(len(row) for row in rows)])
        likeness = sparse.csr_array((values, places, ends), shape=(count, count))
        popularity, gaps = (np.asarray(content[name], dtype=np.float64) for name in ("popularity", "gap_days"))
        if not len(rows) == len(popularity) == len(gaps) == count or not np.all((popularity > 0) & (gaps > 0)):
            msg = "every item has a popularity and a gap above 0, and neighbours"
            raise ValueError(msg)
        return cls(tuple(map(str, content["items"])), popularity, gaps, likeness)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Purchases reduced to (customer, item) pairs, sorted by customer, then item; arrays of shape (pairs,)."""

    customer: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    days: Floats
    """Distinct purchase days."""
    newest: Floats
    """Age of the last purchase [days]."""
    oldest: Floats
    """Age of the first purchase [days]."""
    starts: npt.NDArray[np.int64]
    """First purchase of each pair."""

    @classmethod
    def of(cls, past: Baskets) -> Self:
        """Pairs of sorted purchases."""
        if not len(past.customer):
            nothing, none = np.empty(0), np.empty(0, dtype=np.int64)
            return cls(none, none, nothing, nothing, nothing, none)
        changed = (np.diff(past.customer) != 0) | (np.diff(past.item) != 0)
        starts = np.concatenate([[0], np.flatnonzero(changed) + 1])
        ends = np.concatenate([starts[1:], [len(past.customer)]])
        ages = past.age_days.astype(np.float64)
        return cls(
            past.customer[starts],
            past.item[starts],
            (ends - starts).astype(np.float64),
            ages[ends - 1],
            ages[starts],
            starts,
        )


def _incidence(past: Baskets) -> sparse.csr_array:
    """1 where a customer has bought an item; sparse (customers, items)."""
    pairs = Pairs.of(past)
    shape = (len(past.customers), len(past.items))
    return sparse.csr_array((np.ones(len(pairs.item)), (pairs.customer, pairs.item)), shape=shape)


def _gaps(past: Baskets, count: int, horizon_days: int) -> Floats:
    pairs = Pairs.of(past)
    spans = np.bincount(pairs.item, weights=pairs.oldest - pairs.newest, minlength=count)
    repeats = np.bincount(pairs.item, weights=pairs.days - 1, minlength=count)
    usual = spans.sum() / repeats.sum() if repeats.sum() > 0 else UNKNOWN_GAP_HORIZONS * horizon_days
    return np.asarray((spans + usual) / (repeats + 1))


def _likeness(bought: sparse.csr_array, neighbours: int) -> sparse.csr_array:
    """Cosine similarity of the items' columns, the `neighbours` largest of each row; ties by place."""
    together = (bought.T @ bought).tocsr()
    sizes = np.maximum(np.sqrt(together.diagonal()), 1.0)
    rows, places, values = [], [], []
    for item in range(together.shape[0]):
        begin, end = together.indptr[item], together.indptr[item + 1]
        other = together.indices[begin:end]
        like = together.data[begin:end] / (sizes[item] * sizes[other])
        like = np.where(other == item, 0.0, like)
        best = np.lexsort((other, -like))[:neighbours]
        best = np.sort(best[like[best] > 0])
        best = best[np.argsort(other[best])]
        rows.append(len(best))
        places.append(other[best])
        values.append(like[best])
    data = (np.concatenate(values), np.concatenate(places), np.cumsum([0, *rows])) if rows else ([], [], [0])
    return sparse.csr_array(data, shape=together.shape)
