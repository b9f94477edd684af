"""Features of what visits are for: coming back to an item, carts, searches, likes."""

from __future__ import annotations

import ibis.expr.types as ir

from churn_value.features.declare import feature, middle, middle_and_longest
from churn_value.features.past import Past
from churn_value.features.visits import DAY, ITEM


@feature(
    ITEM,
    windows=middle,
    unit="share",
    group="INTENT",
    en="Share of visits that come back to an item {window}",
    zh="{window}重复浏览同一对象占比",
)
def item_repeat_share(past: Past) -> ir.Scalar:
    """One minus distinct items over visits with an item."""
    visits = past.sum(past.visits)
    return (visits - past.count(past.visits > 0)) / visits.nullif(0)


@feature(
    DAY,
    windows=middle_and_longest,
    unit="share",
    group="INTENT",
    en="Share of visits that put something in the cart {window}",
    zh="{window}加购占比",
)
def cart_share(past: Past) -> ir.Scalar:
    """Visits of kind cart over all visits."""
    return past.ratio(past.carts, past.visits)


@feature(
    DAY,
    windows=middle_and_longest,
    unit="share",
    group="INTENT",
    en="Share of visits that search {window}",
    zh="{window}搜索占比",
)
def search_share(past: Past) -> ir.Scalar:
    """Visits of kind search over all visits."""
    return past.ratio(past.searches, past.visits)


@feature(
    DAY,
    windows=middle_and_longest,
    unit="share",
    group="INTENT",
    en="Share of visits that share, like or comment {window}",
    zh="{window}分享点赞评论占比",
)
def engagement_share(past: Past) -> ir.Scalar:
    """Visits of kind share, like or comment over all visits."""
    return past.ratio(past.engagements, past.visits)


@feature(DAY, unit="days", group="INTENT", en="Days since something was last put in the cart", zh="距上次加购天数")
def days_since_last_cart(past: Past) -> ir.Scalar:
    """Age of the newest day with a visit of kind cart."""
    return past.days_since_last(past.carts > 0)
