from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scored_company import COEFFICIENTS, FEATURES, PARAMETERS, described, population

from churn_value.features.catalog import catalog
from churn_value.scoring.reason_catalog import phrasing, reason_texts
from churn_value.scoring.reason_groups import groups_of
from churn_value.scoring.reasons import LEAST_SHARE, Teller, explained, values_of
from churn_value.scoring.score import score
from churn_value.tables.contract import CONTRACT

TWO = (
    described("order_count_30d", "FREQUENCY", "orders", window=30),
    described("order_count_90d", "FREQUENCY", "orders", window=90),
    described("spend_minor", "SPEND", "minor units"),
    described("complaint_count_90d", "COMPLAINTS", "complaints", window=90),
    described("attr_a", "PROFILE", dtype="category"),
    described("attr_b", "PROFILE", dtype="category"),
)
FRAME = pd.DataFrame(
    {
        "order_count_30d": [1.0, 2.0],
        "order_count_90d": [3.0, np.nan],
        "spend_minor": [183420.0, 5.0],
        "complaint_count_90d": [np.nan, 1.0],
        "attr_a": pd.Series(["x", None], dtype=object),
        "attr_b": pd.Series(["y", "z"], dtype=object),
    }
)
CONTRIBUTIONS = np.array([[0.5, -0.25, -0.4, 9.0, 0.05, 0.2, -1.0], [-0.2, -0.5, 0.1, 0.4, 7.0, 0.001, -1.0]])
TYPICAL = {"order_count_30d": 2.0, "spend_minor": 100.0, "attr_b": "z"}


def told(top=10, language="en", head="churn", typical=TYPICAL):
    values = values_of(FRAME, TWO)
    heads = explained(head, CONTRIBUTIONS, CONTRIBUTIONS.sum(axis=1), values)
    return Teller(heads, values, typical, currency="GBP", language=language, top=top)


def test_groups_add_their_features_and_the_largest_comes_first():
    reasons = told().reasons(0)
    assert [(one.code, one.feature, one.contribution, one.direction) for one in reasons] == [
        ("SPEND", "spend_minor", -0.4, "down"),
        ("FREQUENCY", "order_count_30d", 0.25, "up"),
        ("PROFILE", "attr_b", 0.2, "up"),
    ]


def test_a_group_of_which_nothing_is_known_gives_no_reason_however_large():
    assert "COMPLAINTS" not in [one.code for one in told().reasons(0)]
    assert "attr_a" not in [one.feature for one in told().reasons(1)]


def test_the_feature_that_speaks_has_a_value_and_points_the_way_of_its_group():
    first = told().reasons(1)
    frequency = next(one for one in first if one.code == "FREQUENCY")
    assert frequency.feature == "order_count_30d"  # the 90 day count weighs more but is not known
    assert frequency.contribution == -0.7


@pytest.mark.parametrize(("pair", "speaker"), [((-0.5, 0.2), "order_count_30d"), ((-0.5, 0.7), "order_count_90d")])
def test_a_feature_that_points_the_other_way_never_speaks_for_its_group(pair, speaker):
    row = np.array([[*pair, 0.0, 0.0, 0.0, 0.0, 0.0]])
    heads = explained("churn", row, row.sum(axis=1), first_row())
    (reason,) = Teller(heads, first_row(), {}, currency="GBP", language="en", top=1).reasons(0)
    assert reason.feature == speaker
    assert reason.direction == ("up" if sum(pair) > 0 else "down")


def first_row():
    return values_of(FRAME.iloc[[0]], TWO)


def test_what_hardly_moves_the_score_gives_no_reason():
    reasons = told().reasons(1)
    assert "attr_b" not in [one.feature for one in reasons]
    total = np.abs([-0.7, 0.1, 0.4, 7.0, 0.001]).sum()
    assert all(abs(one.contribution) / total >= LEAST_SHARE or one.code == "SPEND" for one in reasons)


def test_top_limits_the_reasons():
    assert len(told(top=2).reasons(0)) == 2
    assert told(top=0).reasons(0) == ()


SILENCE = (
    described("gap_overdue_ratio", "GAP_OVERDUE"),
    described("sign_overdue_ratio", "LAST_SIGN"),
    described("spend_minor", "SPEND", "minor units"),
    described("order_count_30d", "FREQUENCY", "orders", window=30),
)


def told_of_silence(*, signs, top, contributions=(2.0, 3.0, 1.0, 0.5, -1.0)):
    """Codes of the reasons of a customer silent for four gaps of purchases, and for `signs` gaps of signs of life."""
    columns = [feature.name for feature in SILENCE]
    values = values_of(pd.DataFrame([[4.0, signs, 500.0, 2.0]], columns=columns), SILENCE)
    row = np.array([contributions])
    heads = explained("churn", row, row.sum(axis=1), values)
    teller = Teller(heads, values, {}, currency="GBP", language="en", top=top)
    return [reason.code for reason in teller.reasons(0)]


def test_a_fact_is_told_once_and_the_next_reason_takes_the_place():
    assert told_of_silence(signs=4.0, top=3) == ["GAP_OVERDUE", "SPEND", "FREQUENCY"]
    assert told_of_silence(signs=2.5, top=3) == ["LAST_SIGN", "GAP_OVERDUE", "SPEND"]
    # Where the other does not speak among those that are shown, nothing is told twice.
    assert told_of_silence(signs=4.0, top=1) == ["LAST_SIGN"]
    assert told_of_silence(signs=4.0, top=0) == []


def test_every_echo_is_of_features_there_are():
    names = {feature.name for feature in whole_catalog().features}
    echoes = reason_texts().echoes
    assert {*echoes, *echoes.values()} <= names


def test_importance_is_the_share_of_all_that_moves_the_score():
    values = values_of(FRAME.iloc[[0]].assign(complaint_count_90d=1.0), TWO)
    row = np.array([[0.25, 0.0, 0.10, 0.6, 0.05, 0.0, 0.0]])
    heads = explained("churn", row, row.sum(axis=1), values)
    reasons = Teller(heads, values, {}, currency="GBP", language="en", top=9).reasons(0)
    assert [one.importance for one in reasons] == ["high", "high", "medium", "low"]


def test_values_are_shown_in_currency_units_and_told_in_words():
    reasons = told().reasons(0)
    assert (reasons[0].value, reasons[0].typical) == (1834.2, 1.0)
    assert reasons[0].text == "Spending: £1,834.20 net so far (typical of all customers: £1.00) – speaks for staying"
    assert reasons[1].text == (
        "How often the customer buys: 1 order in the last 30 days (typical of all customers: 2 orders)"
        " – raises the risk of leaving"
    )
    assert reasons[2].text == "Attr b: y (typical of all customers: z) – raises the risk of leaving"


def test_the_same_in_chinese_for_the_value_head():
    reasons = told(language="zh", head="value").reasons(0)
    assert reasons[0].text == "消费金额：累计净消费£1,834.20（全体客户一般为£1.00），预期价值降低"
    assert reasons[1].text == "购买频率：近30天1笔订单（全体客户一般为2笔订单），预期价值升高"


@pytest.mark.parametrize(
    ("typical", "text"),
    [
        ({"attr_b": "y"}, "Attr b: y – raises the risk of leaving"),
        ({"attr_b": "z"}, "Attr b: y (typical of all customers: z) – raises the risk of leaving"),
        ({}, "Attr b: y – raises the risk of leaving"),
    ],
)
def test_a_typical_value_that_reads_the_same_is_left_out(typical, text):
    assert (
        told(typical={name: one for name, one in TYPICAL.items() if name != "attr_b"} | typical).reasons(0)[2].text
        == text
    )


def test_amounts_that_are_written_alike_read_the_same():
    alike = told(typical=TYPICAL | {"spend_minor": 183_420.4}).reasons(0)[0]
    assert alike.text == "Spending: £1,834.20 net so far – speaks for staying"
    assert alike.typical == pytest.approx(1_834.204)


def test_the_books_balance():
    books = told()._explained.books(0)
    assert books.base == -1.0
    assert books.base + books.sum_contributions == pytest.approx(books.raw, abs=1e-9)
    assert books.scale == "log_odds"


def test_every_row_of_both_heads_is_additive(bundle):
    for answer in score(bundle, population(400, seed=9)):
        for books in (answer.explain.churn, answer.explain.value):
            assert abs(books.base + books.sum_contributions - books.raw) <= 1e-9


def test_attributes_are_reasons_of_their_own():
    assert [group.code for group in groups_of(TWO)] == ["FREQUENCY", "SPEND", "COMPLAINTS", "PROFILE", "PROFILE"]


def whole_catalog():
    present = {name: frozenset(column.name for column in table.columns) for name, table in CONTRACT.items()}
    return catalog(present, PARAMETERS["windows_days"], {"plan": "category", "usage": "number"})


def test_every_feature_has_a_code_with_texts_and_every_code_a_feature():
    codes = set(reason_texts().codes)
    assert {feature.group for feature in whole_catalog().features} <= codes
    assert len(codes) == 33


@pytest.mark.parametrize("head", ["churn", "value"])
@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_feature_can_be_told_whole(head, direction, language):
    for feature in whole_catalog().features:
        typical, value = (1.0, 2.0) if feature.dtype == "number" else ("x", "y")
        ready = phrasing(
            feature, typical, head=head, direction=direction, currency="CNY", language=language, peers="us"
        )
        for text in (ready.said(value), ready.said(None)):
            assert "{" not in text, feature.name
            assert "\0" not in text, feature.name
            if language == "en":
                assert text.isascii() or "–" in text or "¥" in text, text


def test_every_fact_belongs_to_a_feature():
    names = {feature.name for feature in whole_catalog().features}
    families = {name.removesuffix(f"_{days}d") for name in names for days in (30, 90)} | {
        f"{name}_all" for name in names
    }
    texts = reason_texts()
    assert set(texts.facts) <= families
    assert set(texts.flags) <= names


def test_flags_are_told_as_what_they_mean():
    flag = described("never_asked", "NEVER_ASKED", "0/1")
    ready = phrasing(flag, 0.0, head="churn", direction="up", currency="GBP", language="en", peers="us")
    assert ready.said(1.0) == "Feedback on record: never asked for an opinion – raises the risk of leaving"
    assert ready.said(0.0) == "Feedback on record: has been asked for an opinion – raises the risk of leaving"


def test_braces_in_a_customer_s_data_are_only_text():
    feature = described("attr_b", "PROFILE", dtype="category")
    ready = phrasing(feature, "{typical}", head="churn", direction="up", currency="GBP", language="en", peers="us")
    assert ready.said("{value}") == "Attr b: {value} (typical of us: {typical}) – raises the risk of leaving"


def test_reasons_of_the_linear_company_are_its_coefficients(bundle):
    frame = population(50, seed=4)
    for answer, (_, row) in zip(score(bundle, frame, top=20), frame.iterrows(), strict=True):
        for reason in answer.reasons.churn:
            if reason.code == "RECENCY":
                assert reason.contribution == COEFFICIENTS["days_since_last_purchase"][0] * row[reason.feature]
    assert len({feature.group for feature in FEATURES}) > 10
