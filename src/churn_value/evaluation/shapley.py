"""What drives a head: additive contributions of the features, one dot per customer, and per group of reasons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from scipy.stats import rankdata

from churn_value.estimators import FloatArray
from churn_value.evaluation.plots import AMBER, BLUE, GRID, INK, QUIET, canvas, dress

SHOWN = 12
MOST_DOTS = 700
LONGEST_LABEL = 46
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low_to_high", [BLUE, "#c9cfd6", AMBER])
SCALE = {"churn": "log-odds of churn", "value": "log of the value"}


class DescribedFeature(Protocol):
    """What a label needs to know of a feature."""

    @property
    def name(self) -> str:
        """Column name."""
        ...

    @property
    def group(self) -> str:
        """Stable code of its group of reasons."""
        ...

    @property
    def en(self) -> str:
        """What it is, in English."""
        ...


def importance(contributions: FloatArray, names: Sequence[str], features: Sequence[DescribedFeature]) -> pd.DataFrame:
    """Mean absolute contribution per feature, the largest first.

    Parameters
    ----------
    contributions
        (n, k + 1) additive contributions on the raw scale, the base last.
    names
        The k columns.
    features
        The catalog's features.

    Returns
    -------
    DataFrame
        Columns feature, group, mean_absolute, mean, text.
    """
    known = {feature.name: feature for feature in features}
    parts = contributions[:, : len(names)]
    table = pd.DataFrame(
        {
            "feature": list(names),
            "group": [known[name].group if name in known else "" for name in names],
            "mean_absolute": np.abs(parts).mean(axis=0),
            "mean": parts.mean(axis=0),
            "text": [known[name].en if name in known else name for name in names],
        }
    )
    return table.sort_values(["mean_absolute", "feature"], ascending=[False, True], ignore_index=True)


def group_importance(
    contributions: FloatArray, names: Sequence[str], features: Sequence[DescribedFeature]
) -> pd.Series:
    """Mean absolute *summed* contribution per group of reasons, the largest first: opposites within a group cancel."""
    group_of = {feature.name: feature.group for feature in features}
    groups = np.array([group_of.get(name, "OTHER") for name in names])
    parts = contributions[:, : len(names)]
    sums = {str(group): float(np.abs(parts[:, groups == group].sum(axis=1)).mean()) for group in np.unique(groups)}
    return pd.Series(sums, dtype=np.float64).sort_values(ascending=False, kind="stable")


def shapley_summary(
    contributions: FloatArray,
    frame: pd.DataFrame,
    features: Sequence[DescribedFeature],
    *,
    names: Sequence[str],
    head: str,
) -> Figure:
    """Swarm of the strongest features, and bars of the groups of reasons.

    Parameters
    ----------
    contributions
        (n, k + 1) additive contributions on the raw scale, the base last.
    frame
        The same n rows, with the features' columns.
    features
        The catalog's features.
    names
        The k columns of the contributions.
    head
        ``churn`` or ``value``.
    """
    figure = canvas((10.4, 5.4))
    swarm, bars = figure.subplots(1, 2, width_ratios=(3, 2))
    rows = np.arange(len(contributions))[:: max(1, -(-len(contributions) // MOST_DOTS))]
    top = importance(contributions, names, features).head(SHOWN)
    place = {name: number for number, name in enumerate(names)}
    for row, feature in enumerate(top["feature"]):
        _dots(swarm, row, contributions[rows, place[feature]], _percentiles(frame[feature].iloc[rows]))
    swarm.axvline(0, color=QUIET, linewidth=0.8)
    # A text cut short would lose its window, so a long one gives way to the column's name.
    labels = [
        text if len(text) <= LONGEST_LABEL else name for name, text in zip(top["feature"], top["text"], strict=True)
    ]
    swarm.set_yticks(np.arange(len(top)), labels)
    swarm.invert_yaxis()
    note = "blue: low values of the feature, orange: high, grey: missing or category"
    dress(swarm, f"What moves the {head} head", f"contribution ({SCALE.get(head, 'raw scale')})", "", note)
    _bars(bars, group_importance(contributions, names, features).head(SHOWN))
    return figure


def _percentiles(column: pd.Series) -> FloatArray | None:
    """Rank of each value within 0 to 1, NaN where missing; None for categories."""
    if not pd.api.types.is_numeric_dtype(column):
        return None
    values = column.to_numpy(dtype=np.float64)
    ranks: FloatArray = rankdata(values, nan_policy="omit")
    return ranks / max(1.0, float(np.nanmax(ranks))) if not np.isnan(values).all() else None


def _dots(axes: Axes, row: int, x: FloatArray, shade: FloatArray | None) -> None:
    """One row of dots, spread where they are dense."""
    y = row + _spread(x)
    known = np.zeros(len(x), dtype=bool) if shade is None else ~np.isnan(shade)
    axes.scatter(x[~known], y[~known], s=6, color="#b8c0c8", linewidths=0)
    if shade is not None and known.any():
        axes.scatter(x[known], y[known], s=6, c=shade[known], cmap=LOW_TO_HIGH, vmin=0, vmax=1, linewidths=0)


def _spread(x: FloatArray) -> FloatArray:
    """Offsets within ±0.38, alternating sides by rank inside each of 80 cells of the range."""
    width = max(float(x.max() - x.min()), 1e-12)
    cell = np.minimum(((x - x.min()) / width * 80).astype(np.int64), 79)
    counts = np.bincount(cell, minlength=80)
    order = np.argsort(cell, kind="stable")
    rank = np.empty(len(x))
    rank[order] = np.arange(len(x)) - np.repeat(np.cumsum(counts) - counts, counts)
    side = np.where(rank % 2 == 0, 1.0, -1.0)
    spread: FloatArray = side * np.ceil(rank / 2) / max(1.0, counts.max() / 2) * 0.38
    return spread


def _bars(axes: Axes, groups: pd.Series) -> None:
    place = np.arange(len(groups))
    axes.barh(place, groups.to_numpy(), 0.62, color=BLUE)
    labels = [str(code).replace("_", " ").capitalize() for code in groups.index]
    axes.set_yticks(place, labels)
    axes.invert_yaxis()
    dress(axes, "By group of reasons", "mean absolute contribution", "")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", labelcolor=INK)
    axes.spines["bottom"].set_color(GRID)
