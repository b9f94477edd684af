"""Values read exactly: money to the minor unit, instants to the microsecond, ids to the byte."""

from datetime import date

import pandas as pd
import pytest
from dirty_files import NOW, config_of, load_text, rows_of, stamp

from churn_value.errors import ConfigError
from churn_value.tables.currencies import minor_exponent
from churn_value.tables.load import tables_from_frames

HEAD = "customer_id,event_time,amount\n"


def purchases(folder, rows, settings=None, header=HEAD, **company):
    return load_text(folder, {"purchases": header + "\n".join(rows) + "\n"}, {"purchases": settings or {}}, **company)


def frame_of(**columns):
    size = len(next(iter(columns.values())))
    return pd.DataFrame({"customer_id": ["a"] * size, "event_time": ["2024-05-01"] * size, **columns})


@pytest.mark.parametrize(("currency", "exponent"), [("GBP", 2), ("JPY", 0), ("KWD", 3), ("CLF", 4)])
def test_the_minor_unit_follows_iso_4217(currency, exponent):
    assert minor_exponent(currency) == exponent


def test_an_unknown_currency_is_named():
    with pytest.raises(ConfigError, match="received XYZ"):
        minor_exponent("XYZ")


MONEY = [
    # amount, minor units of USD, JPY, KWD; halves go to the even unit
    ("2.675", 268, 3, 2675),
    ("2.665", 266, 3, 2665),
    ("2.5", 250, 2, 2500),
    ("3.5", 350, 4, 3500),
    ("-2.665", -266, -3, -2665),
    ("0.0005", 0, 0, 0),
    ("0.0015", 0, 0, 2),
    ("1e3", 100_000, 1000, 1_000_000),
    ("0.1", 10, 0, 100),
    ("-0", 0, 0, 0),
    ("4388124.405", 438_812_440, 4_388_124, 4_388_124_405),  # a double that is below its text
    ("9999999999.99", 999_999_999_999, 10_000_000_000, 9_999_999_999_990),
]


@pytest.mark.parametrize(("currency", "column"), [("USD", 1), ("JPY", 2), ("KWD", 3)])
def test_money_is_exact_to_the_minor_unit_from_text_and_from_floats(tmp_path, currency, column):
    rows = [f"c{number:02},2024-05-01,{case[0]}" for number, case in enumerate(MONEY)]
    expected = [(f"c{number:02}", case[column]) for number, case in enumerate(MONEY)]
    text = purchases(tmp_path, rows, currency=currency)
    assert rows_of(text, "purchases", "customer_id", "amount_minor") == expected
    frame = frame_of(amount=[float(case[0]) for case in MONEY])
    frame["customer_id"] = [f"c{number:02}" for number in range(len(MONEY))]
    config = config_of({"purchases": {"path": "-"}}, currency=currency)
    floats = tables_from_frames(config, {"purchases": frame}, observed_now=NOW)
    assert rows_of(floats, "purchases", "customer_id", "amount_minor") == expected


def test_amounts_in_minor_units_are_taken_as_they_are_and_fractions_refused():
    frame = frame_of(amount_minor=[267.0, 0.5, -1.0])
    tables = tables_from_frames(config_of({"purchases": {"path": "-"}}), {"purchases": frame}, observed_now=NOW)
    assert rows_of(tables, "purchases", "amount_minor") == [(-1,), (267,)]
    assert dict(tables.reports["purchases"].quarantined) == {"BAD_AMOUNT": 1}


def test_other_currencies_are_converted_by_the_rate_table_before_rounding(tmp_path):
    rows = ["a,2024-05-01,10.00,EUR", "b,2024-05-01,1.05,eur", "c,2024-05-01,1.05,USD", "d,2024-05-01,1.05,"]
    header = "customer_id,event_time,amount,currency\n"
    tables = purchases(tmp_path, rows, header=header, rates={"EUR": 1.1})
    # 1.05 EUR at 1.1 are 1.155 USD: half to even gives 116 cents.
    assert rows_of(tables, "purchases", "customer_id", "amount_minor") == [
        ("a", 1100),
        ("b", 116),
        ("c", 105),
        ("d", 105),
    ]


def test_a_return_lowers_the_value_whatever_sign_its_source_gave_it(tmp_path):
    header = "customer_id,event_time,amount,is_return,quantity,margin\n"
    rows = [
        "a,2024-05-01,5.00,no,1,2.00",
        "b,2024-05-01,-5.00,no,-1,-2.00",
        "c,2024-05-01,5.00,yes,1,2.00",
        "d,2024-05-01,-5.00,yes,1,-2.00",
        "e,2024-05-01,0.00,,0,",
    ]
    tables = purchases(tmp_path, rows, header=header)
    columns = ("customer_id", "amount_minor", "is_return", "quantity", "margin_minor")
    assert rows_of(tables, "purchases", *columns) == [
        ("a", 500, False, 1.0, 200),
        ("b", -500, True, -1.0, -200),
        ("c", -500, True, -1.0, -200),
        ("d", -500, True, -1.0, -200),
        ("e", 0, False, 0.0, None),
    ]


RETURNS = [
    "a,2024-01-01,30.00,o1,p1",
    "a,2024-02-01,40.00,o2,p1",
    "a,2024-03-01,-30.00,o1,p1",  # same order and product: 1 January
    "a,2024-03-02,-40.00,o9,p1",  # same product: the latest purchase of it, 1 February
    "a,2024-03-03,-40.00,o2,p9",  # same order: 1 February
    "a,2024-03-04,-10.00,o9,p9",  # undoes nothing that is known: stays
    "b,2024-03-05,-10.00,o1,p1",  # another customer's order: stays
    "a,2024-04-01,50.00,o1,p1",  # bought after the returns: undone by none of them
]


def test_returns_count_at_the_purchase_they_undo_but_are_known_at_their_own_date(tmp_path):
    header = "customer_id,event_time,amount,order_id,product_id\n"
    tables = purchases(tmp_path, RETURNS, {"returns": "by_purchase_date"}, header=header)
    found = [row[1:] for row in rows_of(tables, "purchases", "known_at", "is_return", "event_time") if row[1]]
    known = [row[0] for row in rows_of(tables, "purchases", "known_at", "is_return") if row[1]]
    assert known == [stamp(f"2024-03-0{day}") for day in (1, 2, 3, 4, 5)]
    assert [event_time for _, event_time in found] == [
        stamp(day) for day in ("2024-01-01", "2024-02-01", "2024-02-01", "2024-03-04", "2024-03-05")
    ]


def test_returns_count_at_their_own_date_by_default(tmp_path):
    tables = purchases(tmp_path, RETURNS, header="customer_id,event_time,amount,order_id,product_id\n")
    assert all(known == event for known, event in rows_of(tables, "purchases", "known_at", "event_time"))


TIMES = [
    # written, in UTC when the zone is Europe/London
    ("2024-05-01T10:00:00Z", "2024-05-01 10:00:00"),
    ("2024-05-01 10:00:00+02:00", "2024-05-01 08:00:00"),
    ("2024-05-01 10:00:00.123456-0530", "2024-05-01 15:30:00.123456"),
    ("2024-05-01 10:00:00", "2024-05-01 09:00:00"),
    ("2024-01-01 10:00:00", "2024-01-01 10:00:00"),
    ("2024-05-01", "2024-04-30 23:00:00"),
    ("2024-02-29", "2024-02-29 00:00:00"),
    ("2024-03-31 01:30:00", "2024-03-31 01:30:00"),  # clocks skip from 01:00 to 02:00
    ("2024-10-27 01:30:00", "2024-10-27 01:30:00"),  # clocks show it twice: the later one
    ("2024-10-27 00:30:00", "2024-10-26 23:30:00"),
    ("2024-05-01 10:00:00.1234567", "2024-05-01 09:00:00.123456"),
]


def test_clock_readings_become_instants(tmp_path):
    rows = [f"c{number:02},{written},1" for number, (written, _) in enumerate(TIMES)]
    tables = purchases(tmp_path, rows, {"time_zone": "Europe/London"})
    found = [row[1] for row in rows_of(tables, "purchases", "customer_id", "event_time")]
    assert found == [stamp(expected) for _, expected in TIMES]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Asia/Shanghai"])
def test_the_same_instant_is_read_from_any_typed_column(unit, zone):
    stamps = pd.Series(pd.to_datetime(["2024-05-01 12:00:00"])).dt.as_unit(unit).dt.tz_localize("UTC")
    written = stamps.dt.tz_convert(zone or "UTC")
    frame = pd.DataFrame({"customer_id": ["a"], "event_time": written, "amount": [1.0]})
    tables = tables_from_frames(config_of({"purchases": {"path": "-"}}), {"purchases": frame}, observed_now=NOW)
    assert rows_of(tables, "purchases", "event_time") == [(stamp("2024-05-01 12:00:00"),)]


def test_the_zone_of_the_machine_does_not_matter(monkeypatch, tmp_path):
    monkeypatch.setenv("TZ", "America/New_York")
    tables = purchases(tmp_path, ["a,2024-05-01T10:00:00Z,1", "b,2024-05-01,1"])
    assert [row[1] for row in rows_of(tables, "purchases", "customer_id", "event_time")] == [
        stamp("2024-05-01 10:00:00"),
        stamp("2024-05-01"),
    ]


def test_known_at_defaults_to_the_event_and_late_rows_are_counted(tmp_path):
    header = "customer_id,event_time,amount,known_at\n"
    rows = ["a,2024-05-01,1,", "b,2024-05-01,1,2024-05-08", "c,2024-05-01,1,2024-05-09", "d,2024-05-01,1,2024-04-01"]
    tables = purchases(tmp_path, rows, header=header)
    assert [row[1] for row in rows_of(tables, "purchases", "customer_id", "known_at")] == [
        stamp(day) for day in ("2024-05-01", "2024-05-08", "2024-05-09", "2024-04-01")
    ]
    assert tables.reports["purchases"].late == 1


ODD_IDS = ["007", "7", " 7", "7.0", "A", "a", "\u00e9", "e\u0301", "nan", "None", "null", "=1+1", "'; DROP TABLE x; --"]
ODD_IDS += ["\uff19", "\U0001f469\u200d\U0001f467", "\u200f\u05e9\u05dc", "18446744073709551616", "x" * 10_000]


def test_ids_are_opaque_and_none_are_merged(tmp_path):
    rows = [f'"{identity}",2024-05-01,1' for identity in ODD_IDS]
    tables = purchases(tmp_path, rows)
    assert {row[0] for row in rows_of(tables, "purchases", "customer_id")} == set(ODD_IDS)
    assert tables.reports["purchases"].accepted == len(ODD_IDS) == len(set(ODD_IDS))


def test_numeric_ids_are_written_out():
    frame = pd.DataFrame({"event_time": ["2024-05-01"] * 4, "amount": [1.0] * 4})
    config = config_of({"purchases": {"path": "-"}})

    def ids(values):
        tables = tables_from_frames(config, {"purchases": frame.assign(customer_id=values)}, observed_now=NOW)
        return rows_of(tables, "purchases", "customer_id"), dict(tables.reports["purchases"].quarantined)

    assert ids([1, 2, 30, -4]) == ([("-4",), ("1",), ("2",), ("30",)], {})
    floats = ids([17850.0, 1.5, None, 2.0**60])
    assert floats == ([("1.5",), ("17850",)], {"MISSING_ID": 1, "BAD_ID": 1})


def test_scores_of_every_scale_become_a_share(tmp_path):
    header = "customer_id,event_time,kind,score,scale_min,scale_max\n"
    rows = ["a,2024-05-01,CSAT,4,,", "b,2024-05-01,nps,7,,", "c,2024-05-01,csat,6,1,7", "d,2024-05-01,review,3,0,10"]
    rows += ["e,2024-05-01,nps,-50,-100,100", "f,2024-05-01,csat,,,", "g,2024-05-01,complaint,,,"]
    tables = load_text(tmp_path, {"feedback": header + "\n".join(rows) + "\n"})
    found = dict(rows_of(tables, "feedback", "customer_id", "satisfaction"))
    assert found == pytest.approx({"a": 0.75, "b": 0.7, "c": 5 / 6, "d": 0.3, "e": 0.25, "f": None, "g": None})
    assert {"score", "satisfaction"} <= tables.present["feedback"]


def test_attributes_are_numbers_only_where_every_value_is_one(tmp_path):
    header = "customer_id,label,age,zip,size,code,empty,blank\n"
    rows = ["a,Yes,30,01067,2,1,,3", "b,No,31.5,99999,3+,x,,-", "c,,40,12345,1,2,,4"]
    text = header + "\n".join(rows) + "\n"
    null_values = {"snapshots": {"null_values": {"blank": ["-"]}}}
    tables = load_text(tmp_path, {"snapshots": text}, null_values, churn={"positive": "Yes"})
    assert dict(tables.attribute_types["snapshots"]) == {
        "age": "number",
        "zip": "category",
        "size": "category",
        "code": "category",
        "empty": "category",
        "blank": "number",
    }
    rows = rows_of(tables, "snapshots", "customer_id", "label", "age", "zip", "empty", "blank")
    assert rows == [
        ("a", 1, 30.0, "01067", None, 3.0),
        ("b", 0, 31.5, "99999", None, None),
        ("c", None, 40.0, "12345", None, 4.0),
    ]


def test_booleans_become_categories_and_given_types_are_kept():
    config = config_of({"customers": {"path": "-"}})
    frame = pd.DataFrame({"customer_id": ["a"], "vip": [True], "zip": ["1067"], "note": [None], "region": ["N"]})
    given = {"customers": {"zip": "category", "note": "number", "elsewhere": "number"}}
    tables = tables_from_frames(config, {"customers": frame}, observed_now=NOW, attribute_types=given)
    assert rows_of(tables, "customers", "vip", "zip", "note", "region") == [("true", "1067", None, "N")]
    types = {"vip": "category", "zip": "category", "note": "number", "region": "category"}
    assert dict(tables.attribute_types["customers"]) == types


def test_every_column_of_the_contract_exists_with_its_type(tmp_path):
    schema = purchases(tmp_path, ["a,2024-05-01,1"]).events["purchases"].schema()
    assert str(schema["margin_minor"]) == "int64"
    assert str(schema["known_at"]) == "timestamp(6)"
    assert str(schema["category"]) == "string"
    assert "amount" not in schema


def test_the_span_ends_after_the_last_event_of_the_tables_that_outcomes_come_from(tmp_path):
    texts = {
        "purchases": HEAD + "a,2024-01-05,1\na,2024-03-31T23:59:59Z,1\n",
        "visits": "customer_id,event_time,kind\na,2023-01-01,view\na,2024-09-01,view\n",
    }
    assert load_text(tmp_path, texts).span == (date(2024, 1, 5), date(2024, 4, 1))
    both = load_text(tmp_path, texts, churn={"definition": "no_visit"})
    assert both.span == (date(2023, 1, 1), date(2024, 4, 1))
    contracts = "customer_id,started_at,ended_at\na,2023-01-01,2024-02-03\nb,2023-01-01,2030-01-01\n"
    assert load_text(tmp_path, {"contracts": contracts}).span == (date(2023, 1, 1), date(2024, 2, 4))
    assert load_text(tmp_path, {"snapshots": "customer_id,label\na,1\n"}).span == (date(2025, 1, 1), date(2025, 1, 1))


def test_present_names_what_the_source_really_has(tmp_path):
    header = "customer_id,event_time,amount,margin,note\n"
    tables = purchases(tmp_path, ["a,2024-05-01,1,1,x"], {"constants": {"channel": "web"}}, header=header)
    assert tables.present["purchases"] == {"margin", "channel"}
    with_return = purchases(tmp_path, ["a,2024-05-01,1,,", "a,2024-05-02,-1,,"], header=header)
    assert with_return.present["purchases"] == {"margin", "is_return"}
    assert with_return.reports["purchases"].null_share == {"margin": 1.0, "is_return": 0.0}


def test_a_table_of_the_configuration_without_a_frame_is_empty():
    config = config_of({"purchases": {"path": "-"}, "visits": {"path": "-"}, "customers": {"path": "-"}})
    tables = tables_from_frames(config, {"purchases": frame_of(amount=[1.0])}, observed_now=NOW)
    assert tables.events["visits"].count().execute() == 0
    assert tables.reports["visits"].is_balanced
    assert list(tables.events) == ["purchases", "visits", "customers"]


def test_a_frame_without_rows_gives_the_same_columns_as_one_with_rows():
    config = config_of({"purchases": {"path": "-"}, "customers": {"path": "-"}, "feedback": {"path": "-"}})
    frames = {
        "purchases": frame_of(amount=[1.0], order_id=["o"]),
        "customers": pd.DataFrame({"customer_id": ["a"], "age": [3.0], "town": ["Ulm"], "region": ["N"]}),
        "feedback": frame_of(kind=["csat"], score=[3]),
    }
    full = tables_from_frames(config, frames, observed_now=NOW)
    types = {"customers": {"age": "number", "town": "category"}}
    empty = tables_from_frames(
        config, {name: frame.head(0) for name, frame in frames.items()}, observed_now=NOW, attribute_types=types
    )
    for name in frames:
        assert dict(empty.events[name].schema().items()) == dict(full.events[name].schema().items())
        assert empty.attribute_types[name] == full.attribute_types[name]
        assert empty.present[name] == full.present[name]
        assert empty.reports[name].read == 0


@pytest.mark.parametrize(
    ("positive", "texts", "labels"),
    [
        ("1", ["1", "1.0", "0", "0.0", "2", "x"], [1, 1, 0, 0, 0, 0]),
        ("1.0", ["1", "1.0", "01", "0"], [1, 1, 1, 0]),
        ("yes", ["yes", "no", "Yes", "1"], [1, 0, 0, 0]),
        ("-1", ["-1.00", "1"], [1, 0]),
        ("nan", ["nan", "1"], [1, 0]),
        (None, ["1.0", "0.0", "yes", "f"], [1, 0, 1, 0]),
    ],
)
def test_a_label_is_the_same_number_however_it_is_written(tmp_path, positive, texts, labels):
    """A column of whole numbers with a gap in it is written with decimals by most tools."""
    rows = "".join(f"c{place},{text}\n" for place, text in enumerate(texts))
    tables = load_text(tmp_path, {"snapshots": f"customer_id,label\n{rows}"}, churn={"positive": positive})
    assert [label for _, label in rows_of(tables, "snapshots", "customer_id", "label")] == labels
