"""What the regression of the recommender sees of each customer and item.

==================  ===================================================================================================
``recent_days``     ``n = Σ 2^(-age / short half-life)`` over the days on which c bought i
``lasting_days``    the same with the long half-life
``recent``          ``ln(1 + recent_days)``
``lasting``         ``ln(1 + lasting_days)``
``bought``          1 when c has ever bought i
``elapsed``         days since c last bought i over the gap expected of c for i, at most 4; 0 when never bought
``overdue``         ``max(elapsed - 1, 0)``: how far beyond the expected gap
``popularity``      ``ln`` of the share of active customers who bought i within the last horizon
``own_popularity``  ``popularity`` where c has bought i, else 0
``alongside``       ``ln(1 + Σ_j lasting_days_cj likeness_ji)`` over other items j: co-purchase
``own_alongside``   ``alongside`` where c has bought i, else 0
``pace``            ``ln(1 + purchase days of c within the last two horizons)``
==================  ===================================================================================================

The gap expected of c for i is ``(κ gap_i + days from first to last purchase) / (κ + purchases - 1)``: the item's
own gap counts like κ repeats, so that a single purchase is read with the item's rhythm and ten with the customer's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from churn_value.recommendation.baskets import Baskets
from churn_value.recommendation.item_facts import Floats, ItemFacts, Pairs

TERMS = (
    "recent_days",
    "lasting_days",
    "recent",
    "lasting",
    "bought",
    "elapsed",
    "overdue",
    "popularity",
    "own_popularity",
    "alongside",
    "own_alongside",
    "pace",
)
MOST_ELAPSED = 4.0
CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Constants:
    """Numbers that are chosen, not fitted; the defaults were chosen on earlier dates than any reported figure."""

    short_half_life_horizons: float = 1.0
    long_half_life_horizons: float = 16.0
    gap_repeats: float = 2.0
    neighbours: int = 30


CHOSEN = Constants()


def places_of(names: tuple[str, ...], among: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """Place of each name among others, -1 where it is not there."""
    known = {name: place for place, name in enumerate(among)}
    return np.array([known.get(name, -1) for name in names], dtype=np.int64)


def terms(
    past: Baskets, facts: ItemFacts, constants: Constants, horizon_days: int
) -> Iterator[tuple[range, dict[str, Floats]]]:
    """Terms of the regression for every customer and item, some customers at a time; arrays (customers, items)."""
    own = _Own.of(past, facts, constants, horizon_days)
    step = max(1, CELLS_AT_ONCE // max(1, len(facts.items)))
    for start in range(0, len(past.customers), step):
        places = range(start, min(start + step, len(past.customers)))
        yield places, own.cells(places)


@dataclass(frozen=True)
class _Own:
    """Terms that a customer's own purchases give, pair by pair, and what they are spread out with."""

    pairs: dict[str, Floats]
    starts: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    weights: sparse.csr_array
    pace: Floats
    facts: ItemFacts

    @classmethod
    def of(cls, past: Baskets, facts: ItemFacts, constants: Constants, horizon_days: int) -> Self:
        known = places_of(past.items, facts.items)
        kept = known[past.item] >= 0
        past = Baskets(
            past.customers,
            facts.items,
            past.customer[kept],
            known[past.item[kept]],
            past.age_days[kept],
            past.lines[kept],
        )
        pairs = Pairs.of(past)
        short, long = (
            _decayed(past, pairs, half_life * horizon_days)
            for half_life in (constants.short_half_life_horizons, constants.long_half_life_horizons)
        )
        kappa = constants.gap_repeats
        gap = (kappa * facts.gap_days[pairs.item] + pairs.oldest - pairs.newest) / (kappa + pairs.days - 1)
        elapsed = np.minimum(pairs.newest / gap, MOST_ELAPSED)
        cells = {
            "recent": np.log1p(short),
            "lasting": np.log1p(long),
            "recent_days": short,
            "lasting_days": long,
            "bought": np.ones(len(short)),
            "elapsed": elapsed,
            "overdue": np.maximum(elapsed - 1, 0.0),
        }
        shape = (len(past.customers), len(facts.items))
        weights = sparse.csr_array((long, (pairs.customer, pairs.item)), shape=shape)
        starts = np.searchsorted(pairs.customer, np.arange(len(past.customers) + 1))
        return cls(cells, starts, pairs.item, weights, _pace(past, 2 * horizon_days), facts)

    def cells(self, places: range) -> dict[str, Floats]:
        shape = (len(places), len(self.facts.items))
        begin, end = self.starts[places.start], self.starts[places.stop]
        row = np.repeat(np.arange(len(places)), np.diff(self.starts[places.start : places.stop + 1]))
        found = {}
        for name, values in self.pairs.items():
            found[name] = np.zeros(shape)
            found[name][row, self.item[begin:end]] = values[begin:end]
        beside = self.weights[places.start : places.stop] @ self.facts.likeness
        found["popularity"] = np.broadcast_to(np.log(self.facts.popularity), shape)
        found["alongside"] = np.log1p(beside.toarray())
        found["pace"] = np.broadcast_to(self.pace[places.start : places.stop, None], shape)
        for name in ("popularity", "alongside"):
            found[f"own_{name}"] = found["bought"] * found[name]
        return found


def _decayed(past: Baskets, pairs: Pairs, half_life_days: float) -> Floats:
    """``Σ 2^(-age / half-life)`` over each pair's purchase days."""
    if not len(pairs.starts):
        return np.empty(0)
    return np.asarray(np.add.reduceat(2.0 ** (-past.age_days / half_life_days), pairs.starts))


def _pace(past: Baskets, days: int) -> Floats:
    """``ln(1 + purchase days)`` of each customer within the last `days`."""
    recent = past.within(days)
    both = np.unique(np.stack([recent.customer, recent.age_days]), axis=1)
    return np.log1p(np.bincount(both[0], minlength=len(past.customers)).astype(np.float64))
