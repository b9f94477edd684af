"""A first look at features and labels: which columns tell most alone, and how churn moves with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from churn_value.evaluation.leakage import FeatureLike, sample, scores_alone
from churn_value.evaluation.plots import AMBER, BLUE, canvas, dress

TENTHS = 10
MOST_CATEGORIES = 12


def labels_by_date(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows, churn rate and mean value of each as_of.

    Parameters
    ----------
    frame
        ``as_of``, ``fold``, ``churned``, ``value_minor``.

    Returns
    -------
    DataFrame
        Columns as_of, fold, rows, churn_rate (share), mean_value_minor (NaN without value); oldest first.
    """
    return frame.groupby(["as_of", "fold"], as_index=False, observed=True).agg(
        rows=("churned", "size"), churn_rate=("churned", "mean"), mean_value_minor=("value_minor", "mean")
    )


def strongest_alone(frame: pd.DataFrame, features: Sequence[FeatureLike], *, seed: int) -> pd.DataFrame:
    """AUC of each feature alone, learned on half of the customers and judged on the others, the strongest first.

    Returns
    -------
    DataFrame
        Columns feature, source, auc_alone; empty when there are too few churners to judge.
    """
    rows = sample(frame, seed)
    found = scores_alone(rows, features, rows["churned"].to_numpy(dtype=np.float64), seed) or []
    table = pd.DataFrame(
        [(feature.name, feature.source, score) for feature, score in found],
        columns=["feature", "source", "auc_alone"],
    )
    return table.sort_values(["auc_alone", "feature"], ascending=[False, True], ignore_index=True)


def plot_labels(frame: pd.DataFrame, *, currency: str, minor_per_major: int = 100) -> Figure:
    """Churn rate and mean value over the as_of dates."""
    table = labels_by_date(frame)
    figure = canvas((8.4, 3.4))
    rate, value = figure.subplots(1, 2)
    rate.plot(table["as_of"], table["churn_rate"], "-o", color=BLUE, markersize=4)
    rate.set_ylim(0, min(1.0, float(table["churn_rate"].max()) * 1.25))
    rate.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    dress(rate, "Churn rate", "as_of", "")
    value.plot(table["as_of"], table["mean_value_minor"] / minor_per_major, "-o", color=AMBER, markersize=4)
    value.set_ylim(bottom=0)
    dress(value, "Mean value in the horizon", "as_of", currency)
    figure.autofmt_xdate(rotation=30)
    return figure


def plot_churn_by(frame: pd.DataFrame, features: Sequence[FeatureLike]) -> Figure:
    """Churn rate by tenth of each feature, or by category; missing values are the first, pale bar.

    Parameters
    ----------
    frame
        ``churned`` and the features' columns.
    features
        A few features, one panel each.
    """
    figure = canvas((8.4, 2.9 * -(-len(features) // 2)))
    panels = np.atleast_1d(figure.subplots(-(-len(features) // 2), 2)).ravel()
    for axes, feature in zip(panels, features, strict=False):
        labels, rates, rows = _rates(frame[feature.name], frame["churned"], feature.dtype)
        colours = ["#c5ced6" if label == "none" else BLUE for label in labels]
        axes.bar(np.arange(len(rates)), rates, 0.72, color=colours)
        axes.set_xticks(np.arange(len(labels)), labels, rotation=40, ha="right")
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        dress(axes, feature.name, "", "churn rate", f"{rows:,} rows; grey: missing")
        axes.grid(visible=False, axis="x")
    for axes in panels[len(features) :]:
        axes.set_axis_off()
    return figure


def _rates(column: pd.Series, churned: pd.Series, dtype: str) -> tuple[list[str], list[float], int]:
    """Label and churn rate of each cell, cut at tenths."""
    if dtype == "category":
        texts = column.astype(object).where(column.notna(), "none")
        kept = texts.value_counts().index[:MOST_CATEGORIES]
        named = churned.groupby(texts).mean()
        return [str(name) for name in kept], [float(named[name]) for name in kept], len(column)
    values = column.astype("float64")
    edges = np.unique(values.dropna().to_numpy())
    if len(edges) > TENTHS:
        known = values.dropna().to_numpy()
        edges = np.unique(np.quantile(known, np.linspace(0, 1, TENTHS + 1)[:-1], method="lower"))
    place = np.where(values.isna(), 0, np.searchsorted(edges, values, side="right"))
    found = churned.groupby(place).mean()
    labels = ["none" if int(cell) == 0 else f"≥ {edges[int(cell) - 1]:.4g}" for cell in found.index]
    return labels, [float(rate) for rate in found], len(column)
