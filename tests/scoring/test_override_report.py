"""The list of tiers set by hand: what is in force, ends soon, has ended, or is refused and why."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_value.errors import DataContractError
from churn_value.scoring.override_report import (
    EXPIRING_DAYS,
    HEADS,
    REFUSALS,
    STATES,
    as_page,
    as_table,
    listed,
    listed_for,
    listed_rows,
    own_tiers,
    publish,
)
from churn_value.scoring.overrides import COLUMNS, TierOverrides, overrides_of, read_overrides
from churn_value.scoring.wording import LANGUAGES

TODAY = date(2025, 7, 1)
TIERS = ("S", "A", "B")


def row(customer, expires, *, tier="S", reason="board member", owner="anna"):
    return [customer, tier, reason, owner, expires]


def table(*rows):
    return pd.DataFrame(list(rows), columns=list(COLUMNS))


def test_each_row_stands_where_its_last_day_puts_it():
    given_rows = table(
        row("ended", "2025-06-30"),
        row("today", "2025-07-01"),  # the last day is the last on which it holds
        row("in 30 days", "2025-07-31"),
        row("in 31 days", "2025-08-01"),
        row("ended long ago", "2024-01-01"),
    )
    found = listed(overrides_of(given_rows), TODAY)
    assert [(one.customer_id, one.state) for one in found] == [
        ("today", "expiring"),
        ("in 30 days", "expiring"),
        ("in 31 days", "active"),
        ("ended", "expired"),
        ("ended long ago", "expired"),
    ]


@given(st.integers(-3, 3), st.sampled_from([0, EXPIRING_DAYS]))
def test_a_row_is_told_expired_exactly_when_it_is_applied_no_more(days, edge):
    last = TODAY + timedelta(days=edge + days)
    overrides = overrides_of(table(row("a", last.isoformat())))
    (one,) = listed(overrides, TODAY)
    assert (one.state == "expired") == (overrides.at("a", TODAY) is None)
    assert (one.state == "active") == (edge + days > EXPIRING_DAYS)


def test_refused_rows_come_first_and_say_why_and_the_others_are_still_listed():
    given_rows = table(
        row("fine", "2026-01-01"),
        row("why", "2026-01-01", reason=" "),
        row("", "2026-01-01"),
        row("when", "soon"),
        row("where", "2026-01-01", tier="PLATINUM"),
        row("fine", "2027-01-01"),
    )
    found = listed_rows(given_rows, TIERS, TODAY)
    assert {one.customer_id: one.refusal for one in found if one.state == "refused"} == {
        "why": "OVERRIDE_WITHOUT_REASON",
        "": "OVERRIDE_WITHOUT_CUSTOMER",
        "when": "OVERRIDE_EXPIRES_INVALID",
        "where": "OVERRIDE_TIER_UNKNOWN",
        "fine": "OVERRIDE_REPEATED",
    }
    assert [one.customer_id for one in found if one.state != "refused"] == ["fine"]
    assert [one.state for one in found] == ["refused"] * 5 + ["active"]


def test_what_is_refused_in_the_list_is_what_scoring_refuses():
    for bad in (row("a", ""), row("a", "2026-01-01", owner="")):
        (one,) = listed_rows(table(bad), TIERS, TODAY)
        with pytest.raises(DataContractError) as caught:
            overrides_of(table(bad))
        assert one.refusal == caught.value.code


def test_the_list_in_both_languages():
    found = listed_rows(table(row("a|b", "2025-07-02"), row("c", "2026-01-01", owner="")), TIERS, TODAY)
    header, rows = as_table(found, "en")
    assert header == ["customer", "tier", "state", "reason", "owner", "last day", "why refused"]
    assert rows == [
        ["c", "S", "refused", "board member", "", "2026-01-01", "nobody answers for it"],
        ["a|b", "S", "expires within 30 days", "board member", "anna", "2025-07-02", ""],
    ]
    header, rows = as_table(found, "zh")
    assert rows[0] == ["c", "S", "被拒绝", "board member", "", "2026-01-01", "未填写负责人"]
    page = as_page(found, TODAY)
    assert "| a\\|b | S | expires within 30 days | board member | anna | 2025-07-02 |  |" in page
    assert "# 人工指定的等级 · 2025-07-01" in page


def test_without_refusals_there_is_no_column_for_them_and_without_rows_it_says_so():
    header, rows = as_table(listed(overrides_of(table(row("a", "2026-01-01"))), TODAY), "en")
    assert header[-1] == "last day"
    assert [len(one) for one in rows] == [6]
    page = as_page([], TODAY)
    assert "No tier is set by hand." in page
    assert "没有人工指定的等级。" in page


def test_the_policy_s_own_tier_stands_beside_the_one_set_by_hand():
    overrides = overrides_of(table(row("a", "2026-01-01"), row("b", "2026-01-01"), row("gone", "2026-01-01")))
    answers = pd.DataFrame({"customer_id": ["a", "b", "c"], "tier_own": ["B", None, "A"]})
    header, rows = as_table(listed(overrides, TODAY), "zh", own_tiers(overrides, answers))
    assert header[:4] == ["客户", "等级", "自身等级", "状态"]
    assert [cells[:4] for cells in rows] == [
        ["a", "S", "B", "生效中"],
        ["b", "S", "–", "生效中"],
        ["gone", "S", "–", "生效中"],
    ]


def test_everything_that_can_be_said_is_said_in_both_languages():
    for texts in (*STATES.values(), *REFUSALS.values(), HEADS):
        assert set(texts) == set(LANGUAGES)


def test_a_file_that_is_absent_or_lacks_a_column_is_one_refused_row(tmp_path):
    assert listed_for(tmp_path, None, TIERS, TODAY) == []
    (absent,) = listed_for(tmp_path, "none.csv", TIERS, TODAY)
    assert (absent.state, absent.refusal) == ("refused", "OVERRIDES_ABSENT")
    table(row("a", "2026-01-01")).drop(columns="owner").to_csv(tmp_path / "short.csv", index=False)
    (short,) = listed_for(tmp_path, "short.csv", TIERS, TODAY)
    assert short.refusal == "OVERRIDE_COLUMN_MISSING"
    (tmp_path / "empty.csv").write_bytes(b"")
    (empty,) = listed_for(tmp_path, "empty.csv", TIERS, TODAY)
    assert as_table([empty], "en")[1][0][-1] == "the table is no CSV file in UTF-8"


def test_what_is_published_is_the_table_for_the_service_and_the_list_for_people(tmp_path):
    path = tmp_path / "tier_overrides.csv"
    overrides = overrides_of(table(row("a", "2026-01-01")))
    publish(overrides, path, TODAY)
    assert read_overrides(path) == overrides
    assert "| a | S | active | board member | anna | 2026-01-01 |" in path.with_suffix(".md").read_text()
    publish(TierOverrides(), path, TODAY)
    assert "No tier is set by hand." in path.with_suffix(".md").read_text()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["tier_overrides.csv", "tier_overrides.md"]
