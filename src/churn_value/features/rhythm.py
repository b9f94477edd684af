"""Features of the rhythm of purchases: pauses, their regularity, and whether the next one is overdue."""

from __future__ import annotations

import ibis.expr.types as ir

from churn_value.features.declare import feature, middle_and_ever
from churn_value.features.past import Past
from churn_value.features.purchases import DAY


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
