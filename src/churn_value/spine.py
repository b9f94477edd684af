"""Who is predicted for, and when: the (customer_id, as_of) rows that the cohort rule admits.

The rule looks at the past only, by the same two clocks as a feature: a customer whose first purchase becomes known on
2025-07-02 is not on the spine of 2025-07-01.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

import ibis
import ibis.expr.types as ir

from churn_value.config import CohortConfig
from churn_value.features.asof import past_of
from churn_value.features.purchases import is_bought

_SOURCE_OF = {"purchased": "purchases", "visited": "visits", "active_contract": "contracts"}


def _dates(as_ofs: Sequence[date]) -> ir.Table:
    return ibis.memtable({"as_of": list(as_ofs)}, schema={"as_of": "date"})


def _candidates(events: ir.Table, as_ofs: Sequence[date]) -> ir.Table:
    """Every customer of a table at every date, admitted or not."""
    return events.select("customer_id").distinct().cross_join(_dates(as_ofs)).select("customer_id", "as_of")


def _everyone(events: Mapping[str, ir.Table], as_ofs: Sequence[date]) -> ir.Table:
    """Customers on record, and those with any past event; a sign-up at or after as_of keeps a customer out."""
    rows = [_known_customers(events["customers"], as_ofs)] if "customers" in events else []
    for name in ("purchases", "visits", "feedback", "contracts"):
        if name in events:
            past = past_of(name, events[name], _candidates(events[name], as_ofs))
            rows.append(past.select("customer_id", "as_of"))
    return ibis.union(*rows, distinct=True) if len(rows) > 1 else rows[0].distinct()


def _known_customers(customers: ir.Table, as_ofs: Sequence[date]) -> ir.Table:
    joined = customers.cross_join(_dates(as_ofs))
    signed_up = joined.signup_at.isnull() | (joined.signup_at < joined.as_of.cast("timestamp(6)"))
    return joined.filter(signed_up).select("customer_id", "as_of")


def spine(events: Mapping[str, ir.Table], as_ofs: Sequence[date], cohort: CohortConfig) -> ir.Table:
    """Rows to predict for.

    Parameters
    ----------
    events
        Canonical tables by name; the one the rule looks at must be there.
    as_ofs
        Dates of prediction.
    cohort
        ``purchased``: bought before as_of. ``visited``: visited before as_of. ``active_contract``: a contract began
        before as_of and had not ended by then. ``everyone``: on record or seen before as_of. With ``lookback_days``
        the event must lie in ``[as_of - lookback, as_of)``; it does not apply to contracts and everyone.

    Returns
    -------
    ir.Table
        Distinct ``customer_id`` string, ``as_of`` date.
    """
    if cohort.rule == "everyone":
        return _everyone(events, as_ofs)
    name = _SOURCE_OF[cohort.rule]
    source = events[name]
    past = past_of(name, source, _candidates(source, as_ofs))
    if cohort.rule == "active_contract":
        past = past.filter(past.ended_at.isnull())
    elif cohort.lookback_days is not None:
        past = past.filter(past.age_days <= cohort.lookback_days)
    if cohort.rule == "purchased":
        past = past.filter(is_bought(past))
    return past.select("customer_id", "as_of").distinct()
