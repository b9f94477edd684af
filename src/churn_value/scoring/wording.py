"""Languages, and how numbers, money, shares and counts are written in them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

from churn_value.errors import RequestError
from churn_value.tables.currencies import minor_exponent

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

_SYMBOLS = {"GBP": "£", "USD": "$", "EUR": "€", "CNY": "¥"}

# What a count counts: one, many, and the Chinese measure word with its noun.
_COUNTED: dict[str, tuple[str, str, str]] = {
    "days": ("day", "days", "天"),
    "orders": ("order", "orders", "笔订单"),
    "purchases": ("purchase", "purchases", "次购买"),
    "returns": ("return", "returns", "次退货"),
    "items": ("item", "items", "件商品"),
    "products": ("product", "products", "种商品"),
    "categories": ("category", "categories", "个品类"),
    "channels": ("channel", "channels", "个渠道"),
    "visits": ("visit", "visits", "次访问"),
    "sessions": ("session", "sessions", "次会话"),
    "events": ("event", "events", "个事件"),
    "answers": ("answer", "answers", "次反馈"),
    "complaints": ("complaint", "complaints", "次投诉"),
    "tickets": ("ticket", "tickets", "张工单"),
    "payments": ("payment", "payments", "笔付款"),
    "lines": ("line", "lines", "行"),
    "pieces": ("piece", "pieces", "件"),
    "invoices": ("invoice", "invoices", "张账单"),
    "disputes": ("dispute", "disputes", "次争议"),
    "contracts": ("contract", "contracts", "份合同"),
    "cases": ("case", "cases", "件"),
    "scores": ("score", "scores", "次评分"),
    "s": ("second", "seconds", "秒"),
    "seconds": ("second", "seconds", "秒"),
    "years": ("year", "years", "年"),
    "points": ("point", "points", "分"),
}


def language_of(locale: str) -> Language:
    """Language of a locale, as in ``en``, ``en-US``, ``zh``, ``zh-CN`` or ``zh_Hans``.

    Raises
    ------
    RequestError
        ``LOCALE_UNKNOWN`` when the language is neither.
    """
    language = locale.replace("_", "-").split("-")[0].lower()
    if language not in LANGUAGES:
        raise RequestError(
            "locale must be English or Chinese",
            code="LOCALE_UNKNOWN",
            where="locale",
            received=locale[:20],
            remedy="send en or zh",
        )
    return "en" if language == "en" else "zh"


def minor_units(currency: str) -> int:
    """Minor units in one unit: 100 pence in a pound, 1 yen in a yen."""
    return int(10 ** minor_exponent(currency))


def money(amount_minor: float, currency: str) -> str:
    """An amount with its currency and separators, as in ``£1,834.20``, ``-€3.00`` or ``SEK 12.00``."""
    digits = minor_exponent(currency)
    amount = f"{abs(amount_minor) / 10**digits:,.{digits}f}"
    sign = "-" if amount_minor < 0 and amount.strip("0.") else ""
    return f"{sign}{_SYMBOLS.get(currency) or currency + ' '}{amount}"


def share(value: float) -> str:
    """A share 0–1 as a percentage, as in ``12%`` or ``0.4%``."""
    percent = 100 * value
    return f"{_plain(percent, 1 if abs(percent) < 10 else 0)}%"


def number(value: float) -> str:
    """A bare number: whole ones without decimals, others with at most two."""
    return _plain(value, 2 if abs(value) < 100 else 0)


def counted(value: float, unit: str, language: Language) -> str:
    """A number of things, as in ``1 order``, ``2.5 days`` or ``3 笔订单``; a unit without words is left out."""
    written = _plain(value, 1 if abs(value) < 100 else 0)
    words = _COUNTED.get(unit)
    if words is None:
        return written
    one, many, chinese = words
    if language == "zh":
        return f"{written}{chinese}"
    return f"{written} {one if written == '1' else many}"


def _plain(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "–"
    if value == int(value):
        return f"{int(value):,}"
    written = f"{value:,.{digits}f}"
    if "." in written:
        written = written.rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def writer(*, name: str, unit: str, currency: str, language: Language) -> Callable[[float], str]:
    """How a feature's values are written: by its unit, else by the endings ``_minor``, ``_share`` and ``_days``."""
    if unit == "minor units" or "_minor" in name:
        return partial(money, currency=currency)
    if unit == "share" or name.endswith("_share"):
        return share
    if unit in _COUNTED:
        return partial(counted, unit=unit, language=language)
    if name.endswith("_days"):
        return partial(counted, unit="days", language=language)
    return number
