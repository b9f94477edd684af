"""Features of orders: how many, how large, of how many lines and pieces."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from churn_value.features.declare import each_and_ever, feature, middle, middle_and_ever
from churn_value.features.grain import Grain, Measure
from churn_value.features.past import Past
from churn_value.features.purchases import bought_lines, is_bought

QUANTITY_SCALE = 1_000


def _unnamed_order(line: ir.Table) -> ir.TimestampValue:
    """Lines without an order id make one order when they bear the same instant."""
    return line.order_id.isnull().ifelse(line.event_time, ibis.null("timestamp(6)"))


ORDER = Grain(
    "purchases",
    "order",
    shape="keys",
    key={"order_id": lambda line: line.order_id, "order_instant": _unnamed_order},
    before={
        "lines": Measure(bought_lines),
        "bought_minor": Measure(lambda line: is_bought(line).ifelse(line.amount_minor, 0)),
        "quantity": Measure(
            lambda line: is_bought(line).ifelse((line.quantity * QUANTITY_SCALE).round().cast("int64"), 0).fill_null(0)
        ),
    },
)


@feature(
    ORDER, windows=each_and_ever, empty=0, unit="orders", group="FREQUENCY", en="Orders {window}", zh="{window}订单数"
)
def order_count(past: Past) -> ir.Scalar:
    """Orders with at least one line bought; lines without an order id are one order per instant."""
    return past.count(past.lines > 0)


@feature(
    ORDER,
    windows=middle_and_ever,
    unit="minor units",
    group="BASKET",
    en="Mean amount of an order, before returns, {window}",
    zh="{window}平均订单金额（未扣退货）",
)
def mean_order_minor(past: Past) -> ir.Scalar:
    """Amount bought per order."""
    return past.sum(past.bought_minor) / past.count(past.lines > 0).nullif(0)


@feature(ORDER, unit="minor units", group="BASKET", en="Largest order so far, before returns", zh="历史最大订单金额")
def max_order_minor(past: Past) -> ir.Scalar:
    """Greatest amount bought in one order."""
    return past.max(past.bought_minor, past.lines > 0)


@feature(
    ORDER,
    windows=middle_and_ever,
    unit="lines",
    group="BASKET",
    en="Mean number of lines per order {window}",
    zh="{window}平均每单行数",
)
def mean_order_lines(past: Past) -> ir.Scalar:
    """Lines bought per order."""
    return past.sum(past.lines) / past.count(past.lines > 0).nullif(0)


@feature(
    ORDER,
    windows=middle_and_ever,
    unit="pieces",
    group="BASKET",
    en="Mean pieces per order {window}",
    zh="{window}平均每单件数",
    requires=["quantity"],
)
def mean_order_quantity(past: Past) -> ir.Scalar:
    """Pieces bought per order."""
    return past.sum(past.quantity) / (past.count(past.lines > 0) * QUANTITY_SCALE).nullif(0)


@feature(
    ORDER,
    windows=middle,
    unit="ratio",
    group="BASKET",
    en="Mean order amount {window}, over that in the last {longest}",
    zh="{window}平均订单金额与近{longest}之比",
)
def order_amount_trend(past: Past) -> ir.Scalar:
    """Mean order of the window over the mean order of the longest window; null without an order in the window."""
    recent = past.sum(past.bought_minor) / past.count(past.lines > 0).nullif(0)
    usual = past.longest.sum(past.longest.bought_minor) / past.longest.count(past.longest.lines > 0).nullif(0)
    return recent / usual
