"""Which lookback windows suit a company: a ladder from its customers' own rhythm and the horizon."""

from __future__ import annotations

from math import isnan

import ibis
import ibis.expr.types as ir

from churn_value.features.clocks import day_number_of

RUNGS = 5
WEEK_DAYS = 7
YEAR_DAYS = 52 * WEEK_DAYS


def windows_for(median_gap_days: float | None, horizon_days: int) -> tuple[int, ...]:
    """Lookback windows, shortest first.

    Parameters
    ----------
    median_gap_days
        Median days between purchases of a customer; None when unknown.
    horizon_days
        Length of the outcome window, at least 1.

    Returns
    -------
    tuple of int
        Up to five increasing windows [days], one of which is the horizon.

    Notes
    -----
    The shortest holds about two purchases (``2 * median gap``, a third of the horizon when the gap is unknown), but is
    neither below a week nor above the horizon. The longest is a year, or four horizons where that is more. Between them
    the rungs grow by a constant factor. All are rounded to whole weeks, so that each holds every weekday equally often,
    except that the rung nearest to the horizon is the horizon itself: the run-rate baseline is then a feature.

    Examples
    --------
    >>> windows_for(3.0, 28)
    (7, 28, 49, 133, 364)
    >>> windows_for(None, 90)
    (28, 56, 90, 196, 364)
    """
    wanted = horizon_days / 3 if median_gap_days is None else 2 * median_gap_days
    shortest = max(WEEK_DAYS, min(wanted, horizon_days))
    longest = max(YEAR_DAYS, 4 * horizon_days)
    factor = (longest / shortest) ** (1 / (RUNGS - 1))
    rungs = {max(1, round(shortest * factor**step / WEEK_DAYS)) * WEEK_DAYS for step in range(RUNGS)}
    nearest = min(sorted(rungs), key=lambda rung: abs(rung - horizon_days))
    return tuple(sorted(rungs - {nearest} | {horizon_days}))


def median_gap(purchases: ir.Table) -> float | None:
    """Median days between successive purchase days of the same customer; None when nobody bought twice.

    It looks at all of history, later than any as_of too: it chooses the windows of a model once, as a person would, and
    is no feature of anyone.

    Parameters
    ----------
    purchases
        Canonical purchases, on a connected backend: this runs a query.
    """
    bought = purchases.filter(purchases.amount_minor > 0)
    days = bought.select("customer_id", day=day_number_of(bought.event_time)).distinct()
    previous = days.day.lag().over(ibis.window(group_by="customer_id", order_by=days.day))
    median = days.mutate(gap=days.day - previous).gap.median().execute()
    return None if median is None or isnan(median) else float(median)
