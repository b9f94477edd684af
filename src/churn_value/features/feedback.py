"""Features of what customers say: how satisfied they are, and whether anybody ever asked.

Scores come normalised to 0..1, whatever their scale. *Never asked* is not zero: without a score the satisfaction
features are null, and `never_asked` says why.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from churn_value.features.declare import each, feature, middle, middle_and_ever
from churn_value.features.grain import Grain, Measure
from churn_value.features.past import Past

SURVEY_KINDS = ("csat", "nps", "review")
CASE_KINDS = ("complaint", "ticket")
SATISFACTION_SCALE = 2**20
PROMOTER_TENTHS, PASSIVE_TENTHS = 9, 7


def _is_scored(row: ir.Table) -> ir.BooleanValue:
    return row.satisfaction.notnull()


def _scaled(row: ir.Table) -> ir.IntegerValue:
    """Satisfaction in fixed point, so that means do not depend on row order; null without a score."""
    return (row.satisfaction * SATISFACTION_SCALE).round().cast("int64")


def _asked(row: ir.Table) -> ir.IntegerValue:
    return (row.kind.isin(SURVEY_KINDS) | _is_scored(row)).cast("int64")


def _is_nps(row: ir.Table) -> ir.BooleanValue:
    return (row.kind == "nps") & _is_scored(row)


def _cases(row: ir.Table) -> ir.IntegerValue:
    return row.kind.isin(CASE_KINDS).cast("int64")


def _resolution_days(row: ir.Table) -> ir.IntegerValue:
    """Days from opening to closing, times the cases; null while open."""
    return (row.resolved_at - row.event_day) * row.cases


DAY = Grain(
    "feedback",
    "day",
    masked=("resolved_at",),
    before={
        "asked": Measure(_asked),
        "scored": Measure(lambda row: _is_scored(row).cast("int64")),
        "satisfaction": Measure(lambda row: _scaled(row).fill_null(0)),
        "lowest": Measure(_scaled, "min"),
        "nps_scored": Measure(lambda row: _is_nps(row).cast("int64")),
        "nps": Measure(lambda row: _is_nps(row).ifelse(_scaled(row), 0)),
        "complaints": Measure(lambda row: (row.kind == "complaint").cast("int64")),
        "tickets": Measure(lambda row: (row.kind == "ticket").cast("int64")),
        "cases": Measure(_cases),
    },
    after={
        "open_cases": Measure(lambda row: row.resolved_at.isnull().ifelse(row.cases, 0)),
        "resolved_cases": Measure(lambda row: row.resolved_at.notnull().ifelse(row.cases, 0)),
        "resolution_days": Measure(lambda row: _resolution_days(row).fill_null(0)),
        "longest_resolution_days": Measure(
            lambda row: (row.cases > 0).ifelse(row.resolved_at - row.event_day, ibis.null("int64")), "max"
        ),
    },
)


@feature(
    DAY,
    half_lives=middle,
    has_suffix=False,
    unit="share",
    group="SATISFACTION_LEVEL",
    en="Satisfaction, 0 to 1, recent scores weighing more (half-life {half_life})",
    zh="满意度水平（0至1，半衰期{half_life}）",
    requires=["score"],
)
def satisfaction_level(past: Past) -> ir.Scalar:
    """Mean of normalised scores whose weights halve every half-life."""
    return past.decayed_ratio(past.satisfaction, past.scored) / SATISFACTION_SCALE


@feature(
    DAY,
    windows=middle_and_ever,
    unit="share",
    group="SATISFACTION_LEVEL",
    en="Mean satisfaction, 0 to 1, {window}",
    zh="{window}平均满意度",
    requires=["score"],
)
def satisfaction_mean(past: Past) -> ir.Scalar:
    """Mean of normalised scores."""
    return past.ratio(past.satisfaction, past.scored) / SATISFACTION_SCALE


@feature(
    DAY,
    unit="share",
    group="SATISFACTION_LEVEL",
    en="Satisfaction on the last day with a score",
    zh="最近一次满意度",
    requires=["score"],
)
def satisfaction_last(past: Past) -> ir.Scalar:
    """Mean of the scores given on the newest day that has one."""
    scored = past.scored > 0
    return past.last(past.satisfaction, scored) / past.last(past.scored, scored) / SATISFACTION_SCALE


@feature(
    DAY,
    windows=middle_and_ever,
    unit="share",
    group="SATISFACTION_LEVEL",
    en="Lowest satisfaction {window}",
    zh="{window}最低满意度",
    requires=["score"],
)
def satisfaction_min(past: Past) -> ir.Scalar:
    """Least normalised score."""
    return past.min(past.lowest) / SATISFACTION_SCALE


@feature(
    DAY,
    windows=middle,
    unit="share",
    group="SATISFACTION_TREND",
    en="Mean satisfaction {window} minus that of all time before",
    zh="{window}满意度与此前之差",
    requires=["score"],
)
def satisfaction_change(past: Past) -> ir.Scalar:
    """Mean score within the window minus the mean of older scores; null when either is missing."""
    return past.change(past.satisfaction, past.scored) / SATISFACTION_SCALE


@feature(
    DAY,
    unit="share",
    group="SATISFACTION_TREND",
    en="Satisfaction on the last scored day minus the mean so far",
    zh="最近满意度与历史平均之差",
    requires=["score"],
)
def satisfaction_last_change(past: Past) -> ir.Scalar:
    """Last satisfaction minus the mean of all scores, that day's included."""
    scored = past.scored > 0
    last = past.last(past.satisfaction, scored) / past.last(past.scored, scored)
    return (last - past.ratio(past.satisfaction, past.scored)) / SATISFACTION_SCALE


@feature(
    DAY,
    unit="class",
    group="SATISFACTION_LEVEL",
    en="NPS class of the last day with an NPS score: -1 detractor, 0 passive, 1 promoter",
    zh="最近NPS类别：-1贬损，0中立，1推荐",
    requires=["score"],
)
def nps_class_last(past: Past) -> ir.Scalar:
    """Promoter from 9 of 10, passive from 7, else detractor; of several on one day the mean decides."""
    asked = past.nps_scored > 0
    tenths = past.last(past.nps, asked) * 10
    answers = past.last(past.nps_scored, asked) * SATISFACTION_SCALE
    # One part in a million below a class boundary is rounding of the fixed point, not an answer.
    promoter = tenths >= answers * PROMOTER_TENTHS - answers // 2**16
    passive = tenths >= answers * PASSIVE_TENTHS - answers // 2**16
    return promoter.cast("int64") + passive.cast("int64") - 1


@feature(DAY, unit="days", group="NEVER_ASKED", en="Days since the last score", zh="距上次评分天数", requires=["score"])
def days_since_last_score(past: Past) -> ir.Scalar:
    """Age of the newest day with a score."""
    return past.days_since_last(past.scored > 0)


@feature(
    DAY,
    windows=middle_and_ever,
    empty=0,
    unit="scores",
    group="NEVER_ASKED",
    en="Scores given {window}",
    zh="{window}评分次数",
    requires=["score"],
)
def score_count(past: Past) -> ir.Scalar:
    """Rows with a score."""
    return past.sum(past.scored)


@feature(
    DAY,
    unit="share",
    group="NEVER_ASKED",
    en="Share of surveys answered with a score",
    zh="问卷回复率",
    requires=["score"],
)
def response_share(past: Past) -> ir.Scalar:
    """Rows with a score over rows that asked for one; null when never asked."""
    return past.ratio(past.scored, past.asked)


@feature(
    DAY,
    windows=each,
    empty=0,
    unit="surveys",
    group="NEVER_ASKED",
    en="Surveys without an answer {window}",
    zh="{window}未回复问卷数",
    requires=["score"],
)
def unanswered_count(past: Past) -> ir.Scalar:
    """Rows that asked for a score minus rows with one: who has left does not answer."""
    return past.sum(past.asked) - past.sum(past.scored)


@feature(DAY, empty=1, unit="0/1", group="NEVER_ASKED", en="1 when never asked for a score", zh="从未被询问满意度则为1")
def never_asked(past: Past) -> ir.Scalar:
    """1 unless a survey or review was sent or a score given."""
    return 1 - past.any(past.asked > 0)
