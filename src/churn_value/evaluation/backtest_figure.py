"""The replayed past as one figure: small charts over the dates, the model beside the best baseline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from churn_value.evaluation.plots import BLUE, INK, MUTED, QUIET, canvas, dress
from churn_value.evaluation.replay import Replay

SIZE = (11.0, 6.2)
CHARTS = (
    ("churn_auc", "AUC", None),
    ("churn_log_loss", "Log-loss", None),
    ("churn_calibration_error", "Calibration error", 0.0),
    ("value_normalised_gini", "Normalised Gini of value", None),
    ("value_total_bias", "Predicted over actual total", 1.0),
)


def replay_figure(replay: Replay) -> Figure:
    """Churn rate beside prediction, then each measure by date; ideal values are dashed."""
    frame = replay.frame()
    days = [date.fromisoformat(day) for day in frame["as_of"]]
    charts = [chart for chart in CHARTS if chart[0] in frame]
    figure = canvas(SIZE)
    places = list(figure.subplots(2, 3, squeeze=True).ravel())
    _rates(places[0], days, frame["churn_rate"].tolist(), frame["mean_probability"].tolist())
    for axes, (name, title, ideal) in zip(places[1:], charts, strict=False):
        if ideal is not None:
            axes.axhline(ideal, color=QUIET, linewidth=1, linestyle=(0, (4, 4)))
        if f"best_baseline_{name}" in frame:
            _line(axes, days, frame[f"best_baseline_{name}"].tolist(), MUTED[0], "best baseline")
        _line(axes, days, frame[name].tolist(), BLUE, "model")
        _finish(axes, title)
    for axes in places[1 + len(charts) :]:
        axes.remove()
    return figure


def _rates(axes: Axes, days: Sequence[date], actual: Sequence[float], said: Sequence[float]) -> None:
    _line(axes, days, actual, INK, "happened")
    _line(axes, days, said, BLUE, "predicted")
    _finish(axes, "Churn rate")


def _line(axes: Axes, days: Sequence[date], values: Sequence[float], colour: str, label: str) -> None:
    when = np.asarray(days, dtype="datetime64[D]")
    axes.plot(when, np.asarray(values), color=colour, label=label, marker="o", markersize=4, linewidth=1.8)


def _finish(axes: Axes, title: str) -> None:
    dress(axes, title, "", "")
    locator = AutoDateLocator(minticks=2, maxticks=6)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    if len(axes.get_lines()) > 1:
        axes.legend(fontsize=8, frameon=False, labelcolor=INK)
