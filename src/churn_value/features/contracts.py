"""Features of contracts: whether one runs, for how long, at what price, and when the last one ended.

A contract runs at as_of when it started before and had not ended before. An end that lies ahead is not known here, even
if it is booked: what is booked leaks the outcome.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from churn_value.features.declare import feature
from churn_value.features.grain import Grain, Measure
from churn_value.features.past import Past

DAY = Grain(
    "contracts",
    "day",
    masked=("ended_at",),
    carried={"plan": lambda row: row.plan.fill_null("")},
    before={
        "contracts": Measure(lambda row: row.started_at.notnull().cast("int64")),
        "price_minor": Measure(lambda row: row.price_minor.fill_null(0)),
        "priced": Measure(lambda row: row.price_minor.notnull().cast("int64")),
    },
    after={
        "running": Measure(lambda row: row.ended_at.isnull().ifelse(row.contracts, 0)),
        "running_price_minor": Measure(lambda row: row.ended_at.isnull().ifelse(row.price_minor, 0)),
        "running_priced": Measure(lambda row: row.ended_at.isnull().ifelse(row.priced, 0)),
        "running_plan": Measure(lambda row: row.ended_at.isnull().ifelse(row.plan, ibis.null("string")), "max"),
        "days_since_end": Measure(lambda row: row.as_of_day - row.ended_at, "min"),
    },
)


@feature(DAY, empty=0, unit="0/1", group="CONTRACT", en="1 when a contract runs at as_of", zh="当前有合同则为1")
def contract_active(past: Past) -> ir.Scalar:
    """Whether any contract started and not ended before as_of."""
    return past.any(past.running > 0)


@feature(DAY, empty=0, unit="contracts", group="CONTRACT", en="Contracts running at as_of", zh="当前合同数")
def contract_active_count(past: Past) -> ir.Scalar:
    """Contracts started and not ended before as_of."""
    return past.sum(past.running)


@feature(DAY, empty=0, unit="contracts", group="CONTRACT", en="Contracts so far", zh="历史合同数")
def contract_count(past: Past) -> ir.Scalar:
    """Contracts started before as_of."""
    return past.sum(past.contracts)


@feature(DAY, unit="days", group="CONTRACT", en="Age of the newest running contract", zh="最新有效合同已持续天数")
def contract_age_days(past: Past) -> ir.Scalar:
    """Days since the start of the newest contract that runs."""
    return past.days_since_last(past.running > 0)


@feature(DAY, unit="days", group="TENURE", en="Days since the first contract began", zh="距首份合同开始天数")
def contract_tenure_days(past: Past) -> ir.Scalar:
    """Age of the oldest contract, running or not."""
    return past.days_since_first()


@feature(
    DAY,
    unit="days",
    group="CONTRACT",
    en="Days since a contract last ended",
    zh="距上次合同结束天数",
    requires=["ended_at"],
)
def days_since_contract_end(past: Past) -> ir.Scalar:
    """Days since the newest end before as_of; null when none has ended."""
    return past.min(past.days_since_end)


@feature(
    DAY,
    unit="minor units",
    group="PLAN_PRICE",
    en="Price per billing period of the running contracts",
    zh="当前合同每期价格",
    requires=["price"],
)
def contract_price_minor(past: Past) -> ir.Scalar:
    """Sum over contracts that run; null when none of them has a price."""
    priced = past.sum(past.running_priced) > 0
    return priced.ifelse(past.sum(past.running_price_minor), ibis.null("int64"))


@feature(
    DAY,
    dtype="category",
    unit="category",
    group="CONTRACT",
    en="Plan of the newest running contract",
    zh="最新有效合同的套餐",
    requires=["plan"],
)
def contract_plan(past: Past) -> ir.Scalar:
    """Plan of the newest contract that runs; of several begun on one day the last by name."""
    return past.last(past.running_plan, past.running > 0).nullif("")
