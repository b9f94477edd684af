from __future__ import annotations

import pytest

from churn_value.errors import RequestError
from churn_value.scoring.wording import counted, language_of, money, number, share, writer


@pytest.mark.parametrize(
    ("locale", "language"),
    [("en", "en"), ("en-US", "en"), ("EN_gb", "en"), ("zh", "zh"), ("zh-CN", "zh"), ("zh_Hans_CN", "zh")],
)
def test_locales_with_and_without_region(locale, language):
    assert language_of(locale) == language


@pytest.mark.parametrize("locale", ["", "fr", "english", "z", "de-en"])
def test_other_locales_are_refused_by_name(locale):
    with pytest.raises(RequestError) as caught:
        language_of(locale)
    assert caught.value.code == "LOCALE_UNKNOWN"


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (183420, "GBP", "£1,834.20"),
        (-300, "EUR", "-€3.00"),
        (-0.2, "EUR", "€0.00"),
        (1234567, "JPY", "JPY 1,234,567"),
        (1234567, "KWD", "KWD 1,234.567"),
        (5, "CNY", "¥0.05"),
        (0, "USD", "$0.00"),
    ],
)
def test_money(minor, currency, text):
    assert money(minor, currency) == text


@pytest.mark.parametrize(("value", "text"), [(0.125, "12%"), (0.004, "0.4%"), (1, "100%"), (0, "0%"), (-0.05, "-5%")])
def test_shares_are_percentages(value, text):
    assert share(value) == text


@pytest.mark.parametrize(
    ("value", "unit", "en", "zh"),
    [
        (1, "orders", "1 order", "1笔订单"),
        (0, "orders", "0 orders", "0笔订单"),
        (2.0, "visits", "2 visits", "2次访问"),
        (12.34, "days", "12.3 days", "12.3天"),
        (0.99, "days", "1 day", "1天"),
        (1234, "days", "1,234 days", "1,234天"),
        (3, "nats", "3", "3"),
    ],
)
def test_counts_have_the_right_plural(value, unit, en, zh):
    assert counted(value, unit, "en") == en
    assert counted(value, unit, "zh") == zh


@pytest.mark.parametrize(("value", "text"), [(2.0, "2"), (0.126, "0.13"), (-0.001, "0"), (1234.5, "1,234")])
def test_bare_numbers(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("name", "unit", "text"),
    [
        ("spend_minor_90d", "minor units", "£12.00"),
        ("late_share", "share", "120,000%"),
        ("mean_gap_days", "", "1,200 days"),
        ("order_count_90d", "orders", "1,200 orders"),
        ("gap_overdue_ratio", "ratio", "1,200"),
    ],
)
def test_a_feature_is_written_in_its_unit(name, unit, text):
    assert writer(name=name, unit=unit, currency="GBP", language="en")(1200.0) == text
