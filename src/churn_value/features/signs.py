"""Features of the customer over all tables of events: the last sign of life in any of them, and the silence since.

A table by itself says little about a silence that another breaks. A *sign of life* is something the customer did: a
line bought, a visit of any kind, or feedback; a survey that was sent and not answered is none. Returns, payments and
contracts are none either: they end what was begun earlier, and often by themselves.

With one table of events only there is nothing to put together, and none of these features.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from churn_value.features.declare import feature
from churn_value.features.feedback import SURVEY_KINDS
from churn_value.features.grain import Grain, Measure, together
from churn_value.features.past import Past
from churn_value.features.purchases import bought_lines


def _is_unanswered(row: ir.Table) -> ir.BooleanValue:
    """A survey that was sent and not answered."""
    return row.kind.isin(SURVEY_KINDS).fill_null(False) & row.satisfaction.isnull()


def _one(row: ir.Table) -> ir.IntegerValue:
    return row.customer_id.notnull().cast("int64")


def _none(_: ir.Table) -> ir.IntegerValue:
    return ibis.literal(0, "int64")


DAY = together(
    Grain("", "day", gaps_of="signs", silence_of="signs"),
    (
        Grain("purchases", "day", before={"signs": Measure(bought_lines), "unanswered": Measure(_none)}),
        Grain("visits", "day", before={"signs": Measure(_one), "unanswered": Measure(_none)}),
        Grain(
            "feedback",
            "day",
            before={
                "signs": Measure(lambda row: (~_is_unanswered(row)).cast("int64")),
                "unanswered": Measure(lambda row: _is_unanswered(row).cast("int64")),
            },
        ),
    ),
)


@feature(
    DAY,
    unit="days",
    group="LAST_SIGN",
    en="Days since the last purchase, visit or feedback, whichever came last",
    zh="距上次购买、访问或反馈（取最近者）天数",
)
def days_since_last_sign(past: Past) -> ir.Scalar:
    """Age of the newest day with a sign of life in any table."""
    return past.days_since_last(past.signs > 0)


@feature(
    DAY,
    empty=0,
    unit="days",
    group="LAST_SIGN",
    en="Days with a purchase, a visit or feedback",
    zh="有购买、访问或反馈的天数",
)
def sign_days(past: Past) -> ir.Scalar:
    """Days with at least one sign of life."""
    return past.count(past.signs > 0)


@feature(
    DAY,
    unit="ratio",
    group="LAST_SIGN",
    en="Days since the last purchase, visit or feedback, over the usual pause between such days",
    zh="距上次购买、访问或反馈天数与此类日子的平均间隔之比",
)
def sign_overdue_ratio(past: Past) -> ir.Scalar:
    """Silence over the mean gap between days with a sign: how many signs are missing at the customer's own pace."""
    return past.days_since_last(past.signs > 0) / past.mean(past.gap_days)


@feature(
    DAY,
    empty=0,
    unit="surveys",
    group="LAST_SIGN",
    en="Surveys left unanswered since the last purchase, visit or feedback",
    zh="上次购买、访问或反馈之后未回复的问卷数",
    requires=["feedback.score"],
)
def unanswered_since_sign(past: Past) -> ir.Scalar:
    """Unanswered surveys on days after the last sign; all of them where there was none."""
    return past.sum(past.unanswered, past.is_silent)
