"""When a return counts: at its own date, or at the date of the purchase it undoes."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def at_purchase_date(purchases: ir.Table) -> ir.Table:
    """Purchases whose returns carry the event_time of the purchase they undo.

    The purchase is the latest one, not after the return, of the same customer with the same order and product, else
    the same order, else the same product. `known_at` stays that of the return, so that a feature as of a day between
    the two does not know it. A return without such a purchase keeps its own date.
    """
    t = purchases
    bought = t.event_time.nullif(ibis.ifelse(t.is_return, t.event_time, ibis.null("timestamp(6)")))

    def latest(*keys: str) -> ir.Value:
        window = ibis.window(group_by=("customer_id", *keys), order_by=t.event_time, range=(None, 0))
        known = ibis.and_(*(t[key].notnull() for key in keys))
        return ibis.ifelse(known, bought.max().over(window), ibis.null("timestamp(6)"))

    original = ibis.coalesce(latest("order_id", "product_id"), latest("order_id"), latest("product_id"), t.event_time)
    return t.mutate(event_time=ibis.ifelse(t.is_return, original, t.event_time))
