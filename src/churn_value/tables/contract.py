"""The table contract: each table and column, its unit and its meaning, written here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from churn_value.tables.specs import Column, TableSpec

VISIT_KINDS = ("view", "click", "search", "cart", "login", "share", "like", "comment", "redeem")
FEEDBACK_KINDS = ("csat", "nps", "review", "complaint", "ticket")

_CUSTOMER = Column("customer_id", "id", "-", "the customer", "客户", required=True)
_EVENT_ID = Column("event_id", "id", "-", "the row itself; a repeated one is a duplicate", "事件编号，重复即为重复行")
_KNOWN_AT = Column(
    "known_at", "time", "UTC", "when our tables could know it; default: when it happened", "系统可知时间"
)
_CHANNEL = Column("channel", "text", "-", "where it happened, as in web or store", "渠道")
_CATEGORY = Column("category", "text", "-", "product category", "品类")


def _event_time(en: str, zh: str) -> Column:
    return Column("event_time", "time", "UTC", en, zh, required=True)


PURCHASES = TableSpec(
    "purchases",
    (
        _CUSTOMER,
        _event_time("when it was bought, or returned", "购买或退货时间"),
        Column(
            "amount",
            "money",
            "minor units",
            "net amount of the line; returns lower it",
            "净额，退货为负",
            required=True,
        ),
        Column("order_id", "id", "-", "order the line belongs to", "订单"),
        Column("product_id", "id", "-", "product", "商品"),
        _CATEGORY,
        Column("quantity", "number", "pieces", "pieces; negative for returns", "数量，退货为负"),
        Column("margin", "money", "minor units", "gross margin of the line", "毛利"),
        _CHANNEL,
        Column("currency", "text", "ISO 4217", "currency of amount and margin; default: the configuration's", "币种"),
        _KNOWN_AT,
        Column("is_return", "flag", "-", "goods came back; default: a negative amount", "是否退货"),
        _EVENT_ID,
    ),
    time="event_time",
    en="one line of an order, or of a return",
    zh="一条订单明细或退货明细",
)

VISITS = TableSpec(
    "visits",
    (
        _CUSTOMER,
        _event_time("when it happened", "发生时间"),
        Column(
            "kind",
            "kind",
            "-",
            f"what was done: {', '.join(VISIT_KINDS)}, or a word of your own",
            "行为类型",
            required=True,
        ),
        _CHANNEL,
        Column("item", "id", "-", "what was looked at", "浏览对象"),
        _CATEGORY,
        Column("duration_s", "number", "s", "time spent", "停留时长"),
        Column("session_id", "id", "-", "session it belongs to", "会话"),
        _KNOWN_AT,
        _EVENT_ID,
    ),
    time="event_time",
    en="one visit, click or other act without a purchase",
    zh="一次访问、点击等行为",
)

FEEDBACK = TableSpec(
    "feedback",
    (
        _CUSTOMER,
        _event_time("when it was given, or asked for and not answered", "反馈时间"),
        Column(
            "kind",
            "kind",
            "-",
            "survey, review, complaint or ticket",
            "反馈类型",
            required=True,
            allowed=FEEDBACK_KINDS,
        ),
        Column("score", "number", "points", "answer on its scale; null: asked, not answered", "评分，空为未回答"),
        Column("scale_min", "number", "points", "worst answer; default: csat 1, review 1, nps 0", "量表下限"),
        Column("scale_max", "number", "points", "best answer; default: csat 5, review 5, nps 10", "量表上限"),
        Column(
            "satisfaction",
            "number",
            "share",
            "(score - min) / (max - min); null without a score",
            "满意度",
            derived=True,
        ),
        Column("topic", "text", "-", "what it was about", "主题"),
        Column(
            "resolved_at", "time", "UTC", "when a complaint or ticket was closed; null: open", "解决时间，空为未解决"
        ),
        Column("text", "text", "-", "free text", "原文"),
        _KNOWN_AT,
        _EVENT_ID,
    ),
    time="event_time",
    en="one survey answer, review, complaint or ticket",
    zh="一次问卷、评价、投诉或工单",
)

PAYMENTS = TableSpec(
    "payments",
    (
        _CUSTOMER,
        Column("due_at", "time", "UTC", "when it has to be paid", "到期时间", required=True, may_be_future=True),
        Column("amount", "money", "minor units", "amount due", "应付金额", required=True),
        Column("paid_at", "time", "UTC", "when it was paid in full; null: not paid", "付清时间，空为未付"),
        Column("disputed", "flag", "-", "whether the customer disputed it", "是否有争议"),
        Column("disputed_at", "time", "UTC", "when it was disputed", "争议时间"),
        Column("currency", "text", "ISO 4217", "currency of amount; default: the configuration's", "币种"),
        _KNOWN_AT,
        _EVENT_ID,
    ),
    time="due_at",
    en="one invoice or instalment",
    zh="一张账单或一期分期",
)

CUSTOMERS = TableSpec(
    "customers",
    (
        _CUSTOMER,
        Column("signup_at", "time", "UTC", "when they became a customer", "注册时间"),
        Column(
            "valid_from",
            "time",
            "UTC",
            "from when the row holds; several rows make a history",
            "生效时间",
            may_be_future=True,
        ),
        Column("region", "text", "-", "where they live", "地区", attribute=True),
        Column("birth_year", "number", "year", "year of birth", "出生年份", attribute=True),
        Column("gender", "text", "-", "gender", "性别", attribute=True),
        Column("plan", "text", "-", "plan or membership level", "套餐或会员等级", attribute=True),
    ),
    time=None,
    unique=("customer_id", "valid_from"),
    has_attributes=True,
    en="what is known of one customer, from `valid_from` on",
    zh="一位客户的属性（自生效时间起）",
)

CONTRACTS = TableSpec(
    "contracts",
    (
        _CUSTOMER,
        Column("started_at", "time", "UTC", "when it began", "开始时间", required=True),
        Column(
            "ended_at",
            "time",
            "UTC",
            "when it ended or will end; null: open",
            "结束时间，空为未结束",
            may_be_future=True,
        ),
        Column("plan", "text", "-", "plan or contract type", "套餐"),
        Column("price", "money", "minor units", "price per billing period", "每期价格"),
        Column("currency", "text", "ISO 4217", "currency of price; default: the configuration's", "币种"),
        _KNOWN_AT,
        Column("contract_id", "id", "-", "contract", "合同"),
    ),
    time="started_at",
    unique=("*",),
    en="one contract or subscription",
    zh="一份合同或订阅",
)

SNAPSHOTS = TableSpec(
    "snapshots",
    (
        _CUSTOMER,
        Column("as_of", "day", "day", "day the row describes", "快照日期"),
        Column("label", "label", "0/1", "whether the customer left afterwards; null: not yet known", "是否流失"),
    ),
    time="as_of",
    unique=("customer_id", "as_of"),
    has_attributes=True,
    en="one row of a ready-made churn table",
    zh="现成流失表中的一行",
)

CONTRACT: Mapping[str, TableSpec] = MappingProxyType(
    {spec.name: spec for spec in (PURCHASES, VISITS, FEEDBACK, PAYMENTS, CUSTOMERS, CONTRACTS, SNAPSHOTS)}
)
"""Each table of the contract by name, in the order reports list them."""
