"""Features of visits: how often, how recently, how deeply, and with what intent."""

from __future__ import annotations

from collections.abc import Callable

import ibis.expr.types as ir

from churn_value.features.declare import (
    but_longest,
    each,
    each_and_ever,
    feature,
    middle_and_longest,
    spread,
)
from churn_value.features.grain import Grain, Measure
from churn_value.features.past import Past

ENGAGEMENT_KINDS = ("share", "like", "comment")
MILLISECONDS = 1_000


def _kind(*kinds: str) -> Callable[[ir.Table], ir.IntegerValue]:
    """1 for a visit of one of these kinds, else 0."""
    return lambda visit: visit.kind.isin(kinds).fill_null(False).cast("int64")


def _one(visit: ir.Table) -> ir.IntegerValue:
    return visit.customer_id.notnull().cast("int64")


def _dwell(visit: ir.Table) -> ir.IntegerValue:
    """Milliseconds spent; 0 where not measured."""
    return (visit.duration_s * MILLISECONDS).round().cast("int64").fill_null(0)


DAY = Grain(
    "visits",
    "day",
    before={
        "visits": Measure(_one),
        "carts": Measure(_kind("cart")),
        "searches": Measure(_kind("search")),
        "engagements": Measure(_kind(*ENGAGEMENT_KINDS)),
        "dwell_ms": Measure(_dwell),
        "timed": Measure(lambda visit: visit.duration_s.notnull().cast("int64")),
    },
    gaps_of="visits",
)
SESSION = Grain(
    "visits",
    "session",
    shape="keys",
    key={"session_id": lambda visit: visit.session_id},
    before={"visits": Measure(_one)},
    kept=lambda visit: visit.session_id.notnull(),
    requires=frozenset({"session_id"}),
)
ITEM = Grain(
    "visits",
    "item",
    shape="keys",
    key={"item": lambda visit: visit.item},
    before={"visits": Measure(_one)},
    kept=lambda visit: visit.item.notnull(),
    requires=frozenset({"item"}),
)
CATEGORY = Grain(
    "visits",
    "category",
    shape="keys",
    key={"category": lambda visit: visit.category},
    before={"visits": Measure(_one)},
    kept=lambda visit: visit.category.notnull(),
    requires=frozenset({"category"}),
)


@feature(
    DAY, unit="days", group="VISIT_RECENCY", en="Days since the last visit; 1 is the day before", zh="距上次访问天数"
)
def days_since_last_visit(past: Past) -> ir.Scalar:
    """Age of the newest visit day."""
    return past.days_since_last()


@feature(DAY, unit="days", group="TENURE", en="Days since the first visit", zh="距首次访问天数")
def days_since_first_visit(past: Past) -> ir.Scalar:
    """Age of the oldest visit day."""
    return past.days_since_first()


@feature(
    DAY,
    windows=each_and_ever,
    empty=0,
    unit="visits",
    group="VISIT_ACTIVITY",
    en="Visits {window}",
    zh="{window}访问次数",
)
def visit_count(past: Past) -> ir.Scalar:
    """Visits of every kind."""
    return past.sum(past.visits)


@feature(
    DAY,
    windows=each_and_ever,
    empty=0,
    unit="days",
    group="VISIT_ACTIVITY",
    en="Visit days {window}",
    zh="{window}访问天数",
)
def visit_days(past: Past) -> ir.Scalar:
    """Days with at least one visit."""
    return past.count()


@feature(
    DAY,
    half_lives=spread,
    empty=0,
    unit="visits",
    group="VISIT_ACTIVITY",
    en="Visits, weighted by recency with half-life {half_life}",
    zh="访问次数，半衰期{half_life}",
)
def visits_decayed(past: Past) -> ir.Scalar:
    """Visits, each weighing half as much per half-life of age."""
    return past.decayed(past.visits)


@feature(
    DAY,
    windows=but_longest,
    unit="ratio",
    group="VISIT_TREND",
    en="Visits per day {window}, over the rate in the last {longest}; 1 is steady",
    zh="{window}访问频率与近{longest}之比",
)
def visit_trend(past: Past) -> ir.Scalar:
    """Rate of visits in the window over the rate in the longest window."""
    return past.trend(past.visits)


@feature(DAY, unit="days", group="VISIT_ACTIVITY", en="Mean days between visit days", zh="平均访问间隔天数")
def visit_mean_gap_days(past: Past) -> ir.Scalar:
    """Mean gap between successive visit days; null below two."""
    return past.mean(past.gap_days)


@feature(
    DAY,
    unit="ratio",
    group="VISIT_RECENCY",
    en="Days since the last visit over the usual pause",
    zh="距上次访问天数与平均间隔之比",
)
def visit_overdue_ratio(past: Past) -> ir.Scalar:
    """Days since the last visit over the mean gap: above 1 the next visit is overdue."""
    return past.days_since_last() / past.mean(past.gap_days)


@feature(
    SESSION, windows=each, empty=0, unit="sessions", group="VISIT_ACTIVITY", en="Sessions {window}", zh="{window}会话数"
)
def session_count(past: Past) -> ir.Scalar:
    """Distinct sessions with a visit."""
    return past.count(past.visits > 0)


@feature(
    SESSION,
    windows=middle_and_longest,
    unit="visits",
    group="VISIT_DEPTH",
    en="Visits per session {window}",
    zh="{window}每会话行为数",
)
def visits_per_session(past: Past) -> ir.Scalar:
    """Visits with a session over distinct sessions."""
    return past.sum(past.visits) / past.count(past.visits > 0).nullif(0)


@feature(
    DAY,
    windows=middle_and_longest,
    empty=0,
    unit="s",
    group="VISIT_DEPTH",
    en="Time spent {window}",
    zh="{window}停留时长",
    requires=["duration_s"],
)
def dwell_s(past: Past) -> ir.Scalar:
    """Seconds spent, to the millisecond."""
    return past.sum(past.dwell_ms) / MILLISECONDS


@feature(
    DAY,
    windows=middle_and_longest,
    unit="s",
    group="VISIT_DEPTH",
    en="Mean time per timed visit {window}",
    zh="{window}平均停留时长",
    requires=["duration_s"],
)
def mean_dwell_s(past: Past) -> ir.Scalar:
    """Seconds spent over visits whose duration is known."""
    return past.sum(past.dwell_ms) / (past.sum(past.timed) * MILLISECONDS).nullif(0)


@feature(
    ITEM,
    windows=middle_and_longest,
    empty=0,
    unit="items",
    group="VISIT_DEPTH",
    en="Different items looked at {window}",
    zh="{window}浏览对象数",
)
def item_count(past: Past) -> ir.Scalar:
    """Distinct items."""
    return past.count(past.visits > 0)


@feature(
    CATEGORY,
    windows=middle_and_longest,
    empty=0,
    unit="categories",
    group="VISIT_DEPTH",
    en="Different categories looked at {window}",
    zh="{window}浏览品类数",
)
def visit_category_count(past: Past) -> ir.Scalar:
    """Distinct categories."""
    return past.count(past.visits > 0)
