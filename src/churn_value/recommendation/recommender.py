"""Next best items: the customer's own rhythm per item, shrunk to the item's, together with what goes with it.

For each customer c and item i the quantities of `terms` are computed from the past, and a logistic regression fitted
on an earlier window turns them into P(c buys i within the horizon). It is a table of numbers: JSON, no pickle.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from churn_value.errors import BundleError, TooLittleData
from churn_value.recommendation.baskets import Baskets, Kind
from churn_value.recommendation.item_facts import Floats, ItemFacts
from churn_value.recommendation.terms import CHOSEN, TERMS, Constants, places_of, terms

CELLS_TO_FIT = 600_000


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
    constants: Constants = CHOSEN

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
    constants: Constants = CHOSEN,
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
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - who recommends needs no part of it

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
    rows, columns = places_of(outcome.customers, customers), places_of(outcome.items, items)
    row, column = rows[outcome.customer], columns[outcome.item]
    kept = (row >= 0) & (column >= 0)
    bought[row[kept], column[kept]] = True
    return bought
