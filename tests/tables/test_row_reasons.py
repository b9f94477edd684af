"""Every reason a row can be set aside for, on rows small enough to check by eye."""

from collections.abc import Mapping

import pytest
from dirty_files import load_text

from churn_value.tables.quarantine import read_quarantine
from churn_value.tables.reasons import REASONS

GOOD_PURCHASES = "".join(f"good{number},2024-05-0{number},1.00,1,no,,\n" for number in range(1, 10))

# Table, header, rows with the reason and the column each is to be set aside for; None is accepted.
CASES: dict[str, tuple[str, list[tuple[str, str | None, str | None]]]] = {
    "purchases": (
        "customer_id,event_time,amount,quantity,is_return,known_at,margin",
        [
            (",2024-05-01,1.00,1,no,,", "MISSING_ID", "customer_id"),
            ('"",bad time,1.00,1,no,,', "MISSING_ID", "customer_id"),
            ("a\0b,2024-05-01,1.00,1,no,,", "BAD_ID", "customer_id"),
            ("a,,1.00,1,no,,", "MISSING_TIME", "event_time"),
            ("a,2024-02-30,1.00,1,no,,", "BAD_TIME", "event_time"),
            ("a,1899-12-31,1.00,1,no,,", "BAD_TIME", "event_time"),
            ("a,2024-05-01,1.00,1,no,soon,", "BAD_TIME", "known_at"),
            ("a,2024-05-01,,1,no,,", "BAD_AMOUNT", "amount"),
            ("a,2024-05-01,nan,1,no,,", "BAD_AMOUNT", "amount"),
            ("a,2024-05-01,inf,1,no,,", "BAD_AMOUNT", "amount"),
            ("a,2024-05-01,10000000000000.01,1,no,,", "BAD_AMOUNT", "amount"),
            ("a,2024-05-01,10000000000000.00,1,no,,", None, None),
            ("a,2024-05-01,1.00,1,no,,much", "BAD_AMOUNT", "margin"),
            ("a,2024-05-01,1.00,some,no,,", "BAD_NUMBER", "quantity"),
            ("a,2024-05-01,1.00,1,perhaps,,", "BAD_FLAG", "is_return"),
            ("a,2025-01-01T00:00:01Z,1.00,1,no,,", "EVENT_IN_FUTURE", "event_time"),
            ("a,2025-01-01T00:00:00Z,1.00,1,no,,", None, None),
            ("a,2024-05-01,1.00,1,no,2025-01-02,", "EVENT_IN_FUTURE", "known_at"),
            ("a,2024-05-01,1.00,1,no", "BROKEN_ROW", None),
            ("a,2024-05-01,1.00,1,no,,,x", "BROKEN_ROW", None),
        ],
    ),
    "visits": (
        "customer_id,event_time,kind,duration_s",
        [
            ("a,2024-05-01, View ,3", None, None),
            ("a,2024-05-01,wishlist,3", None, None),
            ("a,2024-05-01,,3", "UNKNOWN_KIND", "kind"),
            ("a,2024-05-01, ,3", "UNKNOWN_KIND", "kind"),
        ],
    ),
    "feedback": (
        "customer_id,event_time,kind,score,scale_min,scale_max,resolved_at",
        [
            ("a,2024-05-01,csat,5,,,", None, None),
            ("a,2024-05-01,csat,,,,", None, None),
            ("a,2024-05-01,praise,5,,,", "UNKNOWN_KIND", "kind"),
            ("a,2024-05-01,csat,5,1,1,", "BAD_SCALE", "scale_max"),
            ("a,2024-05-01,csat,5,1,,", "BAD_SCALE", "scale_min"),
            ("a,2024-05-01,ticket,5,,,", "BAD_SCALE", "scale_min"),
            ("a,2024-05-01,csat,5,low,high,", "BAD_SCALE", "scale_min"),
            ("a,2024-05-01,csat,6,,,", "BAD_SCORE", "score"),
            ("a,2024-05-01,csat,0,,,", "BAD_SCORE", "score"),
            ("a,2024-05-01,csat,6,1,7,", None, None),
            ("a,2024-05-01,nps,0,,,", None, None),
            ("a,2024-05-01,csat,fine,,,", "BAD_SCORE", "score"),
            ("a,2024-05-02,ticket,,,,2024-05-01", "RESOLVED_BEFORE_OPENED", "resolved_at"),
            ("a,2024-05-02,ticket,,,,2024-05-02", None, None),
        ],
    ),
    "payments": (
        "customer_id,due_at,amount,paid_at,disputed",
        [
            ("a,2026-05-01,1.00,,no", None, None),
            ("a,2024-05-01,1.00,2025-06-01,no", "EVENT_IN_FUTURE", "paid_at"),
            ("a,,1.00,,no", "MISSING_TIME", "due_at"),
            ("a,2024-05-01,free,,no", "BAD_AMOUNT", "amount"),
            ("a,2024-05-01,1.00,,hm", "BAD_FLAG", "disputed"),
        ],
    ),
    "customers": (
        "customer_id,signup_at,city",
        [
            ("a,2024-05-01,Ulm", None, None),
            ("b,2024-05-01,Ulm", None, None),
            ("b,2024-05-01,Ulm", "DUPLICATE", "customer_id"),
            ("c,2024-05-01,Ulm", "CONFLICTING", "customer_id"),
            ("c,2024-05-01,Bonn", "CONFLICTING", "customer_id"),
            ("c,2024-05-01,Bonn", "CONFLICTING", "customer_id"),
            ("d,2025-05-01,Ulm", "EVENT_IN_FUTURE", "signup_at"),
        ],
    ),
    "contracts": (
        "customer_id,started_at,ended_at,price",
        [
            ("a,2024-05-01,2024-05-01,9.99", None, None),
            ("a,2024-06-01,2030-01-01,9.99", None, None),
            ("a,2024-06-01,2030-01-01,9.99", "DUPLICATE", "customer_id"),
            ("b,2024-05-01,2024-04-30,9.99", "ENDS_BEFORE_START", "ended_at"),
            ("b,2024-05-01,,-", "BAD_AMOUNT", "price"),
        ],
    ),
    "snapshots": (
        "customer_id,as_of,label,x",
        [
            ("a,2024-05-01,1,3", None, None),
            ("a,2024-06-01,,3", None, None),
            ("b,2024-05-01,churned,3", "BAD_LABEL", "label"),
            ("b,2025-01-02,1,3", "EVENT_IN_FUTURE", "as_of"),
            ("c,someday,1,3", "BAD_TIME", "as_of"),
            ("d,2024-05-01,1,3", "CONFLICTING", "customer_id"),
            ("d,2024-05-01,0,3", "CONFLICTING", "customer_id"),
        ],
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("reasons")
    texts: Mapping[str, str] = {
        name: "\n".join([header, *(row for row, _, _ in rows)]) + "\n" for name, (header, rows) in CASES.items()
    }
    texts = {**texts, "purchases": texts["purchases"] + GOOD_PURCHASES}
    return load_text(folder, texts, quarantine_dir=folder / "quarantine"), folder / "quarantine"


@pytest.mark.parametrize("table", CASES)
def test_each_bad_row_is_set_aside_for_the_reason_written_beside_it(world, table):
    _, quarantine = world
    expected, read = [], 0
    for line, (_, reason, column) in enumerate(CASES[table][1], start=2):
        read += reason != "BROKEN_ROW"
        if reason:
            expected.append((line if reason == "BROKEN_ROW" else read, reason, column))
    rows = read_quarantine(quarantine / f"{table}.parquet")
    found = [(row["source_row"], row["reason"], row["reason_column"]) for row in rows]
    # Which of several identical rows stays is not told by the contract: compare such rows by reason alone.
    assert sorted(reason for _, reason, _ in found) == sorted(reason for _, reason, _ in expected)
    assert {row for row in found if row[1] != "DUPLICATE"} == {row for row in expected if row[1] != "DUPLICATE"}


@pytest.mark.parametrize("table", CASES)
def test_accepted_and_set_aside_rows_add_up_to_the_rows_read(world, table):
    report = world[0].reports[table]
    extra = 9 if table == "purchases" else 0
    assert report.read == len(CASES[table][1]) + extra
    assert report.accepted == sum(reason is None for _, reason, _ in CASES[table][1]) + extra
    assert report.is_balanced


def test_every_documented_reason_is_met_here():
    assert {reason for _, rows in CASES.values() for _, reason, _ in rows if reason} == set(REASONS)


def test_the_raw_row_is_kept_as_it_came(world):
    raw = {row["source_row"]: row["raw"] for row in read_quarantine(world[1] / "feedback.parquet")}
    assert raw[12] == {
        "customer_id": "a",
        "event_time": "2024-05-01",
        "kind": "csat",
        "score": "fine",
        "scale_min": None,
        "scale_max": None,
        "resolved_at": None,
    }


def test_future_dated_rows_and_repeated_rows_are_counted_apart(world):
    reports = world[0].reports
    assert reports["purchases"].future_dated == 2
    assert reports["contracts"].duplicates == 1
    assert reports["purchases"].duplicates == 0


def test_a_report_prints_and_dumps_the_same_counts(world):
    report = world[0].reports["purchases"]
    printed = dict(report.as_table())
    assert printed["rows read"] == str(report.as_dict()["read"]) == "29"
    assert printed["quarantined BROKEN_ROW"] == "2"
    assert report.as_dict()["quarantined"]["BAD_AMOUNT"] == 5
