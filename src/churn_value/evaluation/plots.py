"""Figures of an evaluation, in one quiet style, drawn without pyplot's global state.

Systems keep their colour everywhere: the model blue, the champion violet, baselines in muted tones.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from churn_value.estimators import FloatArray
from churn_value.estimators.metrics import decile_table
from churn_value.evaluation.results import CHAMPION, MODEL
from churn_value.evaluation.systems import named

INK, QUIET, GRID = "#22303c", "#7b8794", "#e4e9ee"
BLUE, VIOLET, AMBER = "#1f6fb2", "#7d54b3", "#e08a2c"
MUTED = ("#8fa3b5", "#b58f6b", "#7fae9b", "#b0849b", "#9aa06b")
SIZE = (6.4, 4.2)
DPI = 120
BINS = 10


def canvas(size: tuple[float, float] = SIZE) -> Figure:
    """Empty figure of a size in inches."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def dress(axes: Axes, title: str, x: str, y: str, note: str = "") -> None:
    """Title at the left, quiet axes, a grid behind."""
    axes.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=18 if note else 8)
    if note:
        axes.text(0, 1.015, note, transform=axes.transAxes, fontsize=8.5, color=QUIET, va="bottom")
    axes.set_xlabel(x, fontsize=9, color=QUIET)
    axes.set_ylabel(y, fontsize=9, color=QUIET)
    axes.tick_params(labelsize=8.5, colors=QUIET, length=0)
    axes.grid(visible=True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(GRID)


def _legend(axes: Axes, place: Literal["upper left", "upper right", "lower right"]) -> None:
    axes.legend(loc=place, fontsize=8.5, frameon=False, labelcolor=INK)


def _colours(systems: Sequence[str]) -> dict[str, str]:
    others = [name for name in systems if name not in {MODEL, CHAMPION}]
    muted = {name: MUTED[place % len(MUTED)] for place, name in enumerate(others)}
    return {MODEL: BLUE, CHAMPION: VIOLET, **muted}


def png(figure: Figure) -> bytes:
    """The figure as PNG; equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def save(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(figure))
    return path


def calibration(churned: FloatArray, probabilities: Mapping[str, FloatArray]) -> Figure:
    """Observed churn rate against predicted probability, in ten groups of equal size, with the model's histogram.

    Parameters
    ----------
    churned
        (n,) 0 or 1.
    probabilities
        System: (n,) predicted probabilities; ``model`` must be among them.
    """
    figure = canvas((6.4, 5.2))
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    top = max(0.05, float(max(p.max() for p in probabilities.values())))
    curve.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 4)))
    colours = _colours(list(probabilities))
    for name in reversed(list(probabilities)):
        said, seen, rows = _reliability(churned, probabilities[name])
        width = 2.2 if name == MODEL else 1.2
        curve.plot(said, seen, "-o", color=colours[name], linewidth=width, markersize=2 + width, label=named(name))
        if name == MODEL:
            margin = 1.96 * np.sqrt(np.maximum(seen * (1 - seen), 1e-9) / rows)
            curve.fill_between(said, seen - margin, seen + margin, color=BLUE, alpha=0.13, linewidth=0)
    curve.set(xlim=(0, min(1.0, top * 1.04)), ylim=(0, min(1.0, top * 1.12)))
    dress(curve, "Calibration", "", "observed churn rate", "dashed: what is said is what happens; band: 95 %")
    curve.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    curve.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    handles, labels = curve.get_legend_handles_labels()
    curve.legend(handles[::-1], labels[::-1], loc="upper left", fontsize=8.5, frameon=False, labelcolor=INK)
    counts.hist(probabilities[MODEL], bins=40, range=(0, 1), color=BLUE, alpha=0.55)
    dress(counts, "", "predicted churn probability", "customers")
    return figure


def _reliability(churned: FloatArray, probability: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean probability, churn rate and rows of each tenth; ties are never parted."""
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, probability, side="left")
    rows = np.bincount(place).astype(np.float64)
    there = rows > 0
    said, seen = np.bincount(place, weights=probability), np.bincount(place, weights=churned)
    return said[there] / rows[there], seen[there] / rows[there], rows[there]


def gain(actual: FloatArray, predictions: Mapping[str, FloatArray], *, of: str = "churners") -> Figure:
    """Share of churners, or of value, reached when customers are taken in the order of each system's ranking.

    Parameters
    ----------
    actual
        (n,) 0 or 1, or amounts.
    predictions
        System: (n,) predictions.
    of
        What is being reached, for the axis.
    """
    figure = canvas()
    reached, lift = figure.subplots(1, 2, width_ratios=(3, 2))
    colours = _colours(list(predictions))
    for name, predicted in predictions.items():
        x, y = _gain_curve(actual, predicted)
        width = 2.4 if name == MODEL else 1.2
        reached.plot(x, y, color=colours[name], linewidth=width, label=named(name), zorder=3 if name == MODEL else 2)
        tenths = np.interp(np.linspace(0.1, 1, 10), x, y) / np.linspace(0.1, 1, 10)
        lift.plot(np.arange(10, 101, 10), tenths, "-", color=colours[name], linewidth=width)
    reached.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (4, 4)))
    lift.axhline(1, color=QUIET, linewidth=1, linestyle=(0, (4, 4)))
    reached.set(xlim=(0, 1), ylim=(0, 1.02))
    dress(reached, f"Gain: {of} reached", "share of customers contacted", f"share of {of}", "dashed: at random")
    dress(lift, "Lift", "best % of customers", f"times the average rate of {of}")
    for axis in (reached.xaxis, reached.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    _legend(reached, "lower right")
    return figure


def _gain_curve(actual: FloatArray, predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share of rows and share of the total, ties crossed in a straight line."""
    order = np.argsort(-predicted, kind="stable")
    last = np.append(np.diff(predicted[order]) != 0, True)
    total = max(float(actual.sum()), 1e-12)
    y = np.cumsum(actual[order])[last] / total
    x = (np.flatnonzero(last) + 1) / len(actual)
    return np.concatenate([[0.0], x]), np.concatenate([[0.0], y])


def value_deciles(actual: FloatArray, predicted: FloatArray, *, currency: str, minor_per_major: int = 100) -> Figure:
    """Mean predicted and mean actual value of ten equal groups by prediction, lowest first.

    Parameters
    ----------
    actual, predicted
        (n,) amounts [minor units].
    currency
        For the axis.
    minor_per_major
        Minor units in one major unit.
    """
    said, seen = decile_table(actual, predicted)
    figure = canvas()
    axes = figure.subplots()
    place = np.arange(1, len(said) + 1)
    axes.bar(place - 0.2, said / minor_per_major, 0.38, color=BLUE, label="predicted")
    axes.bar(place + 0.2, seen / minor_per_major, 0.38, color=AMBER, label="actual")
    axes.set_xticks(place)
    note = f"total predicted / actual = {predicted.sum() / actual.sum():.3f}" if actual.sum() > 0 else ""
    dress(axes, "Value by decile", "decile of predicted value, lowest first", f"mean value ({currency})", note)
    axes.grid(visible=False, axis="x")
    _legend(axes, "upper left")
    return figure


def tiers(counts: Mapping[str, int], value_at_risk: Mapping[str, float] | None = None) -> Figure:
    """Customers per tier, in the order given, and the share of the value at risk each tier holds.

    Parameters
    ----------
    counts
        Tier code: customers; the best tier first.
    value_at_risk
        Tier code: sum of the value at risk, any unit.
    """
    figure = canvas((6.4, 0.9 + 0.5 * max(3, len(counts))))
    axes = figure.subplots()
    names, numbers = list(counts), np.array(list(counts.values()), dtype=np.float64)
    shades = [(0.12 + 0.6 * step, 0.44 + 0.35 * step, 0.70 + 0.18 * step) for step in np.linspace(0, 1, len(names))]
    axes.barh(np.arange(len(names)), numbers, 0.62, color=shades)
    total, risk = max(numbers.sum(), 1.0), sum((value_at_risk or {}).values())
    for row, name in enumerate(names):
        text = f"{int(numbers[row]):,}  ({numbers[row] / total:.1%})"
        if value_at_risk and risk > 0:
            text += f"   {value_at_risk.get(name, 0.0) / risk:.0%} of value at risk"
        axes.text(numbers[row] + numbers.max() * 0.012, row, text, va="center", fontsize=8.5, color=INK)
    axes.set_yticks(np.arange(len(names)), names)
    axes.set(xlim=(0, max(numbers.max(), 1) * 1.55))
    axes.invert_yaxis()
    dress(axes, "Customers by tier", "customers", "")
    axes.grid(visible=False, axis="y")
    return figure


def search_history(trials: pd.DataFrame, *, head: str) -> Figure:
    """Loss of each trial of a search, and the best so far.

    Parameters
    ----------
    trials
        Columns ``number`` and ``loss`` (or Optuna's ``value``); trials without a loss are left out.
    head
        ``churn`` or ``value``.
    """
    column = "loss" if "loss" in trials.columns else "value"
    done = trials.dropna(subset=[column]).sort_values("number")
    figure = canvas((6.4, 3.4))
    axes = figure.subplots()
    axes.scatter(done["number"], done[column], s=22, color=MUTED[0], label="trial")
    axes.step(done["number"], done[column].cummin(), where="post", color=BLUE, linewidth=2, label="best so far")
    dress(axes, f"Search for the {head} head", "trial", "validation loss", f"{len(done)} trials; lower is better")
    _legend(axes, "upper right")
    return figure
