"""Next best items: the customer's own rhythm per item, shrunk to the item's, together with what goes with it.

For each customer c and item i the quantities of `TERMS` are computed from the past, and a logistic regression fitted on
an earlier window turns them into P(c buys i within the horizon). It is a table of numbers: JSON, no pickle.

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

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from churn_value.errors import BundleError, TooLittleData
from churn_value.recommendation.baskets import Baskets, Kind
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
CELLS_TO_FIT = 600_000


@dataclass(frozen=True, slots=True)
class Constants:
    """Numbers that are chosen, not fitted; the defaults were chosen on earlier dates than any reported figure."""

    short_half_life_horizons: float = 1.0
    long_half_life_horizons: float = 16.0
    gap_repeats: float = 2.0
    neighbours: int = 30


@dataclass(frozen=True)
class Recommender:
    """A fitted recommender.

    Parameters
    ----------
    kind
        What an item is.
    horizon_days
        Length of the window that the probabilities speak of.
    learned_through
        First day not seen while learning, ISO.
    facts
        Of the items.
    intercept, coefficients
        Of the logistic regression, the latter in the order of `TERMS`.
    """

    kind: Kind
    horizon_days: int
    learned_through: str
    facts: ItemFacts = field(repr=False)
    intercept: float
    coefficients: tuple[float, ...]
    constants: Constants = Constants()

    def scores(self, past: Baskets) -> Iterator[tuple[range, Floats]]:
        """Log-odds that each customer of `past` buys each item within the horizon.

        Yields
        ------
        tuple of range and ndarray
            Places of some customers, and their log-odds, shape (customers, items of the recommender). The bits of a
            row do not depend on the other customers.
        """
        for places, cells in terms(past, self.facts, self.constants, self.horizon_days):
            total = np.full(next(iter(cells.values())).shape, self.intercept)
            for name, coefficient in zip(TERMS, self.coefficients, strict=True):
                total += coefficient * cells[name]
            yield places, total

    def to_json(self) -> bytes:
        """The recommender as JSON."""
        content = {
            "kind": self.kind,
            "horizon_days": self.horizon_days,
            "learned_through": self.learned_through,
            "intercept": self.intercept,
            "coefficients": dict(zip(TERMS, self.coefficients, strict=True)),
            "constants": asdict(self.constants),
            **self.facts.to_json(),
        }
        return json.dumps(content, ensure_ascii=False, allow_nan=False).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Recommender from JSON.

        Raises
        ------
        BundleError
            When the text is not one.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            return cls(
                kind=content["kind"],
                horizon_days=int(content["horizon_days"]),
                learned_through=str(content["learned_through"]),
                facts=ItemFacts.from_json(content),
                intercept=float(content["intercept"]),
                coefficients=tuple(float(content["coefficients"][name]) for name in TERMS),
                constants=Constants(**content["constants"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                "a recommender must be readable", where="recommender.json", received=repr(error)
            ) from None


def learn(
    earlier: Baskets,
    now: Baskets,
    *,
    kind: Kind,
    horizon_days: int,
    learned_through: str,
    constants: Constants = Constants(),
    seed: int = 7,
) -> Recommender:
    """Fit the regression on the last horizon, and take the items' facts as they are now.

    Parameters
    ----------
    earlier
        As known one horizon before `now`.
    now
        As known at the day of learning; its last horizon holds the outcomes.
    seed
        Of the customers that are fitted on where there are many.

    Raises
    ------
    TooLittleData
        ``NOTHING_TO_RECOMMEND`` when nobody who had bought before bought again within the horizon.
    """
    facts = ItemFacts.of(earlier, horizon_days=horizon_days, neighbours=constants.neighbours)
    matrix, bought, weight = _rows_to_fit(
        earlier, now.within(horizon_days), facts, constants, horizon_days=horizon_days, seed=seed
    )
    if not 0 < bought.sum() < len(bought):
        raise TooLittleData(
            "a recommender needs customers who bought again within the last horizon",
            code="NOTHING_TO_RECOMMEND",
            received=f"{int(bought.sum())} purchases among {len(bought)} pairs of customer and item",
            remedy="bring a longer history",
        )
    fitted = LogisticRegression(C=1.0, max_iter=300).fit(matrix, bought, sample_weight=weight)
    return Recommender(
        kind=kind,
        horizon_days=horizon_days,
        learned_through=learned_through,
        facts=ItemFacts.of(now, horizon_days=horizon_days, neighbours=constants.neighbours),
        intercept=float(fitted.intercept_[0]),
        coefficients=tuple(float(one) for one in fitted.coef_[0]),
        constants=constants,
    )


def _rows_to_fit(
    earlier: Baskets, outcome: Baskets, facts: ItemFacts, constants: Constants, *, horizon_days: int, seed: int
) -> tuple[Floats, npt.NDArray[np.bool_], Floats]:
    """Terms, outcomes and weights of pairs of customer and item, for customers who bought within the horizon.

    Every pair with a purchase before or within the horizon is there, of the many others a sample that stands for all.
    """
    chosen = _of_customers(earlier, np.intersect1d(np.array(earlier.customers, dtype=object), _ids(outcome)))
    truth = bought_of(outcome, chosen.customers, facts.items)
    share, rng = min(1.0, CELLS_TO_FIT / max(1, truth.size)), np.random.default_rng(seed)
    matrix, label, weight = [np.empty((0, len(TERMS)))], [np.empty(0, dtype=np.bool_)], [np.empty(0)]
    for places, found in terms(chosen, facts, constants, horizon_days):
        hit = truth[places.start : places.stop]
        told = (found["bought"] > 0) | hit
        kept = told | (rng.random(hit.shape) < share)
        matrix.append(np.stack([found[name][kept] for name in TERMS], axis=1))
        label.append(hit[kept])
        weight.append(np.where(told, 1.0, 1.0 / share)[kept])
    return np.concatenate(matrix), np.concatenate(label), np.concatenate(weight)


def _ids(past: Baskets) -> npt.NDArray[np.object_]:
    return np.array(past.customers, dtype=object)[np.unique(past.customer)]


def _of_customers(past: Baskets, ids: npt.NDArray[np.object_]) -> Baskets:
    """Purchases of some customers, who are then the only ones."""
    place = np.full(len(past.customers), -1, dtype=np.int64)
    at = np.searchsorted(np.array(past.customers, dtype=object), ids)
    place[at] = np.arange(len(ids))
    kept = place[past.customer] >= 0
    cells = (place[past.customer[kept]], past.item[kept], past.age_days[kept], past.lines[kept])
    return Baskets(tuple(ids.tolist()), past.items, *cells)


def bought_of(outcome: Baskets, customers: tuple[str, ...], items: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Whether each customer bought each item in `outcome`; shape (customers, items)."""
    bought = np.zeros((len(customers), len(items)), dtype=np.bool_)
    rows, columns = _places(outcome.customers, customers), _places(outcome.items, items)
    row, column = rows[outcome.customer], columns[outcome.item]
    kept = (row >= 0) & (column >= 0)
    bought[row[kept], column[kept]] = True
    return bought


def _places(names: tuple[str, ...], among: tuple[str, ...]) -> npt.NDArray[np.int64]:
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
        known = _places(past.items, facts.items)
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
