"""Features of purchases: how often, how much, how regularly, of what, and what came back."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from churn_value.features.declare import (
    Grain,
    Measure,
    but_longest,
    each_and_ever,
    feature,
    longest,
    middle,
    middle_and_ever,
    middle_and_longest,
    spread,
)
from churn_value.features.past import Past

QUANTITY_SCALE = 1_000


def _is_return(line: ir.Table) -> ir.BooleanValue:
    return line.is_return.fill_null(line.amount_minor < 0)


def _is_bought(line: ir.Table) -> ir.BooleanValue:
    """A line counts as buying when it is no return and something was paid; the label uses the same rule."""
    return ~_is_return(line) & (line.amount_minor > 0)


def _bought(line: ir.Table) -> ir.IntegerValue:
    return _is_bought(line).cast("int64")


def _returned(line: ir.Table) -> ir.IntegerValue:
    return _is_return(line).cast("int64")


def _returned_amount(line: ir.Table) -> ir.IntegerValue:
    return _is_return(line).ifelse(-line.amount_minor, 0)


def _weekend(line: ir.Table) -> ir.IntegerValue:
    """1 on Saturday and Sunday: day 0, 1970-01-01, was a Thursday."""
    return (_is_bought(line) & ((line.event_day + 3) % 7 >= 5)).cast("int64")


def _unnamed_order(line: ir.Table) -> ir.TimestampValue:
    """Lines without an order id make one order when they bear the same instant."""
    return line.order_id.isnull().ifelse(line.event_time, ibis.null("timestamp(6)"))


DAY = Grain(
    "purchases",
    "day",
    before={
        "lines": Measure(_bought),
        "amount_minor": Measure(lambda line: line.amount_minor),
        "margin_minor": Measure(lambda line: line.margin_minor.fill_null(0)),
        "amount_with_margin_minor": Measure(lambda line: line.margin_minor.notnull().ifelse(line.amount_minor, 0)),
        "returns": Measure(_returned),
        "returned_minor": Measure(_returned_amount),
        "weekend_lines": Measure(_weekend),
    },
    gaps_of="lines",
)
ORDER = Grain(
    "purchases",
    "order",
    shape="keys",
    key={"order_id": lambda line: line.order_id, "order_instant": _unnamed_order},
    before={
        "lines": Measure(_bought),
        "bought_minor": Measure(lambda line: _is_bought(line).ifelse(line.amount_minor, 0)),
        "quantity": Measure(
            lambda line: _is_bought(line).ifelse((line.quantity * QUANTITY_SCALE).round().cast("int64"), 0).fill_null(0)
        ),
    },
)
CATEGORY = Grain(
    "purchases",
    "category",
    shape="keys",
    key={"category": lambda line: line.category},
    before={"lines": Measure(_bought)},
    kept=lambda line: line.category.notnull() & _is_bought(line),
    requires=frozenset({"category"}),
)
PRODUCT = Grain(
    "purchases",
    "product",
    shape="keys",
    key={"product_id": lambda line: line.product_id},
    before={"lines": Measure(_bought)},
    kept=lambda line: line.product_id.notnull() & _is_bought(line),
    requires=frozenset({"product_id"}),
)
CHANNEL = Grain(
    "purchases",
    "channel",
    shape="keys",
    key={"channel": lambda line: line.channel},
    before={"lines": Measure(_bought)},
    kept=lambda line: line.channel.notnull() & _is_bought(line),
    requires=frozenset({"channel"}),
)


@feature(
    DAY,
    unit="days",
    group="RECENCY",
    en="Days since the last purchase; 1 is the day before",
    zh="距上次购买天数,前一天为1",
)
def days_since_last_purchase(past: Past) -> ir.Scalar:
    """Age of the newest day with a purchase."""
    return past.days_since_last(past.lines > 0)


@feature(
    DAY,
    unit="days",
    group="TENURE",
    en="Days from the first to the last purchase (BTYD recency)",
    zh="首次到末次购买间隔天数",
)
def recency_days(past: Past) -> ir.Scalar:
    """Last minus first purchase day, as BTYD models define recency."""
    return past.days_since_first(past.lines > 0) - past.days_since_last(past.lines > 0)


@feature(DAY, unit="days", group="TENURE", en="Days since the first purchase (BTYD T)", zh="距首次购买天数")
def T_days(past: Past) -> ir.Scalar:  # noqa: N802 - the literature's name
    """as_of minus first purchase day."""
    return past.days_since_first(past.lines > 0)


@feature(
    DAY,
    empty=0,
    unit="days",
    group="FREQUENCY",
    en="Repeat purchase days, the first excluded (BTYD)",
    zh="重复购买天数(不含首次)",
)
def frequency(past: Past) -> ir.Scalar:
    """Purchase days after the first."""
    return past.count(past.gap_days.notnull())


@feature(
    DAY,
    unit="minor units",
    group="SPEND",
    en="Net spend after the first purchase day, per repeat purchase day (BTYD)",
    zh="首购日之后平均每个购买日净消费",
)
def monetary_value_minor(past: Past) -> ir.Scalar:
    """Net amount dated after the first purchase day over `frequency`; returns count on the day they are dated."""
    spent = past.sum(past.amount_minor, past.previous_day.notnull())
    return spent / past.count(past.gap_days.notnull()).nullif(0)


@feature(
    DAY,
    windows=each_and_ever,
    empty=0,
    unit="days",
    group="FREQUENCY",
    en="Purchase days {window}",
    zh="{window}购买天数",
)
def purchase_days(past: Past) -> ir.Scalar:
    """Days with at least one purchase."""
    return past.count(past.lines > 0)


@feature(
    DAY,
    half_lives=spread,
    empty=0,
    unit="days",
    group="FREQUENCY",
    en="Purchase days, weighted by recency with half-life {half_life}",
    zh="购买天数,半衰期{half_life}",
)
def purchase_days_decayed(past: Past) -> ir.Scalar:
    """Purchase days, each weighing half as much per half-life of age."""
    return past.decayed((past.lines > 0).cast("int64"))


@feature(
    DAY, windows=each_and_ever, empty=0, unit="minor units", group="SPEND", en="Net spend {window}", zh="{window}净消费"
)
def spend_minor(past: Past) -> ir.Scalar:
    """Sum of net amounts, returns subtracted."""
    return past.sum(past.amount_minor)


@feature(
    DAY,
    half_lives=spread,
    empty=0,
    unit="minor units",
    group="SPEND",
    en="Net spend, weighted by recency with half-life {half_life}",
    zh="净消费,半衰期{half_life}",
)
def spend_decayed_minor(past: Past) -> ir.Scalar:
    """Net amounts, each weighing half as much per half-life of age."""
    return past.decayed(past.amount_minor)


@feature(
    DAY,
    windows=but_longest,
    unit="ratio",
    group="FREQUENCY_TREND",
    en="Purchase days per day {window}, over the rate in the last {longest}; 1 is steady",
    zh="{window}购买频率与近{longest}之比",
)
def purchase_trend(past: Past) -> ir.Scalar:
    """Rate of purchase days in the window over the rate in the longest window."""
    return past.trend((past.lines > 0).cast("int64"))


@feature(
    DAY,
    windows=but_longest,
    unit="ratio",
    group="SPEND_TREND",
    en="Net spend per day {window}, over the rate in the last {longest}; 1 is steady",
    zh="{window}日均净消费与近{longest}之比",
)
def spend_trend(past: Past) -> ir.Scalar:
    """Rate of net spend in the window over the rate in the longest window; null when the latter is not positive."""
    return past.trend(past.amount_minor)


@feature(DAY, unit="days", group="RHYTHM", en="Mean days between purchase days", zh="平均购买间隔天数")
def mean_gap_days(past: Past) -> ir.Scalar:
    """Mean gap between successive purchase days; null below two."""
    return past.mean(past.gap_days)


@feature(
    DAY, unit="days", group="RHYTHM", en="Standard deviation of the days between purchase days", zh="购买间隔标准差"
)
def std_gap_days(past: Past) -> ir.Scalar:
    """Sample standard deviation of gaps; null below two gaps."""
    return past.std(past.gap_days)


@feature(
    DAY,
    unit="ratio",
    group="RHYTHM",
    en="Irregularity: standard deviation of gaps over their mean",
    zh="购买间隔变异系数",
)
def gap_irregularity(past: Past) -> ir.Scalar:
    """Coefficient of variation of gaps: 0 is clockwork, about 1 is memoryless."""
    return past.std(past.gap_days) / past.mean(past.gap_days)


@feature(DAY, unit="days", group="RHYTHM", en="Longest pause between purchase days", zh="最长购买间隔天数")
def max_gap_days(past: Past) -> ir.Scalar:
    """Greatest gap between successive purchase days."""
    return past.max(past.gap_days)


@feature(DAY, unit="days", group="RHYTHM", en="Days between the last two purchase days", zh="最近一次购买间隔天数")
def last_gap_days(past: Past) -> ir.Scalar:
    """Most recent gap."""
    return past.last(past.gap_days, past.gap_days.notnull())


@feature(
    DAY,
    unit="ratio",
    group="RHYTHM",
    en="Last pause between purchases over the mean pause",
    zh="最近间隔与平均间隔之比",
)
def last_gap_ratio(past: Past) -> ir.Scalar:
    """Most recent gap over the mean gap: above 1 the customer slows down."""
    return past.last(past.gap_days, past.gap_days.notnull()) / past.mean(past.gap_days)


@feature(
    DAY,
    unit="ratio",
    group="GAP_OVERDUE",
    en="Days since the last purchase over the usual pause",
    zh="距上次购买天数与平均间隔之比",
)
def gap_overdue_ratio(past: Past) -> ir.Scalar:
    """Days since the last purchase over the mean gap: above 1 the next purchase is overdue."""
    return past.days_since_last(past.lines > 0) / past.mean(past.gap_days)


@feature(
    DAY,
    unit="ratio",
    group="GAP_OVERDUE",
    en="Days since the last purchase over the longest pause so far",
    zh="距上次购买天数与最长间隔之比",
)
def gap_record_ratio(past: Past) -> ir.Scalar:
    """Days since the last purchase over the greatest gap: above 1 the customer was never away so long."""
    return past.days_since_last(past.lines > 0) / past.max(past.gap_days)


@feature(
    DAY,
    windows=middle_and_ever,
    unit="share",
    group="RHYTHM",
    en="Share of lines bought on Saturday or Sunday {window}",
    zh="{window}周末购买占比",
)
def weekend_share(past: Past) -> ir.Scalar:
    """Lines bought on a weekend over all lines bought."""
    return past.ratio(past.weekend_lines, past.lines)


@feature(
    DAY,
    windows=middle_and_longest,
    empty=0,
    unit="minor units",
    group="MARGIN",
    en="Gross margin {window}",
    zh="{window}毛利",
    requires=["margin"],
)
def gross_margin_minor(past: Past) -> ir.Scalar:
    """Sum of margins."""
    return past.sum(past.margin_minor)


@feature(
    DAY,
    windows=middle_and_longest,
    unit="share",
    group="MARGIN",
    en="Gross margin as a share of net spend {window}",
    zh="{window}毛利率",
    requires=["margin"],
)
def margin_share(past: Past) -> ir.Scalar:
    """Margin over net amount, of lines whose margin is known; may be negative."""
    return past.ratio(past.margin_minor, past.amount_with_margin_minor)


@feature(
    DAY,
    windows=middle_and_ever,
    empty=0,
    unit="lines",
    group="RETURNS",
    en="Lines returned {window}",
    zh="{window}退货行数",
    requires=["is_return"],
)
def return_count(past: Past) -> ir.Scalar:
    """Returned lines."""
    return past.sum(past.returns)


@feature(
    DAY,
    windows=middle_and_ever,
    unit="share",
    group="RETURNS",
    en="Returned amount as a share of the amount bought {window}",
    zh="{window}退货金额占比",
    requires=["is_return"],
)
def returned_share(past: Past) -> ir.Scalar:
    """Returned amount over gross amount (net plus returned)."""
    return past.ratio(past.returned_minor, past.amount_minor + past.returned_minor)


@feature(
    DAY, unit="days", group="RETURNS", en="Days since the last return", zh="距上次退货天数", requires=["is_return"]
)
def days_since_last_return(past: Past) -> ir.Scalar:
    """Age of the newest day with a return."""
    return past.days_since_last(past.returns > 0)


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
    zh="{window}平均订单金额(未扣退货)",
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


@feature(
    CATEGORY,
    windows=middle_and_longest,
    empty=0,
    unit="categories",
    group="CATEGORY_BREADTH",
    en="Different categories bought {window}",
    zh="{window}购买品类数",
)
def category_count(past: Past) -> ir.Scalar:
    """Distinct categories."""
    return past.count(past.lines > 0)


@feature(
    CATEGORY,
    windows=middle_and_longest,
    unit="nats",
    group="CATEGORY_BREADTH",
    en="How evenly purchases spread over categories {window} (entropy)",
    zh="{window}品类分布熵",
)
def category_entropy(past: Past) -> ir.Scalar:
    """Shannon entropy of the categories' shares of lines."""
    return past.entropy(past.lines)


@feature(
    CATEGORY,
    windows=middle_and_longest,
    unit="share",
    group="CATEGORY_FOCUS",
    en="Share of the favourite category {window}",
    zh="{window}最常购品类占比",
)
def category_top_share(past: Past) -> ir.Scalar:
    """Lines of the most bought category over all lines with a category."""
    return past.top_share(past.lines)


@feature(
    CATEGORY,
    windows=longest,
    dtype="category",
    unit="category",
    group="CATEGORY_FOCUS",
    en="Favourite category {window}",
    zh="{window}最常购品类",
)
def category_top(past: Past) -> ir.Scalar:
    """Category with the most lines."""
    return past.top(past.category, past.lines)


@feature(
    PRODUCT,
    windows=middle_and_longest,
    empty=0,
    unit="products",
    group="CATEGORY_BREADTH",
    en="Different products bought {window}",
    zh="{window}购买商品种数",
)
def product_count(past: Past) -> ir.Scalar:
    """Distinct products."""
    return past.count(past.lines > 0)


@feature(
    PRODUCT,
    windows=middle_and_longest,
    unit="share",
    group="CATEGORY_FOCUS",
    en="Share of lines that repeat a product {window}",
    zh="{window}重复购买同一商品占比",
)
def product_repeat_share(past: Past) -> ir.Scalar:
    """One minus distinct products over lines: 0 when nothing is bought twice."""
    lines = past.sum(past.lines)
    return (lines - past.count(past.lines > 0)) / lines.nullif(0)


@feature(
    CHANNEL,
    windows=middle_and_ever,
    empty=0,
    unit="channels",
    group="CHANNEL",
    en="Different channels bought through {window}",
    zh="{window}购买渠道数",
)
def channel_count(past: Past) -> ir.Scalar:
    """Distinct channels."""
    return past.count(past.lines > 0)


@feature(
    CHANNEL,
    windows=middle_and_ever,
    unit="share",
    group="CHANNEL",
    en="Share of the main channel {window}",
    zh="{window}主渠道占比",
)
def channel_top_share(past: Past) -> ir.Scalar:
    """Lines of the most used channel over all lines with a channel."""
    return past.top_share(past.lines)


@feature(CHANNEL, dtype="category", unit="category", group="CHANNEL", en="Main channel so far", zh="历史主渠道")
def channel_top(past: Past) -> ir.Scalar:
    """Channel with the most lines."""
    return past.top(past.channel, past.lines)
