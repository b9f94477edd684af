"""A prediction interval for the amount in the horizon, from the two parts of the hurdle.

The amount of a customer is 0 with the churn probability p, and else ``value_if_retained`` times a ratio whose
distribution is learned from stayers of the calibration fold (out of sample), in groups by ``value_if_retained`` and
interpolated between the groups' centres. Quantiles of the mixture follow::

    Q(u) = 0 for u <= p,  else  value_if_retained * ratio_quantile((u - p) / (1 - p))

At level L a row whose p is below (1 - L) / 2 has the central interval [Q((1 - L) / 2), Q((1 + L) / 2)], any other
[0, Q(L)], which is shorter and holds the mass at 0. Where p exceeds L the interval holds more than L, as any interval
with 0 in it must; and it is widened to the expected value, which very skewed amounts have beyond Q(L).

The conformal step replaces L by the level that reaches L on the calibration rows, group by group: with u the
probability integral transform of an amount (drawn uniformly over the mass at 0, without which rows of sure churners
would be paid for by the others), the score is ``|2 u - 1|`` for central rows and u for the others, and the level is the
``ceil((n + 1) L) / n`` quantile of scores computed on ratios of other customers, drawn to that of all rows as far as
the groups differ by chance only.

References
----------
Vovk, Gammerman & Shafer (2005), Algorithmic Learning in a Random World (split and Mondrian conformal prediction);
Czado, Gneiting & Held (2009), Biometrics 65(4), doi:10.1111/j.1541-0420.2009.01191.x (transform of discrete outcomes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.compiled import compiled
from churn_value.estimators.rows import Rows, customer_folds

QUANTILES = np.linspace(0.0, 1.0, 101)
ROWS_PER_GROUP = 60
MOST_GROUPS = 10
ROWS_PER_LEVEL = 200
MOST_LEVELS = 5
FOLDS = 5


@dataclass(frozen=True)
class Ratios:
    """Distribution of amount / value_if_retained among stayers.

    Attributes
    ----------
    centres
        (g,) log of value_if_retained at the middle of each group, increasing.
    quantiles
        (g, 101) quantiles of the ratio at 0, 0.01, ..., 1.
    """

    centres: FloatArray
    quantiles: FloatArray

    def tables(self, retained_minor: FloatArray) -> FloatArray:
        """Quantiles of each row's ratio, shape (n, 101), between those of the two groups next to it."""
        mixed = np.empty((len(retained_minor), self.quantiles.shape[1]))
        _mix(self.centres, self.quantiles, _logs(retained_minor), mixed)
        return mixed


def _logs(retained_minor: FloatArray) -> FloatArray:
    logs: FloatArray = np.log(np.maximum(retained_minor, 1e-9))
    return logs


@compiled
def _mix(centres: FloatArray, quantiles: FloatArray, places: FloatArray, mixed: FloatArray) -> None:
    for row in range(len(places)):
        below, above, share = _neighbours(centres, places[row])
        for step in range(quantiles.shape[1]):
            mixed[row, step] = (1 - share) * quantiles[below, step] + share * quantiles[above, step]


@compiled
def _neighbours(centres: FloatArray, place: float) -> tuple[int, int, float]:
    """Groups below and above a place, and how far it is on the way between their centres, 0 to 1."""
    last = len(centres) - 1
    above = min(max(int(np.searchsorted(centres, place)), 1), last) if last > 0 else 0
    below = max(above - 1, 0)
    gap = max(centres[above] - centres[below], 1e-12)
    return below, above, min(max((place - centres[below]) / gap, 0.0), 1.0)


def fit_ratios(retained_minor: FloatArray, amount_minor: FloatArray) -> Ratios:
    """Ratios of stayers, in up to 10 groups of at least 60 rows; without a stayer, the ratio is 1."""
    if len(retained_minor) == 0:
        return Ratios(np.zeros(1), np.ones((1, len(QUANTILES))))
    order = np.argsort(retained_minor, kind="stable")
    ratio = amount_minor[order] / np.maximum(retained_minor[order], 1e-9)
    place = np.log(np.maximum(retained_minor[order], 1e-9))
    groups = np.array_split(np.arange(len(order)), int(np.clip(len(order) // ROWS_PER_GROUP, 1, MOST_GROUPS)))
    centres = np.asarray([np.median(place[rows]) for rows in groups])
    return Ratios(centres, np.asarray([np.quantile(ratio[rows], QUANTILES) for rows in groups]))


def _transform(ratio: FloatArray, tables: FloatArray) -> FloatArray:
    """Place 0 to 1 of each row's ratio in its own distribution."""
    steps = len(QUANTILES) - 1
    left = np.clip((tables <= ratio[:, None]).sum(axis=1) - 1, 0, steps - 1)
    rows = np.arange(len(ratio))
    low, high = tables[rows, left], tables[rows, left + 1]
    within = np.clip((ratio - low) / np.maximum(high - low, 1e-12), 0.0, 1.0)
    place: FloatArray = (left + within) / steps
    return place


@dataclass(frozen=True)
class Intervals:
    """Interval of the amount in the horizon.

    Attributes
    ----------
    level
        Nominal share 0 to 1.
    ratios
        Distribution of the ratio among stayers.
    edges_minor
        Expected values that part the groups of `levels`, increasing [minor units].
    levels
        Level used in each group so that `level` is reached, 0 to 1.
    """

    level: float
    ratios: Ratios
    edges_minor: tuple[float, ...]
    levels: tuple[float, ...]

    def bounds(self, churn_probability: FloatArray, retained_minor: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lower and upper end, each (n,) [minor units]; 0 <= lower <= expected <= upper on every row."""
        ends = np.empty((2, len(retained_minor)))
        _ends(churn_probability, retained_minor, _logs(retained_minor), self._learned, ends)
        return ends[0], ends[1]

    @cached_property
    def _learned(self) -> _Learned:
        ratios = self.ratios
        edges, levels = np.asarray(self.edges_minor, np.float64), np.asarray(self.levels, np.float64)
        return _Learned(self.level, ratios.centres, ratios.quantiles, edges, levels)

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return {
            "level": self.level,
            "centres": self.ratios.centres.tolist(),
            "quantiles": self.ratios.quantiles.tolist(),
            "edges_minor": list(self.edges_minor),
            "levels": list(self.levels),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Intervals that `to_json` described."""
        ratios = Ratios(
            np.asarray(content["centres"], dtype=np.float64), np.asarray(content["quantiles"], dtype=np.float64)
        )
        return cls(float(content["level"]), ratios, tuple(content["edges_minor"]), tuple(content["levels"]))


class _Learned(NamedTuple):
    """What `Intervals` holds, as arrays."""

    level: float
    centres: FloatArray
    quantiles: FloatArray
    edges: FloatArray
    levels: FloatArray


@compiled
def _ends(
    churn_probability: FloatArray,
    retained: FloatArray,
    places: FloatArray,
    learned: _Learned,
    ends: FloatArray,
) -> None:
    for row in range(len(retained)):
        p = churn_probability[row]
        expected = (1 - p) * retained[row]
        level = learned.levels[np.searchsorted(learned.edges, expected, side="right")]
        central = p < (1 - learned.level) / 2
        low, high = ((1 - level) / 2, (1 + level) / 2) if central else (0.0, level)
        ends[0, row] = min(retained[row] * _mixture(low, p, places[row], learned), expected)
        ends[1, row] = max(retained[row] * _mixture(high, p, places[row], learned), expected)


@compiled
def _mixture(u: float, churn_probability: float, place: float, learned: _Learned) -> float:
    """Quantile u of the mixture, in multiples of value_if_retained; never negative."""
    among_stayers = (u - churn_probability) / (1 - churn_probability)
    if among_stayers <= 0:
        return 0.0
    below, above, share = _neighbours(learned.centres, place)
    steps = learned.quantiles.shape[1] - 1
    step = min(among_stayers, 1.0) * steps
    left = min(int(step), steps - 1)
    quantiles = learned.quantiles
    from_ = (1 - share) * quantiles[below, left] + share * quantiles[above, left]
    to = (1 - share) * quantiles[below, left + 1] + share * quantiles[above, left + 1]
    ratio: float = from_ + (step - left) * (to - from_)
    return max(ratio, 0.0)


def _held_out_places(rows: Rows, p: FloatArray, retained: FloatArray, seed: int) -> FloatArray:
    """Transform of each amount, its ratio's distribution learned from other customers."""
    fold = customer_folds(rows.customers, FOLDS, seed)
    places = np.empty(len(rows))
    for number in range(FOLDS):
        held = fold == number
        others = ~held & (rows.churned == 0)
        ratios = fit_ratios(retained[others], rows.amount_minor[others])
        ratio = rows.amount_minor[held] / np.maximum(retained[held], 1e-9)
        places[held] = p[held] + (1 - p[held]) * _transform(ratio, ratios.tables(retained[held]))
    left = rows.churned == 1
    places[left] = np.random.default_rng(seed).random(len(rows))[left] * p[left]
    return places


def _level_reached(scores: FloatArray, level: float) -> float:
    """Conformal quantile of the scores."""
    if len(scores) == 0:
        return level
    share = min(1.0, np.ceil((len(scores) + 1) * level) / len(scores))
    return float(np.clip(np.quantile(scores, share, method="inverted_cdf"), 0.0, 1.0))


def shrunk_levels(scores: Sequence[FloatArray], level: float) -> tuple[float, ...]:
    """Level to use in each group, between its own and that of all rows.

    Parameters
    ----------
    scores
        Of each group, (n_g,) each, 0 to 1.
    level
        Nominal share L, 0 to 1.

    Notes
    -----
    The level q of all rows covers c_g of a group, off by d_g = c_g - L. Of that, v_g = L (1 - L) / n_g is expected by
    chance alone, so with t = max(0, mean d^2 - mean v) the group is put right by the share k_g = t / (t + v_g): its
    level covers L + (1 - k_g) d_g of its calibration rows. One group, or groups that are off by chance only, give q.
    With 490 rows in a group its own level is off by 1.8 points from date to date, the shrunk one by less.

    References
    ----------
    Efron & Morris (1975), Journal of the American Statistical Association 70(350), for the estimate of k.
    """
    every = _level_reached(np.concatenate(scores), level)
    off = np.asarray([(group <= every).mean() - level if len(group) else 0.0 for group in scores])
    chance = level * (1 - level) / np.asarray([max(len(group), 1) for group in scores])
    # A conformal rank is rounded up, which among a dozen rows looks like a group that is off; one group is all rows.
    true = max(0.0, float(np.mean(off**2) - np.mean(chance))) if len(scores) > 1 else 0.0
    kept = (1 - true / (true + chance)) * off
    return tuple(
        _level_reached(group, float(np.clip(level + share, 0.0, 1.0))) if true > 0 and len(group) else every
        for group, share in zip(scores, kept, strict=True)
    )


def fit_intervals(
    rows: Rows, churn_probability: FloatArray, retained_minor: FloatArray, *, level: float, seed: int
) -> Intervals:
    """Ratios and levels learned on rows the model has not seen.

    Parameters
    ----------
    rows
        Outcomes; a customer's rows are held out together.
    churn_probability, retained_minor
        (n,) predictions for the same rows.
    level
        Nominal share, 0 to 1.
    seed
        Of the folds and of the draws over the mass at 0.
    """
    places = _held_out_places(rows, churn_probability, retained_minor, seed)
    central = churn_probability < (1 - level) / 2
    scores = np.where(central, np.abs(2 * places - 1), places)
    expected = (1 - churn_probability) * retained_minor
    groups = int(np.clip(len(scores) // ROWS_PER_LEVEL, 1, MOST_LEVELS))
    edges = np.unique(np.quantile(expected, np.arange(1, groups) / groups)) if groups > 1 else np.zeros(0)
    member = np.searchsorted(edges, expected, side="right")
    levels = shrunk_levels([scores[member == group] for group in range(len(edges) + 1)], level)
    stayed = rows.churned == 0
    ratios = fit_ratios(retained_minor[stayed], rows.amount_minor[stayed])
    return Intervals(level, ratios, tuple(edges.tolist()), levels)
