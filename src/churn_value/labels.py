"""What happened in the outcome window: churn and value. A window not yet complete gives null, never 0.

With ``as_of`` 2025-07-01 and a horizon of 90 days, a purchase at 2025-07-01 00:00 or 2025-09-28 23:59 UTC is in the
window; one at 2025-06-30 23:59:59 or at 2025-09-29 00:00 is not. A refund on 2025-07-03 of a June purchase lowers the
value (``by_return_date``): the label is net of returns.

This is the only module that looks at or after an as_of. What counts as buying is the features' own rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir

from churn_value.config import ChurnDefinition
from churn_value.features.clocks import day_number_of
from churn_value.features.purchases import is_bought

SPINE_KEYS = ("customer_id", "as_of")


def _in_window(events: ir.Table, clock: str, spine: ir.Table, horizon_days: int) -> ir.Table:
    """Events of each spine row's outcome window ``[as_of, as_of + horizon)``."""
    joined = spine.select(*SPINE_KEYS).join(events, "customer_id")
    start = day_number_of(joined.as_of)
    day = day_number_of(joined[clock])
    return joined.filter(day >= start, day < start + horizon_days)


def _happened(events: ir.Table, clock: str, spine: ir.Table, horizon_days: int) -> ir.Table:
    """Spine rows with at least one event in their window."""
    return _in_window(events, clock, spine, horizon_days).select(*SPINE_KEYS).distinct()


def _ended_contracts(contracts: ir.Table, spine: ir.Table, horizon_days: int) -> ir.Table:
    """Spine rows that had a contract at as_of and have none at the end of their window."""
    joined = spine.select(*SPINE_KEYS).join(contracts, "customer_id")
    start = day_number_of(joined.as_of)
    began = day_number_of(joined.started_at)
    ended = ibis.coalesce(day_number_of(joined.ended_at), ibis.literal(10**9, "int64"))
    end = start + horizon_days
    flags = joined.select(
        *SPINE_KEYS,
        at_start=((began < start) & (ended >= start)).cast("int64"),
        at_end=((began < end) & (ended >= end)).cast("int64"),
    )
    counts = flags.group_by(SPINE_KEYS).aggregate(at_start=flags.at_start.sum(), at_end=flags.at_end.sum())
    return counts.filter(counts.at_start > 0, counts.at_end == 0).select(*SPINE_KEYS)


def _churned(
    definition: ChurnDefinition, events: Mapping[str, ir.Table], spine: ir.Table, horizon_days: int
) -> ir.Table:
    """Spine rows with ``churned`` 0 or 1, as if every window were complete."""
    if definition == "contract_end":
        marked, when_marked = _ended_contracts(events["contracts"], spine, horizon_days), 1
    elif definition == "no_visit":
        marked, when_marked = _happened(events["visits"], "event_time", spine, horizon_days), 0
    else:
        bought = events["purchases"].filter(is_bought(events["purchases"]))
        marked, when_marked = _happened(bought, "event_time", spine, horizon_days), 0
    flag = marked.mutate(churned=ibis.literal(when_marked, "int8"))
    joined = spine.select(*SPINE_KEYS).left_join(flag, SPINE_KEYS)
    return joined.select(*SPINE_KEYS, churned=joined.churned.fill_null(1 - when_marked))


def _value(purchases: ir.Table | None, spine: ir.Table, horizon_days: int) -> ir.Table:
    """Spine rows with ``value_minor``: net amount of the window, returns subtracted; null without purchases."""
    if purchases is None:
        return spine.select(*SPINE_KEYS, value_minor=ibis.null("int64"))
    window = _in_window(purchases, "event_time", spine, horizon_days)
    sums = window.group_by(SPINE_KEYS).aggregate(value_minor=window.amount_minor.sum().cast("int64"))
    joined = spine.select(*SPINE_KEYS).left_join(sums, SPINE_KEYS)
    return joined.select(*SPINE_KEYS, value_minor=joined.value_minor.fill_null(0))


def labels(
    events: Mapping[str, ir.Table],
    spine: ir.Table,
    *,
    definition: ChurnDefinition,
    horizon_days: int,
    observed_through: date,
) -> ir.Table:
    """Churn and value over each spine row's outcome window.

    Parameters
    ----------
    events
        Canonical tables by name; those the definition needs, and ``purchases`` for the value.
    spine
        ``customer_id`` string, ``as_of`` date; one row per prediction.
    definition
        ``no_purchase``: nothing bought in the window. ``no_visit``: no visit. ``contract_end``: a contract ran at
        as_of and none runs at the window's end. ``label``: read from the snapshots, not computed here.
    horizon_days
        Length of the window, at least 1.
    observed_through
        First day not observed.

    Returns
    -------
    ir.Table
        ``customer_id``, ``as_of``, ``churned`` (int8 0 or 1), ``value_minor`` (int64, net of returns, may be
        negative); both null where ``as_of + horizon > observed_through``.
    """
    churned = _churned(definition, events, spine, horizon_days)
    value = _value(events.get("purchases"), spine, horizon_days)
    both = churned.inner_join(value, SPINE_KEYS)
    end = day_number_of(both.as_of) + horizon_days
    complete = end <= ibis.literal((observed_through - date(1970, 1, 1)).days, "int64")
    return both.select(
        *SPINE_KEYS,
        churned=complete.ifelse(both.churned, ibis.null("int8")),
        value_minor=complete.ifelse(both.value_minor, ibis.null("int64")),
    )
