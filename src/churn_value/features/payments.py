"""Features of payment discipline: lateness, what is overdue now, its trend, and disputes.

An invoice is past once it was due. Paid on the day it was due is on time. While unpaid, an invoice is as late as it is
old: waiting for the payment before counting it would make the worst payers look best. A dispute without a date counts
as known when the invoice was due.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from churn_value.features.declare import feature, middle, middle_and_ever
from churn_value.features.grain import Grain, Measure
from churn_value.features.past import Past


def _is_unpaid(row: ir.Table) -> ir.BooleanValue:
    return row.paid_at.isnull()


def _days_late(row: ir.Table) -> ir.IntegerValue:
    """Days from due to paid, or to as_of while unpaid; 0 when paid in time."""
    late = row.paid_at.fill_null(row.as_of_day) - row.event_day
    return ibis.greatest(late, 0)


DAY = Grain(
    "payments",
    "day",
    masked=("paid_at", "disputed_at"),
    before={
        "dues": Measure(lambda row: row.amount_minor.notnull().cast("int64")),
        "billed_minor": Measure(lambda row: row.amount_minor),
    },
    after={
        "late_days": Measure(lambda row: _days_late(row) * row.dues),
        "most_late_days": Measure(_days_late, "max"),
        "late": Measure(lambda row: (_days_late(row) > 0).ifelse(row.dues, 0)),
        "early": Measure(lambda row: (row.paid_at < row.event_day).fill_null(False).ifelse(row.dues, 0)),
        "overdue": Measure(lambda row: _is_unpaid(row).ifelse(row.dues, 0)),
        "overdue_minor": Measure(lambda row: _is_unpaid(row).ifelse(row.billed_minor, 0)),
        "disputes": Measure(lambda row: row.disputed_at.notnull().ifelse(row.dues, 0)),
    },
)


@feature(
    DAY,
    windows=middle_and_ever,
    empty=0,
    unit="payments",
    group="PROFILE",
    en="Payments due {window}",
    zh="{window}到期账单数",
)
def due_count(past: Past) -> ir.Scalar:
    """Invoices and instalments that fell due."""
    return past.sum(past.dues)


@feature(
    DAY,
    windows=middle_and_ever,
    empty=0,
    unit="minor units",
    group="PROFILE",
    en="Amount due {window}",
    zh="{window}到期金额",
)
def due_amount_minor(past: Past) -> ir.Scalar:
    """Sum of amounts that fell due."""
    return past.sum(past.billed_minor)


@feature(
    DAY,
    windows=middle_and_ever,
    unit="days",
    group="PAYMENT_LATENESS",
    en="Mean days late of payments due {window}",
    zh="{window}平均逾期天数",
    requires=["paid_at"],
)
def days_late_mean(past: Past) -> ir.Scalar:
    """Mean days late; unpaid ones count from due to as_of."""
    return past.ratio(past.late_days, past.dues)


@feature(
    DAY,
    windows=middle_and_ever,
    unit="days",
    group="PAYMENT_LATENESS",
    en="Most days late of payments due {window}",
    zh="{window}最长逾期天数",
    requires=["paid_at"],
)
def days_late_max(past: Past) -> ir.Scalar:
    """Greatest days late."""
    return past.max(past.most_late_days)


@feature(
    DAY,
    unit="days",
    group="PAYMENT_LATENESS",
    en="Mean days late of payments on the last due day",
    zh="最近一期逾期天数",
    requires=["paid_at"],
)
def days_late_last(past: Past) -> ir.Scalar:
    """Mean days late of the payments on the newest due day."""
    return past.last(past.late_days) / past.last(past.dues)


@feature(
    DAY,
    windows=middle_and_ever,
    unit="share",
    group="PAYMENT_LATENESS",
    en="Share of payments due {window} that were late or are unpaid",
    zh="{window}逾期比例",
    requires=["paid_at"],
)
def late_share(past: Past) -> ir.Scalar:
    """Payments at least one day late, over all that fell due."""
    return past.ratio(past.late, past.dues)


@feature(
    DAY,
    windows=middle_and_ever,
    unit="share",
    group="PAYMENT_LATENESS",
    en="Share of payments due {window} that were paid before the due day",
    zh="{window}提前付款比例",
    requires=["paid_at"],
)
def paid_early_share(past: Past) -> ir.Scalar:
    """Payments made at least one day early, over all that fell due."""
    return past.ratio(past.early, past.dues)


@feature(
    DAY,
    windows=middle_and_ever,
    unit="share",
    group="OVERDUE",
    en="Share of payments due {window} that are unpaid at as_of",
    zh="{window}到期未付比例",
    requires=["paid_at"],
)
def overdue_share(past: Past) -> ir.Scalar:
    """Payments due before as_of and not paid before as_of, over all that fell due."""
    return past.ratio(past.overdue, past.dues)


@feature(
    DAY,
    empty=0,
    unit="payments",
    group="OVERDUE",
    en="Payments overdue at as_of",
    zh="当前逾期笔数",
    requires=["paid_at"],
)
def overdue_count(past: Past) -> ir.Scalar:
    """Payments due before as_of and not paid before as_of."""
    return past.sum(past.overdue)


@feature(
    DAY,
    empty=0,
    unit="minor units",
    group="OVERDUE",
    en="Amount overdue at as_of",
    zh="当前逾期金额",
    requires=["paid_at"],
)
def overdue_amount_minor(past: Past) -> ir.Scalar:
    """Amount due before as_of and not paid before as_of."""
    return past.sum(past.overdue_minor)


@feature(
    DAY,
    unit="days",
    group="OVERDUE",
    en="Age of the oldest payment overdue at as_of",
    zh="最久逾期天数",
    requires=["paid_at"],
)
def oldest_overdue_days(past: Past) -> ir.Scalar:
    """Greatest age of an unpaid payment."""
    return past.days_since_first(past.overdue > 0)


@feature(
    DAY,
    windows=middle,
    unit="days",
    group="PAYMENT_TREND",
    en="Mean days late {window} minus that of all time before",
    zh="{window}平均逾期天数与此前之差",
    requires=["paid_at"],
)
def days_late_change(past: Past) -> ir.Scalar:
    """Mean lateness within the window minus that of older payments; above 0 discipline fades."""
    return past.change(past.late_days, past.dues)


@feature(
    DAY,
    windows=middle,
    unit="share",
    group="PAYMENT_TREND",
    en="Share of late payments {window} minus that of all time before",
    zh="{window}逾期比例与此前之差",
    requires=["paid_at"],
)
def late_share_change(past: Past) -> ir.Scalar:
    """Late share within the window minus that of older payments."""
    return past.change(past.late, past.dues)


@feature(
    DAY,
    windows=middle_and_ever,
    empty=0,
    unit="disputes",
    group="DISPUTES",
    en="Disputed payments due {window}",
    zh="{window}争议笔数",
    requires=["disputed"],
)
def dispute_count(past: Past) -> ir.Scalar:
    """Payments disputed before as_of."""
    return past.sum(past.disputes)


@feature(
    DAY,
    unit="share",
    group="DISPUTES",
    en="Share of payments disputed so far",
    zh="历史争议比例",
    requires=["disputed"],
)
def dispute_share(past: Past) -> ir.Scalar:
    """Payments disputed before as_of over all that fell due."""
    return past.ratio(past.disputes, past.dues)
