"""A preview as a picture: customers and expected value by tier, before and after."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from churn_value.evaluation.plots import BLUE, INK, MUTED, canvas, dress
from churn_value.monitoring.preview import Preview

WIDE = (9.6, 4.2)
BAR = 0.38


def preview_chart(preview: Preview, title: str, currency: str) -> Figure:
    """Bars by tier, the best at the left; pale before, blue after."""
    figure = canvas(WIDE)
    left, right = figure.subplots(1, 2)
    note = f"{len(preview.movers):,} of {preview.customers:,} customers would move ({preview.moved_share:.1%})"
    dress(left, title, "tier", "customers", note)
    dress(right, "Expected value", "tier", currency, "pale: before, blue: after")
    _bars(left, preview, "customers")
    _bars(right, preview, "expected_value")
    return figure


def _bars(axes: Axes, preview: Preview, quantity: str) -> None:
    places = np.arange(len(preview.tiers))
    for shift, suffix, colour in ((-BAR / 2, "before", MUTED[0]), (BAR / 2, "after", BLUE)):
        axes.bar(places + shift, preview.tiers[f"{quantity}_{suffix}"], BAR, color=colour, label=suffix)
    axes.set_xticks(places, preview.tiers["tier"].tolist(), color=INK)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(visible=False, axis="x")
