"""Features of what purchases leave: margin, and what came back."""

from __future__ import annotations

import ibis.expr.types as ir

from churn_value.features.declare import feature, middle_and_ever, middle_and_longest
from churn_value.features.past import Past
from churn_value.features.purchases import DAY


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
