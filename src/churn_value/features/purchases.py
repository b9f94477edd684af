"""Features of purchases: when, how often and how much."""

from __future__ import annotations

import ibis.expr.types as ir

from churn_value.features.declare import but_longest, each_and_ever, feature, spread
from churn_value.features.grain import Grain, Measure
from churn_value.features.past import MONEY_BITS, Past


def _is_return(line: ir.Table) -> ir.BooleanValue:
    return line.is_return.fill_null(line.amount_minor < 0)


def is_bought(line: ir.Table) -> ir.BooleanValue:
    """A line counts as buying when it is no return and something was paid; the label uses the same rule."""
    return ~_is_return(line) & (line.amount_minor > 0)


def bought_lines(line: ir.Table) -> ir.IntegerValue:
    """1 for a line that counts as buying, else 0."""
    return is_bought(line).cast("int64")


def _returned(line: ir.Table) -> ir.IntegerValue:
    return _is_return(line).cast("int64")


def _returned_amount(line: ir.Table) -> ir.IntegerValue:
    return _is_return(line).ifelse(-line.amount_minor, 0)


def _weekend(line: ir.Table) -> ir.IntegerValue:
    """1 on Saturday and Sunday: day 0, 1970-01-01, was a Thursday."""
    return (is_bought(line) & ((line.event_day + 3) % 7 >= 5)).cast("int64")


DAY = Grain(
    "purchases",
    "day",
    before={
        "lines": Measure(bought_lines),
        "amount_minor": Measure(lambda line: line.amount_minor),
        "margin_minor": Measure(lambda line: line.margin_minor.fill_null(0)),
        "amount_with_margin_minor": Measure(lambda line: line.margin_minor.notnull().ifelse(line.amount_minor, 0)),
        "returns": Measure(_returned),
        "returned_minor": Measure(_returned_amount),
        "weekend_lines": Measure(_weekend),
    },
    gaps_of="lines",
)


@feature(
    DAY,
    unit="days",
    group="RECENCY",
    en="Days since the last purchase; 1 is the day before",
    zh="距上次购买天数，前一天为1",
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
    zh="重复购买天数（不含首次）",
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
    zh="购买天数，半衰期{half_life}",
)
def purchase_days_decayed(past: Past) -> ir.Scalar:
    """Purchase days, each weighing half as much per half-life of age."""
    return past.decayed((past.lines > 0).cast("int64"))


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
    zh="净消费，半衰期{half_life}",
)
def spend_decayed_minor(past: Past) -> ir.Scalar:
    """Net amounts, each weighing half as much per half-life of age."""
    return past.decayed(past.amount_minor, bits=MONEY_BITS)


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
