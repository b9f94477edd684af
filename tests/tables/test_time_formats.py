"""Times that are not written as ISO 8601 are read as the configuration says, exactly, and never guessed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from dirty_files import load_text, rows_of, stamp
from hypothesis import given
from hypothesis import strategies as st

from churn_value.errors import ChurnValueError

HEAD = "customer_id,event_time,amount\n"
AS_WRITTEN = [
    # format, text, zone of the table, the instant in UTC
    ("%m/%d/%Y %H:%M", "10/2/2017 9:05", "UTC", "2017-10-02 09:05"),
    ("%d/%m/%Y %H:%M", "10/2/2017 9:05", "UTC", "2017-02-10 09:05"),
    ("%d/%m/%Y %H:%M", "10/2/2017 9:05", "Asia/Shanghai", "2017-02-10 01:05"),
    ("%d.%m.%y", "31.12.17", None, "2017-12-31"),
    ("%Y%m%d", "19970101", None, "1997-01-01"),
    ("%Y%m%d%H%M%S", "19970101235959", "UTC", "1997-01-01 23:59:59"),
    ("%b %d, %Y %I:%M %p", '"Feb 29, 2016 12:30 AM"', "UTC", "2016-02-29 00:30"),
    ("%Y年%m月%d日 %H:%M", "2018年1月5日 08:05", "Asia/Shanghai", "2018-01-05 00:05"),
    ("%d/%m/%Y %H:%M:%S.%f", "01/02/2018 00:00:00.000001", "UTC", "2018-02-01 00:00:00.000001"),
    ("unix_s", "1433221332", None, "2015-06-02 05:02:12"),
    ("unix_s", "1433221332.25", "Asia/Shanghai", "2015-06-02 05:02:12.25"),
    ("unix_ms", "1433221332117", None, "2015-06-02 05:02:12.117"),
    ("unix_us", "-1", None, "1969-12-31 23:59:59.999999"),
    ("%m/%d/%Y", "2017-10-02", None, "2017-10-02"),  # ISO 8601 cannot be mistaken for anything else
]


def load(folder, rows, formats, **settings):
    return load_text(folder, {"purchases": HEAD + rows}, {"purchases": {"time_formats": formats, **settings}})


@pytest.mark.parametrize(("written", "text", "zone", "instant"), AS_WRITTEN)
def test_a_time_is_read_as_it_is_said_to_be_written(tmp_path, written, text, zone, instant):
    tables = load(tmp_path, f"a,{text},1\n", {"event_time": written}, time_zone=zone)
    assert rows_of(tables, "purchases", "event_time") == [(stamp(instant),)]


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("%m/%d/%Y", "31/12/2017"),
        ("%m/%d/%Y", "2/29/2017"),
        ("%m/%d/%Y", "12/31/2017 10:00"),
        ("%m/%d/%Y", "12/31/17"),
        ("%Y%m%d", "1997010"),
        ("unix_s", "1433221332117"),
        ("unix_ms", "soon"),
        ("unix_us", "99999999999999999999999999999999999999999"),
    ],
)
def test_what_the_format_does_not_read_is_bad_and_kept_as_it_was_written(tmp_path, written, text):
    tables = load_text(
        tmp_path,
        {"purchases": f"{HEAD}a,{text},1\nb,2017-10-02,1\n"},
        {"purchases": {"time_formats": {"event_time": written}}},
        quarantine_dir=tmp_path / "quarantine",
    )
    assert dict(tables.reports["purchases"].quarantined) == {"BAD_TIME": 1}
    assert text in pd.read_parquet(tmp_path / "quarantine" / "purchases.parquet")["raw"].item()


def test_an_optional_time_that_cannot_be_read_is_not_taken_for_none(tmp_path):
    text = "customer_id,due_at,amount,paid_at\na,1/31/2018,5,2/30/2018\nb,1/31/2018,5,\n"
    formats = {"due_at": "%m/%d/%Y", "paid_at": "%m/%d/%Y"}
    tables = load_text(tmp_path, {"payments": text}, {"payments": {"time_formats": formats}})
    assert rows_of(tables, "payments", "customer_id", "due_at", "paid_at") == [("b", stamp("2018-01-31"), None)]
    assert dict(tables.reports["payments"].quarantined) == {"BAD_TIME": 1}


def test_clock_readings_still_need_a_zone_and_days_and_counts_do_not(tmp_path):
    with pytest.raises(ChurnValueError, match="must have an offset, or the table a time_zone"):
        load(tmp_path, "a,10/2/2017 9:05,1\n", {"event_time": "%m/%d/%Y %H:%M"})
    for written, text in (("%m/%d/%Y", "10/2/2017"), ("unix_s", "1433221332")):
        assert load(tmp_path, f"a,{text},1\n", {"event_time": written}).reports["purchases"].accepted == 1


def test_numbers_of_a_typed_source_are_written_out_first(tmp_path):
    frame = pd.DataFrame({"customer_id": ["a", "b"], "day": [19970101, 19970132], "ms": [1433221332117.0, None]})
    frame.assign(amount=1.0).to_parquet(tmp_path / "lines.parquet")
    columns = {"event_time": "day", "known_at": "ms"}
    settings = {"path": "lines.parquet", "columns": columns, "time_formats": {"day": "%Y%m%d", "ms": "unix_ms"}}
    tables = load_text(tmp_path, {"purchases": ""}, {"purchases": settings})
    expected = [(stamp("1997-01-01"), stamp("2015-06-02 05:02:12.117"))]
    assert rows_of(tables, "purchases", "event_time", "known_at") == expected
    assert dict(tables.reports["purchases"].quarantined) == {"BAD_TIME": 1}


def test_a_column_that_is_looked_up_has_its_format_in_the_table_that_uses_it(tmp_path):
    (tmp_path / "orders.csv").write_text("order_id,customer_id,when\n7,a,31/12/2017\n")
    settings = {
        "columns": {"event_time": "when"},
        "joins": [{"path": "orders.csv", "on": {"order_id": "order_id"}}],
        "time_formats": {"when": "%d/%m/%Y"},
    }
    tables = load_text(tmp_path, {"purchases": "order_id,amount\n7,1.00\n"}, {"purchases": settings})
    assert rows_of(tables, "purchases", "customer_id", "event_time") == [("a", stamp("2017-12-31"))]


def test_days_of_snapshots_are_read_too(tmp_path):
    text = "customer_id,as_of,label\na,31.12.2017,1\n"
    tables = load_text(tmp_path, {"snapshots": text}, {"snapshots": {"time_formats": {"as_of": "%d.%m.%Y"}}})
    assert str(rows_of(tables, "snapshots", "as_of")[0][0])[:10] == "2017-12-31"


@pytest.mark.parametrize("written", ["%H:%M", "%Y-%m", "%d/%m", "unix", "", "%Y-%m-%d %z", "%Y-%m-%d %Q", "%Y%m%d%"])
def test_a_format_that_does_not_say_the_day_is_refused(tmp_path, written):
    with pytest.raises(ChurnValueError, match=r"purchases\.time_formats\.event_time.*year, month and day") as caught:
        load(tmp_path, "a,2017-10-02,1\n", {"event_time": written})
    assert caught.value.code == "TIME_FORMAT"


def test_a_format_of_a_column_that_is_not_there_or_holds_times_is_refused(tmp_path):
    with pytest.raises(ChurnValueError, match=r"time_formats.*received event_tim.*did you mean event_time\?"):
        load(tmp_path, "a,2017-10-02,1\n", {"event_tim": "%Y%m%d"})
    pd.DataFrame({"customer_id": ["a"], "event_time": [stamp("2017-10-02")], "amount": [1.0]}).to_parquet(
        tmp_path / "lines.parquet"
    )
    with pytest.raises(ChurnValueError, match=r"time_formats are for texts and numbers; received type timestamp"):
        load(tmp_path, "", {"event_time": "%Y%m%d"}, path="lines.parquet")


def ten(text):
    return "".join(f"c{number},{text.format(number)},1\n" for number in range(1, 11))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ten("{}/31/2017 9:05").replace("/31/", "/28/"), r"event_time: '%m/%d/%Y %H:%M'\}, which reads every one"),
        (ten("{}/5/2017"), r"event_time: '%m/%d/%Y' or '%d/%m/%Y'\}, which reads every one"),
        (ten("14332213{:02}"), "event_time: 'unix_s'}, which reads every one"),
        (ten("week {} of 2017"), r"event_time: <how they are written, as in '%d/%m/%Y %H:%M'>\}; or map another"),
    ],
)
def test_the_refusal_of_a_column_says_what_would_read_it(tmp_path, rows, said):
    with pytest.raises(ChurnValueError) as caught:
        load(tmp_path, rows, {})
    assert caught.value.code == "COLUMN_TYPE"
    assert said.replace("\\", "") in str(caught.value)


FORMATS = ["%d/%m/%Y %H:%M:%S.%f", "%m-%d-%Y %I:%M:%S.%f %p", "%j of %Y at %H.%M.%S.%f", "%Y年%m月%d日 %H:%M:%S.%f"]
FIRST, LAST, LEAP = (stamp(text).to_pydatetime() for text in ("1900-01-01", "2024-05-01", "2016-02-29 23:59:59.999999"))
STAMPS = st.datetimes(FIRST, LAST) | st.just(LEAP)


@given(moment=STAMPS, written=st.sampled_from(FORMATS))
def test_reading_undoes_writing(moment, written):
    with TemporaryDirectory() as folder:
        text = moment.strftime(written)
        tables = load(Path(folder), f"a,{text},1\n", {"event_time": written}, time_zone="UTC")
        assert rows_of(tables, "purchases", "event_time") == [(pd.Timestamp(moment),)]


@given(moment=STAMPS)
def test_counts_since_1970_are_read_exactly(moment):
    micros = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    with TemporaryDirectory() as folder:
        tables = load(Path(folder), f"a,{micros},1\n", {"event_time": "unix_us"})
        assert rows_of(tables, "purchases", "event_time") == [(pd.Timestamp(moment),)]
