"""Features of complaints and tickets: how many, how many are open, how long they take."""

from __future__ import annotations

import ibis.expr.types as ir

from churn_value.features.declare import each_and_ever, feature, middle_and_ever, spread
from churn_value.features.feedback import DAY
from churn_value.features.past import Past


@feature(
    DAY,
    windows=each_and_ever,
    empty=0,
    unit="complaints",
    group="COMPLAINTS",
    en="Complaints {window}",
    zh="{window}投诉次数",
)
def complaint_count(past: Past) -> ir.Scalar:
    """Rows of kind complaint."""
    return past.sum(past.complaints)


@feature(
    DAY,
    half_lives=spread,
    empty=0,
    unit="complaints",
    group="COMPLAINTS",
    en="Complaints, weighted by recency with half-life {half_life}",
    zh="投诉次数，半衰期{half_life}",
)
def complaints_decayed(past: Past) -> ir.Scalar:
    """Complaints, each weighing half as much per half-life of age."""
    return past.decayed(past.complaints)


@feature(DAY, unit="days", group="COMPLAINTS", en="Days since the last complaint", zh="距上次投诉天数")
def days_since_last_complaint(past: Past) -> ir.Scalar:
    """Age of the newest day with a complaint."""
    return past.days_since_last(past.complaints > 0)


@feature(
    DAY,
    windows=middle_and_ever,
    empty=0,
    unit="tickets",
    group="OPEN_TICKETS",
    en="Tickets {window}",
    zh="{window}工单数",
)
def ticket_count(past: Past) -> ir.Scalar:
    """Rows of kind ticket."""
    return past.sum(past.tickets)


@feature(
    DAY,
    empty=0,
    unit="cases",
    group="OPEN_TICKETS",
    en="Complaints and tickets not resolved by as_of",
    zh="截至当日未解决的投诉与工单",
    requires=["resolved_at"],
)
def open_tickets(past: Past) -> ir.Scalar:
    """Complaints and tickets whose resolution is missing or not before as_of."""
    return past.sum(past.open_cases)


@feature(
    DAY,
    unit="days",
    group="OPEN_TICKETS",
    en="Age of the oldest complaint or ticket not resolved by as_of",
    zh="最久未解决事项的天数",
    requires=["resolved_at"],
)
def oldest_open_days(past: Past) -> ir.Scalar:
    """Greatest age of an open complaint or ticket."""
    return past.days_since_first(past.open_cases > 0)


@feature(
    DAY,
    windows=middle_and_ever,
    unit="days",
    group="RESOLUTION_TIME",
    en="Mean days to resolve complaints and tickets raised {window}",
    zh="{window}平均解决天数",
    requires=["resolved_at"],
)
def resolution_days_mean(past: Past) -> ir.Scalar:
    """Mean days from opening to closing, of those closed before as_of."""
    return past.ratio(past.resolution_days, past.resolved_cases)


@feature(
    DAY,
    unit="days",
    group="RESOLUTION_TIME",
    en="Most days a complaint or ticket took to resolve",
    zh="最长解决天数",
    requires=["resolved_at"],
)
def resolution_days_max(past: Past) -> ir.Scalar:
    """Greatest number of days from opening to closing."""
    return past.max(past.longest_resolution_days)
