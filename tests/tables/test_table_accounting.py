"""Whatever a table holds: every row is accounted for, and order and threads change nothing."""

from datetime import date

import hypothesis.strategies as st
import pandas as pd
import pytest
from dirty_files import NOW, config_of, load_text, rows_of
from hypothesis import HealthCheck, given, settings

from churn_value.tables.load import tables_from_frames
from churn_value.tables.quarantine import read_quarantine
from churn_value.tables.reasons import REASONS

IDS = st.sampled_from(["a", "b", "007", "", None, "x\0", " a", "ü"])
FUTURE = ["2025-01-01T00:00:00Z", "2025-01-01T00:00:01Z", "2030-01-01"]
TIMES = st.sampled_from(["2024-05-01", "2024-05-01T10:00:00Z", *FUTURE, "1899-01-01", "", "later", None, "2024-02-30"])
NUMBERS = st.sampled_from(["1.005", "-1.005", "0", "nan", "inf", "1e13", "1e14", "", "x", None, "10000000000000.01"])
FLAGS = st.sampled_from(["yes", "no", "1", "0", "", "?", None])
KINDS = st.sampled_from(["csat", "nps", "ticket", "", "View", None])
ROWS = {
    "purchases": {
        "customer_id": IDS,
        "event_time": TIMES,
        "amount": NUMBERS,
        "is_return": FLAGS,
        "known_at": TIMES,
        "event_id": IDS,
    },
    "feedback": {
        "customer_id": IDS,
        "event_time": TIMES,
        "kind": KINDS,
        "score": NUMBERS,
        "scale_min": NUMBERS,
        "scale_max": NUMBERS,
        "resolved_at": TIMES,
    },
    "contracts": {"customer_id": IDS, "started_at": TIMES, "ended_at": TIMES, "price": NUMBERS},
    "customers": {"customer_id": IDS, "signup_at": TIMES, "valid_from": TIMES, "age": NUMBERS},
}
# Rows that are certainly good, so that no column fails as a whole: a table of mostly bad values is refused instead.
GOOD = {
    "customer_id": "good",
    "event_time": "2024-05-01",
    "amount": "1",
    "is_return": "no",
    "known_at": "2024-05-01",
    "kind": "csat",
    "score": "3",
    "scale_min": "1",
    "scale_max": "5",
    "started_at": "2024-05-01",
    "ended_at": "2024-06-01",
    "resolved_at": "2024-06-01",
    "price": "1",
    "signup_at": "2024-05-01",
    "valid_from": "2024-05-01",
    "age": "3",
}


@st.composite
def dirty_frames(draw):
    frames = {}
    for table, columns in ROWS.items():
        rows = draw(st.lists(st.fixed_dictionaries(columns), min_size=20, max_size=60))
        good = [{name: GOOD.get(name) for name in columns}] * (2 * len(rows))
        frames[table] = pd.DataFrame(rows + good, columns=list(columns), dtype="string")
    return frames, draw(st.randoms(use_true_random=False))


CONFIG = config_of({name: {"path": "-"} for name in ROWS}, currency="USD")


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(dirty_frames())
def test_every_row_is_accepted_or_set_aside_and_order_and_threads_change_nothing(dirty):
    frames, random = dirty
    first = tables_from_frames(CONFIG, frames, observed_now=NOW, threads=1)
    for table, frame in frames.items():
        report = first.reports[table]
        assert report.read == len(frame)
        assert report.accepted == first.events[table].count().execute()
        assert report.accepted + sum(report.quarantined.values()) == report.read
        assert set(report.quarantined) <= set(REASONS)
    order = {name: random.sample(range(len(frame)), len(frame)) for name, frame in frames.items()}
    shuffled = {name: frame.iloc[order[name]] for name, frame in frames.items()}
    second = tables_from_frames(CONFIG, shuffled, observed_now=NOW, threads=2)
    assert second.sha256 == first.sha256
    assert second.reports == first.reports


@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(st.lists(st.tuples(st.integers(-(10**15), 10**15), st.booleans()), min_size=200, max_size=300))
def test_sums_of_money_are_exact_to_the_minor_unit(cases):
    written = [f"{'-' if minor < 0 else ''}{abs(minor) // 100}.{abs(minor) % 100:02}" for minor, _ in cases]
    frame = pd.DataFrame({"customer_id": "a", "event_time": date(2024, 5, 1), "amount": written})
    tables = tables_from_frames(config_of({"purchases": {"path": "-"}}), {"purchases": frame}, observed_now=NOW)
    assert sorted(rows_of(tables, "purchases", "amount_minor")) == sorted((minor,) for minor, _ in cases)


def test_a_changed_value_a_lost_row_and_a_repeated_row_change_the_hash():
    frame = pd.DataFrame({"customer_id": ["a", "b"], "event_time": "2024-05-01", "amount": [1.0, 2.0], "channel": "w"})
    config = config_of({"purchases": {"path": "-"}})

    def digest(changed):
        return tables_from_frames(config, {"purchases": changed}, observed_now=NOW).sha256

    hashes = [
        digest(frame),
        digest(frame.assign(amount=[1.0, 2.01])),
        digest(frame.head(1)),
        digest(pd.concat([frame, frame])),
        digest(frame.assign(channel=None)),
        digest(frame.assign(channel=["w", "-"])),
        digest(frame.assign(channel=["w", None])),
        digest(frame.assign(order_id="x,y", product_id="z")),
        digest(frame.assign(order_id="x", product_id="y,z")),
    ]
    assert len(set(hashes)) == len(hashes)
    assert digest(frame.iloc[::-1]) == hashes[0]


def test_purchases_may_repeat_and_are_only_counted(tmp_path):
    text = "customer_id,event_time,amount\n" + "a,2024-05-01,1\n" * 3 + "b,2024-05-01,1\n"
    report = load_text(tmp_path, {"purchases": text}).reports["purchases"]
    assert (report.accepted, report.duplicates, dict(report.quarantined)) == (4, 2, {})


@pytest.mark.parametrize("backwards", [False, True])
def test_of_rows_with_the_same_event_id_the_one_known_first_stays(tmp_path, backwards):
    rows = [
        "a,2024-05-01,1.00,e1,2024-05-03",
        "a,2024-05-01,2.00,e1,2024-05-02",
        "a,2024-05-01,3.00,e1,2024-05-04",
        "a,2024-05-01,4.00,,",
        "a,2024-05-01,4.00,,",
        "a,2024-05-01,bad,e2,",
        "a,2024-05-01,5.00,e2,",
    ]
    text = "\n".join(["customer_id,event_time,amount,event_id,known_at", *(reversed(rows) if backwards else rows)])
    tables = load_text(tmp_path, {"purchases": text + "\n"})
    assert rows_of(tables, "purchases", "amount_minor") == [(200,), (400,), (400,), (500,)]
    assert dict(tables.reports["purchases"].quarantined) == {"BAD_AMOUNT": 1, "DUPLICATE": 2}


def test_profiles_of_one_customer_may_follow_each_other(tmp_path):
    text = "customer_id,valid_from,plan\na,2024-01-01,free\na,2024-06-01,paid\n"
    assert load_text(tmp_path, {"customers": text}).reports["customers"].accepted == 2


def test_the_quarantine_file_is_written_even_when_empty_and_replaced_whole(tmp_path):
    folder = tmp_path / "quarantine"
    good = "customer_id,event_time,amount\na,2024-05-01,1\n"
    load_text(tmp_path, {"purchases": good + ",2024-05-01,1\n"}, quarantine_dir=folder)
    assert [row["reason"] for row in read_quarantine(folder / "purchases.parquet")] == ["MISSING_ID"]
    load_text(tmp_path, {"purchases": good}, quarantine_dir=folder)
    assert read_quarantine(folder / "purchases.parquet") == []
    assert [path.name for path in folder.iterdir()] == ["purchases.parquet"]
