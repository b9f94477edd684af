"""Drift of features and scores: the population stability index, with what chance alone would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2

from churn_value.errors import TooLittleData

FloatArray = npt.NDArray[np.float64]
BINS = 10
MODERATE, LARGE = 0.10, 0.25
CONFIDENCE = 0.99
# An empty bin is counted as half a row, so that the logarithm stays finite.
HALF_A_ROW = 0.5
COLUMNS = ("name", "psi", "chance", "level", "rows_before", "rows_now", "missing_before", "missing_now")


class FeatureLike(Protocol):
    """What drift needs to know of a feature."""

    @property
    def name(self) -> str:
        """Column of the frame."""
        ...

    @property
    def dtype(self) -> str:
        """``number`` or ``category``."""
        ...


def stability_index(before: FloatArray, now: FloatArray) -> float:
    """Population stability index of two counts over the same bins.

    Parameters
    ----------
    before, now
        (b,) rows per bin; each with at least one row.

    Returns
    -------
    float
        0 for equal shares; never negative. By custom below 0.10 is stable and above 0.25 large.

    Notes
    -----
    ``sum_b (q_b - p_b) ln(q_b / p_b)``, a symmetrised Kullback-Leibler divergence; empty bins count half a row.

    References
    ----------
    Siddiqi (2006), Credit Risk Scorecards, chapter 9.
    """
    p = np.maximum(before, HALF_A_ROW) / before.sum()
    q = np.maximum(now, HALF_A_ROW) / now.sum()
    return float(np.sum((q - p) * np.log(q / p)))


def chance_index(bins: int, rows_before: int, rows_now: int) -> float:
    """Index that 99 of 100 samples of an unchanged population stay below.

    Notes
    -----
    Without drift the index is distributed as ``(1/n + 1/m) chi2(b - 1)``.

    References
    ----------
    Yurdakul (2018), Statistical Properties of Population Stability Index, dissertation 3208, section 3.
    """
    if bins < 2:
        return 0.0
    return float((1 / rows_before + 1 / rows_now) * chi2.ppf(CONFIDENCE, bins - 1))


def level_of(psi: float, chance: float) -> str:
    """``stable``, ``moderate`` or ``large``; what chance explains is stable."""
    if psi <= max(MODERATE, chance):
        return "stable"
    return "large" if psi > LARGE else "moderate"


def feature_drift(before: pd.DataFrame, now: pd.DataFrame, features: Sequence[FeatureLike]) -> pd.DataFrame:
    """Index of each feature between two tables of feature rows, the largest first.

    Parameters
    ----------
    before, now
        Feature rows, one per customer; numbers are cut at the tenths of `before`, missing values are a bin.
    features
        The catalog's features.

    Returns
    -------
    DataFrame
        name, psi, chance, level, rows_before, rows_now, missing_before, missing_now (shares).

    Raises
    ------
    TooLittleData
        When either table is empty.
    """
    if before.empty or now.empty:
        raise TooLittleData("drift needs rows on both sides", received=f"{len(before)} and {len(now)} rows")
    rows = [_drift_of(feature.name, feature.dtype, before[feature.name], now[feature.name]) for feature in features]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values(["psi", "name"], ascending=[False, True], ignore_index=True)


def _drift_of(name: str, dtype: str, before: pd.Series, now: pd.Series) -> tuple[object, ...]:
    first, second = _texts(before, now) if dtype == "category" else _numbers(before, now)
    there = (first + second) > 0
    psi = stability_index(first[there], second[there])
    chance = chance_index(int(there.sum()), len(before), len(now))
    missing = (float(before.isna().mean()), float(now.isna().mean()))
    return (name, psi, chance, level_of(psi, chance), len(before), len(now), *missing)


def _texts(before: pd.Series, now: pd.Series) -> tuple[FloatArray, FloatArray]:
    """Rows per category of both sides, missing last."""
    codes, known = pd.factorize(pd.concat([before, now]).astype(object), sort=False)
    place = np.where(codes < 0, len(known), codes)
    return _counted(place[: len(before)], len(known) + 1), _counted(place[len(before) :], len(known) + 1)


def _numbers(before: pd.Series, now: pd.Series) -> tuple[FloatArray, FloatArray]:
    """Rows per tenth of `before`, missing last; ties are never parted."""
    first, second = before.to_numpy(dtype=np.float64), now.to_numpy(dtype=np.float64)
    known = first[~np.isnan(first)]
    edges = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1], method="lower")) if len(known) else known
    return _binned(first, edges), _binned(second, edges)


def _binned(values: FloatArray, edges: FloatArray) -> FloatArray:
    place = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="left"))
    return _counted(place, len(edges) + 2)


def _counted(place: npt.NDArray[np.int64], bins: int) -> FloatArray:
    return np.bincount(place, minlength=bins).astype(np.float64)


def score_drift(thresholds: Mapping[str, Sequence[float]], rows: int, now: pd.DataFrame) -> pd.DataFrame:
    """Index of each score against the bundle's frozen reference population.

    Parameters
    ----------
    thresholds
        By column of `now`: the 99 numbers that divide the reference into percentiles; empty ones are left out.
    rows
        Customers in the reference population.
    now
        Scores, one row per customer; missing scores are left out.

    Returns
    -------
    DataFrame
        name, psi, chance, level, rows_before, rows_now, missing_before (NaN: not kept), missing_now.
    """
    found = [_against(name, ends, rows, now[name]) for name, ends in thresholds.items() if len(ends) and name in now]
    table = pd.DataFrame(found, columns=list(COLUMNS))
    return table.sort_values(["psi", "name"], ascending=[False, True], ignore_index=True)


def _against(name: str, thresholds: Sequence[float], rows: int, now: pd.Series) -> tuple[object, ...]:
    ends = np.asarray(thresholds, dtype=np.float64)
    values = now.to_numpy(dtype=np.float64)
    known = values[~np.isnan(values)]
    edges = np.unique(ends[9::10])
    # Percentile k is the k-th threshold, so the share at or below an edge is the last threshold equal to it.
    below = np.searchsorted(ends, edges, side="right") / (len(ends) + 1)
    before = np.diff(np.concatenate([[0.0], below, [1.0]])) * rows
    counts = _counted(np.searchsorted(edges, known, side="left"), len(edges) + 1)
    there = (before + counts) > 0
    psi = stability_index(before[there], counts[there]) if len(known) else float("nan")
    chance = chance_index(int(there.sum()), rows, max(1, len(known)))
    return (name, psi, chance, level_of(psi, chance), rows, len(known), float("nan"), float(np.isnan(values).mean()))
