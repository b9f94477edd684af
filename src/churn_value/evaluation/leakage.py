"""How single features are caught knowing the answer: the statistics behind checks CV001, CV002, CV003 and CV008.

Features from event tables see only the past by construction. Attributes (of customers and snapshots) are what somebody
wrote into a table at some time, perhaps after the outcome, so they are held to a stricter measure, and the features
from events serve as the yardstick for what the past can know.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from churn_value.estimators import FloatArray, IntArray
from churn_value.estimators.metrics import auc, spearman

ATTRIBUTE_SOURCES = frozenset({"customers", "snapshots"})
CERTAIN_AUC = 0.99
CERTAIN_AUC_OF_EVENTS = 0.999
NEAR_AUC, NEAR_GAP = 0.96, 0.08
SUSPECT_AUC, SUSPECT_GAP = 0.93, 0.10
CERTAIN_RHO, ERROR_RATIO = 0.98, 3.0
RELATED_RHO = 0.6
FEWEST_OF_CLASS = 20
FEWEST_AMOUNTS = 50
MOST_ROWS = 20_000
MOST_SHUFFLED = 5_000
MOST_CELLS = 64
CHANCE_SE = 3.0


class FeatureLike(Protocol):
    """What the scan needs to know of a feature."""

    @property
    def name(self) -> str:
        """Column of the frame."""
        ...

    @property
    def dtype(self) -> str:
        """``number`` or ``category``."""
        ...

    @property
    def source(self) -> str:
        """Table it comes from."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """A column and how much it knows: an AUC, a rank correlation or a share, 0 to 1."""

    column: str
    score: float


@dataclass(frozen=True, slots=True)
class Scan:
    """Features that certainly know the label, those that might, and the strongest of all."""

    certain: tuple[Finding, ...]
    suspect: tuple[Finding, ...]
    best: Finding


@dataclass(frozen=True, slots=True)
class Excess:
    """Strongest feature on shuffled labels, and what chance allows it."""

    found: Finding
    bound: float


def is_attribute(feature: FeatureLike) -> bool:
    """Whether a feature is something written in a table rather than computed from events."""
    return feature.source in ATTRIBUTE_SOURCES


def sample(frame: pd.DataFrame, seed: int, most: int = MOST_ROWS) -> pd.DataFrame:
    """At most `most` rows, the same for the same seed whatever their order."""
    ordered = frame.sort_values(["as_of", "customer_id"], kind="stable", ignore_index=True)
    if len(ordered) <= most:
        return ordered
    chosen = np.sort(np.random.default_rng(seed).choice(len(ordered), most, replace=False))
    return ordered.iloc[chosen].reset_index(drop=True)


def cells(column: pd.Series, dtype: str) -> IntArray:
    """Cell number of each row: a distinct value, or one of 64 quantile bins; missing is a cell of its own."""
    if dtype == "category":
        return (pd.factorize(column.astype(object), sort=False)[0] + 1).astype(np.int64)
    values = column.to_numpy(dtype=np.float64)
    known = ~np.isnan(values)
    distinct = np.unique(values[known])
    if len(distinct) > MOST_CELLS:
        distinct = np.unique(np.quantile(values[known], np.linspace(0, 1, MOST_CELLS + 1)[:-1], method="lower"))
    return np.where(known, np.searchsorted(distinct, values, side="right"), 0).astype(np.int64)


def _halves(customers: pd.Series, seed: int) -> FloatArray:
    """0.0 or 1.0 for each row, by customer."""
    codes, known = pd.factorize(customers, sort=True)
    side = np.random.default_rng(seed).permutation(len(known)) % 2
    return side[codes].astype(np.float64)


def _learned_auc(cell: IntArray, churned: FloatArray, learn: FloatArray) -> float:
    """AUC on one half of the churn rates per cell learned on the other, shrunk by one row of the base rate."""
    number = int(cell.max()) + 1
    base = float(churned[learn > 0].mean())
    rows = np.bincount(cell, weights=learn, minlength=number)
    rate = (np.bincount(cell, weights=learn * churned, minlength=number) + base) / (rows + 1)
    judge = learn == 0
    return auc(churned[judge], rate[cell[judge]])


def _alone(cell: IntArray, churned: FloatArray, half: FloatArray) -> float:
    """AUC of one feature alone, learned on one half of the customers and judged on the other, both ways."""
    return (_learned_auc(cell, churned, half) + _learned_auc(cell, churned, 1 - half)) / 2


def scores_alone(
    frame: pd.DataFrame, features: Sequence[FeatureLike], churned: FloatArray, seed: int
) -> list[tuple[FeatureLike, float]] | None:
    """AUC of each feature alone, across halves of the customers; None with fewer than 20 of a class in a half."""
    half = _halves(frame["customer_id"], seed)
    classes = [np.sum((half == side) & (churned == outcome)) for side in (0, 1) for outcome in (0, 1)]
    if not features or min(classes) < FEWEST_OF_CLASS:
        return None
    return [(feature, _alone(cells(frame[feature.name], feature.dtype), churned, half)) for feature in features]


def label_copies(frame: pd.DataFrame, features: Sequence[FeatureLike], *, seed: int) -> Scan | None:
    """Features that alone tell who churned.

    Certain is an attribute with AUC alone of at least 0.99, or of at least 0.96 when no other feature comes within
    0.08 of it; a feature from events only with 0.999, since inactivity can honestly tell nearly everything. An
    attribute which together with a feature of the past tells it, as a total written after the outcome does, is certain
    too. Suspect is what stands alone above 0.93.

    Returns
    -------
    Scan or None
        None with fewer than 20 churners or 20 stayers in either half of the customers.
    """
    rows = sample(frame[frame["churned"].notna()], seed)
    churned = rows["churned"].to_numpy(dtype=np.float64)
    scores = scores_alone(rows, features, churned, seed)
    if scores is None:
        return None
    honest = max((score for _, score in scores if score < NEAR_AUC), default=0.5)
    certain = {feature.name: score for feature, score in scores if _is_certain(feature, score, honest)}
    certain |= {f.column: f.score for f in _later_totals(rows, features) if f.column not in certain}
    others = [score for feature, score in scores if feature.name not in certain]
    suspect = [Finding(f.name, s) for f, s in scores if f.name not in certain and _stands_out(s, others)]
    best = max(scores, key=lambda pair: pair[1])
    return Scan(_worst_first(certain), tuple(suspect), Finding(best[0].name, best[1]))


def _is_certain(feature: FeatureLike, score: float, honest: float) -> bool:
    if not is_attribute(feature):
        return score >= CERTAIN_AUC_OF_EVENTS
    return score >= CERTAIN_AUC or (score >= NEAR_AUC and score - honest >= NEAR_GAP)


def _stands_out(score: float, scores: Sequence[float]) -> bool:
    next_best = max((other for other in scores if other < score), default=0.5)
    return score >= SUSPECT_AUC and score - next_best >= SUSPECT_GAP


def _worst_first(scores: dict[str, float]) -> tuple[Finding, ...]:
    return tuple(Finding(name, score) for name, score in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0])))


def shuffled_excess(frame: pd.DataFrame, features: Sequence[FeatureLike], *, seed: int) -> Excess | None:
    """Strongest feature alone on shuffled labels: the proof that the scan itself does not look at what it judges.

    Notes
    -----
    The bound is ``0.5 + (sqrt(2 ln 2k) + 3) se`` with k features and ``se = sqrt((n + 1) / (12 m (n - m)))``, the
    standard error of the AUC of n rows with m churners under the null (Mann & Whitney 1947), taken for half of them.
    """
    rows = sample(frame[frame["churned"].notna()], seed, MOST_SHUFFLED)
    churned = np.random.default_rng(seed).permutation(rows["churned"].to_numpy(dtype=np.float64))
    scores = scores_alone(rows, features, churned, seed)
    if scores is None:
        return None
    churners, n = float(churned.sum()) / 2, len(churned) / 2
    error = np.sqrt((n + 1) / (12 * churners * (n - churners)))
    best = max(scores, key=lambda pair: pair[1])
    bound = 0.5 + (np.sqrt(2 * np.log(2 * len(scores))) + CHANCE_SE) * error
    return Excess(Finding(best[0].name, best[1]), float(bound))


def value_copies(frame: pd.DataFrame, features: Sequence[FeatureLike]) -> tuple[Finding, ...] | None:
    """Attributes that alone tell the outcome's amount far better than anything the past knows.

    An attribute is found when its rank correlation with the amount is at least 0.98 and its distance from 1 is less
    than a third of that of the best feature from events: a flat subscription's price is honest, and so are its spend
    columns; a column written afterwards stands alone. It is also found when, at the newest as_of, it less a sum of the
    past is the amount (correlation of at least 0.98): what a customer spent in all, written after the outcome.

    Returns
    -------
    tuple of Finding or None
        None where there is no amount.
    """
    rows = sample(frame[frame["value_minor"].notna()], 0)
    if len(rows) < FEWEST_AMOUNTS:
        return None
    value = rows["value_minor"].to_numpy(dtype=np.float64)
    numbers = [feature for feature in features if feature.dtype == "number"]
    written = {f.name: _rank_relation(rows[f.name], value) for f in numbers if is_attribute(f)}
    found = dict(_amounts_written_later(rows, numbers))
    if max(written.values(), default=0.0) >= CERTAIN_RHO:
        past = max((_rank_relation(rows[f.name], value) for f in numbers if not is_attribute(f)), default=0.0)
        found |= {name: rho for name, rho in written.items() if _is_written_later(rho, past)}
    return _worst_first(found)


def _amounts_written_later(rows: pd.DataFrame, numbers: Sequence[FeatureLike]) -> Iterator[tuple[str, float]]:
    """Attributes that minus a sum of the past are the outcome's amount: totals written after the outcome."""
    newest = rows[rows["as_of"] == rows["as_of"].max()]
    value = newest["value_minor"].to_numpy(dtype=np.float64)
    if len(newest) < FEWEST_AMOUNTS or not np.ptp(value):
        return
    for one, others in _related(newest, *_written_and_counted(newest, numbers)).items():
        rho = max(_difference_rho(newest, one, other, value) for other in others)
        if rho >= CERTAIN_RHO:
            yield one, rho


def _difference_rho(rows: pd.DataFrame, written: str, counted: str, value: FloatArray) -> float:
    """Correlation of a written total less a counted one with the amounts, in minor or major units."""
    total, past = (rows[name].to_numpy(dtype=np.float64) for name in (written, counted))
    left = [factor * total - past for factor in (1.0, 100.0)]
    return max((float(np.corrcoef(one, value)[0, 1]) for one in left if np.ptp(one) > 0), default=0.0)


def _written_and_counted(rows: pd.DataFrame, numbers: Sequence[FeatureLike]) -> tuple[list[str], list[str]]:
    """Names of varying attributes, and of varying features from events."""
    varying = [f for f in numbers if len(rows[f.name].unique()) > 1]
    return [f.name for f in varying if is_attribute(f)], [f.name for f in varying if not is_attribute(f)]


def _is_written_later(rho: float, past: float) -> bool:
    return rho >= CERTAIN_RHO and 1 - rho < (1 - past) / ERROR_RATIO


def _rank_relation(column: pd.Series, value: FloatArray) -> float:
    """Larger absolute rank correlation of a feature with the amount: of all rows, or of those with an amount."""
    feature = column.to_numpy(dtype=np.float64)
    known = ~np.isnan(feature)
    found = [_rho(feature[rows], value[rows]) for rows in (known, known & (value != 0))]
    return max(found)


def _rho(feature: FloatArray, value: FloatArray) -> float:
    if len(value) < FEWEST_AMOUNTS:
        return 0.0
    rho = abs(spearman(value, feature))
    return 0.0 if np.isnan(rho) else rho


def _later_totals(rows: pd.DataFrame, features: Sequence[FeatureLike]) -> list[Finding]:
    """Attributes that minus a count or sum of the past tell who churned: totals written after the outcome.

    Only the newest as_of is used, where a total drawn from today's tables ends with the outcome window; money in major
    units is tried too.
    """
    newest = rows[rows["as_of"] == rows["as_of"].max()]
    churned = newest["churned"].to_numpy(dtype=np.float64)
    if min(churned.sum(), len(churned) - churned.sum()) < FEWEST_OF_CLASS:
        return []
    numbers = [f for f in features if f.dtype == "number"]
    related = _related(newest, *_written_and_counted(newest, numbers))
    return [
        Finding(one, score)
        for one, others in related.items()
        if (score := max(_difference_auc(newest, one, other, churned) for other in others)) >= CERTAIN_AUC
    ]


def _related(rows: pd.DataFrame, written: list[str], counted: list[str]) -> dict[str, list[str]]:
    """Features of the past that each attribute correlates with, by rank."""
    if not written or not counted:
        return {}
    ours, theirs = _standard_ranks(rows[written]), _standard_ranks(rows[counted])
    rho = ours.T @ theirs / len(rows)
    near = {one: [counted[j] for j in np.flatnonzero(rho[i] > RELATED_RHO)] for i, one in enumerate(written)}
    return {one: others for one, others in near.items() if others}


def _standard_ranks(columns: pd.DataFrame) -> FloatArray:
    filled = columns.to_numpy(dtype=np.float64)
    ranks = rankdata(np.where(np.isnan(filled), -np.inf, filled), axis=0)
    spread = ranks.std(axis=0)
    standard: FloatArray = (ranks - ranks.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return standard


def _difference_auc(rows: pd.DataFrame, written: str, counted: str, churned: FloatArray) -> float:
    total, past = (rows[name].to_numpy(dtype=np.float64) for name in (written, counted))
    known = ~(np.isnan(total) | np.isnan(past))
    if known.sum() < len(rows) / 2:
        return 0.0
    scores = [auc(churned[known], past[known] - factor * total[known]) for factor in (1.0, 100.0)]
    return max(0.0 if np.isnan(score) else score for score in scores)
