"""Tables refused as a whole: each message names the file, the key, what was there and what to write."""

import re
from typing import Any

import duckdb
import pandas as pd
import pytest
from dirty_files import NOW, REQUIRED, config_of, load_text

from churn_value.errors import ChurnValueError
from churn_value.tables.load import load_tables, tables_from_frames

TEN = "".join(f"c{number},2024-05-{number:02},1.00\n" for number in range(1, 11))
HEAD = "customer_id,event_time,amount\n"


def refused(folder, text: str, settings: dict[str, Any] | None = None, **company: Any) -> ChurnValueError:
    with pytest.raises(ChurnValueError) as caught:
        load_text(folder, {"purchases": text}, {"purchases": settings or {}}, **company)
    return caught.value


CASES = {
    "a missing column is named with its nearest neighbour": (
        "customer_id,event_tme,amount\na,2024-05-01,1\n",
        {},
        "MISSING_COLUMN",
        r"needs event_time.*received columns customer_id, event_tme, amount.*did you mean event_tme\?.*write tables\.",
    ),
    "a mapping to a column that is not there": (
        HEAD + TEN,
        {"columns": {"order_id": "custmer_id"}},
        "MISSING_COLUMN",
        r"columns\.order_id.*received custmer_id.*did you mean customer_id\?",
    ),
    "a mapping of a word outside the contract": (
        HEAD + TEN,
        {"columns": {"amuont": "amount"}},
        "UNKNOWN_COLUMN",
        r"tables\.purchases\.columns.*received amuont.*did you mean amount\?",
    ),
    "a column that comes from two places": (
        HEAD + TEN,
        {"columns": {"amount": "amount"}, "derived": {"amount": "amount * 2"}},
        "AMBIGUOUS_MAPPING",
        r"amount must come from one place.*columns\.amount and derived\.amount.*keep one",
    ),
    "an amount in major and in minor units": (
        "customer_id,event_time,amount,amount_minor\na,2024-05-01,1,100\n",
        {},
        "AMBIGUOUS_MAPPING",
        r"amount and amount_minor",
    ),
    "a column of which most values cannot be read": (
        HEAD + TEN.replace("1.00", "one"),
        {},
        "COLUMN_TYPE",
        r"column amount must hold numbers in major units; received 10 of 10 values.*null_values",
    ),
    "times that are not ISO 8601": (
        HEAD + TEN.replace("2024-05-", "5/6/").replace(",1.00", "/2024,1.00"),
        {},
        "COLUMN_TYPE",
        r"column event_time must hold timestamps, dates, or ISO 8601 text",
    ),
    "clock readings without a zone": (
        HEAD + "a,2024-05-01 10:00:00,1\nb,2024-05-01T10:00:00Z,1\n",
        {},
        "NAIVE_TIMESTAMP",
        r"event_time.*received 1 stamps without either; write tables\.purchases\.time_zone",
    ),
    "a zone that does not exist": (
        HEAD + TEN,
        {"time_zone": "Europe/Lundon"},
        "TIME_ZONE",
        r"tables\.purchases\.time_zone.*received Europe/Lundon.*Europe/London",
    ),
    "a file with nothing in it": ("", {}, "EMPTY_FILE", r"must begin with its column names"),
    "a file with a header only": (HEAD, {}, "EMPTY_TABLE", r"at least one usable row; received 0 rows"),
    "a table of which no row is usable": (
        HEAD + ",2024-05-01,1\na,,1\n",
        {},
        "EMPTY_TABLE",
        r"received 2 rows, quarantined for 1 MISSING_ID, 1 MISSING_TIME",
    ),
    "amounts in currencies without a rate": (
        "customer_id,event_time,amount,currency\na,2024-05-01,1,EUR\nb,2024-05-01,1,EUR\nc,2024-05-01,1,USD\n",
        {},
        "MIXED_CURRENCY",
        r"received EUR \(2 rows\).*write rates: \{EUR: <USD per EUR>\}",
    ),
    "a header with one name twice": (
        "customer_id,event_time,amount,Amount\na,2024-05-01,1,1\n",
        {},
        "BAD_HEADER",
        r"amount and Amount in .*purchases\.csv; rename",
    ),
    "a header with an empty name": (
        "customer_id,event_time,amount,\na,2024-05-01,1,1\n",
        {},
        "BAD_HEADER",
        "empty name",
    ),
    "a quote that is never closed": (
        HEAD + 'a,2024-05-01,1\n"b,2024-05-01,1\nc,2024-05-01,1\n',
        {},
        "BROKEN_FILE",
        r"a quote opened in line 3",
    ),
    "two kinds of line end": (
        "customer_id,event_time,amount\r\na,2024-05-01,1\nb,2024-05-01,1\r\n",
        {},
        "BROKEN_FILE",
        "line end",
    ),
    "a file that is not there": (
        HEAD,
        {"path": "purchase.csv"},
        "FILE_NOT_FOUND",
        r"\.path.*purchase\.csv.*CHURN_VALUE_DATA",
    ),
    "an ending that is not known": (
        HEAD,
        {"path": "purchases.xlsx"},
        "FILE_TYPE",
        r"received \.xlsx.*\.parquet, \.csv",
    ),
    "null texts of a column that is not there": (
        HEAD + TEN,
        {"null_values": {"ammount": ["-"]}},
        "MISSING_COLUMN",
        r"null_values.*received ammount.*did you mean amount\?",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_table_is_refused_by_name(tmp_path, case):
    text, settings, code, message = CASES[case]
    (tmp_path / "purchases.xlsx").write_text("x")
    error = refused(tmp_path, text, settings)
    assert error.code == code
    assert re.search(message, str(error)), str(error)
    assert "tables.purchases" in str(error)


def test_the_configuration_file_is_named(tmp_path):
    config = config_of({"purchases": {"path": "none.csv"}}).model_copy(update={"source_file": tmp_path / "shop.yaml"})
    with pytest.raises(ChurnValueError, match=r"shop\.yaml: tables\.purchases\.path: the file must exist"):
        load_tables(config, data_root=tmp_path, observed_now=NOW)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("customer_id,event_time,amount\na,2024-05-01,1\n".encode("utf-16"), "CSV_ENCODING"),
        ("customer_id,event_time,amount\na,2024-05-01,1\n".encode("utf-16-le"), "CSV_ENCODING"),
        ("kundé,event_time,amount\na,2024-05-01,1\n".encode("latin-1"), "CSV_ENCODING"),
    ],
)
def test_text_that_is_not_utf8_is_refused(tmp_path, content, code):
    (tmp_path / "purchases.csv").write_bytes(content)
    with pytest.raises(ChurnValueError) as caught:
        load_tables(config_of({"purchases": {"path": "purchases.csv"}}), data_root=tmp_path, observed_now=NOW)
    assert caught.value.code == code
    assert "UTF-8" in str(caught.value)


@pytest.mark.parametrize(("parted_by", "written"), [(";", ";"), ("\t", r"\t"), ("|", "|")])
def test_a_file_with_another_separator_is_refused_with_the_key_that_mends_it(tmp_path, parted_by, written):
    (tmp_path / "purchases.csv").write_text((HEAD + "a,2024-05-01,1\n").replace(",", parted_by))
    with pytest.raises(ChurnValueError) as caught:
        load_tables(config_of({"purchases": {"path": "purchases.csv"}}), data_root=tmp_path, observed_now=NOW)
    assert caught.value.code == "SEPARATOR_WRONG"
    assert f'separator: "{written}"' in str(caught.value)
    mended = config_of({"purchases": {"path": "purchases.csv", "separator": parted_by}})
    assert load_tables(mended, data_root=tmp_path, observed_now=NOW)


@pytest.mark.parametrize("name", ["broken.parquet", "broken.duckdb", "broken.csv.gz"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"PAR1 this is neither" * 20)
    with pytest.raises(ChurnValueError) as caught:
        load_tables(config_of({"purchases": {"path": name, "table": "t"}}), data_root=tmp_path, observed_now=NOW)
    assert caught.value.code == "BROKEN_FILE"
    assert name in str(caught.value)


def test_files_of_one_glob_must_be_alike(tmp_path):
    (tmp_path / "p1.csv").write_text(HEAD + "a,2024-05-01,1\n")
    (tmp_path / "p2.csv").write_text("customer_id,amount,event_time\na,1,2024-05-01\n")
    with pytest.raises(ChurnValueError, match="same header") as caught:
        load_tables(config_of({"purchases": {"path": "p*.csv"}}), data_root=tmp_path, observed_now=NOW)
    assert caught.value.code == "HEADERS_DIFFER"


def test_a_duckdb_table_that_is_not_there_is_named_with_its_neighbour(tmp_path):
    with duckdb.connect(tmp_path / "shop.duckdb") as connection:
        connection.execute("CREATE TABLE orders AS SELECT 1 AS x")
    config = config_of({"purchases": {"path": "shop.duckdb", "table": "order"}})
    with pytest.raises(ChurnValueError, match=r"received order; did you mean orders\?") as caught:
        load_tables(config, data_root=tmp_path, observed_now=NOW)
    assert caught.value.code == "TABLE_NOT_FOUND"


def test_a_typed_column_of_the_wrong_type_is_refused():
    frame = pd.DataFrame({"customer_id": ["a"], "event_time": [20240501], "amount": [1.0]})
    with pytest.raises(ChurnValueError, match=r"column event_time must hold timestamps.*received type int64") as caught:
        tables_from_frames(config_of({"purchases": {"path": "-"}}), {"purchases": frame}, observed_now=NOW)
    assert caught.value.code == "COLUMN_TYPE"


def test_naive_stamps_of_a_frame_are_refused_but_days_are_not():
    frame = pd.DataFrame({"customer_id": ["a"], "event_time": [pd.Timestamp("2024-05-01")], "amount": [1.0]})
    config = config_of({"purchases": {"path": "-"}})
    with pytest.raises(ChurnValueError) as caught:
        tables_from_frames(config, {"purchases": frame}, observed_now=NOW)
    assert caught.value.code == "NAIVE_TIMESTAMP"
    days = frame.assign(event_time=frame.event_time.dt.date)
    assert tables_from_frames(config, {"purchases": days}, observed_now=NOW).reports["purchases"].accepted == 1


def test_a_frame_column_that_mixes_types_is_refused():
    frame = pd.DataFrame({"customer_id": ["a", 1], "event_time": ["2024-05-01"] * 2, "amount": [1.0, 2.0]})
    with pytest.raises(ChurnValueError, match="must hold one type"):
        tables_from_frames(config_of({"purchases": {"path": "-"}}), {"purchases": frame}, observed_now=NOW)


def test_a_label_table_needs_its_label(tmp_path):
    with pytest.raises(ChurnValueError, match="the table needs label"):
        load_text(tmp_path, {"snapshots": "customer_id,x\na,1\n"})


def test_attributes_that_are_not_there_are_named(tmp_path):
    texts = {"snapshots": REQUIRED["snapshots"]}
    with pytest.raises(ChurnValueError, match=r"attributes: .*received ag") as caught:
        load_text(tmp_path, texts, {"snapshots": {"attributes": ["ag"]}})
    assert caught.value.code == "MISSING_COLUMN"


def test_an_attribute_that_differs_from_a_contract_column_in_capitals_is_refused(tmp_path):
    text = "id,Customer_ID,label\na,b,1\n"
    with pytest.raises(ChurnValueError, match="customer_id and Customer_ID"):
        load_text(tmp_path, {"snapshots": text}, {"snapshots": {"columns": {"customer_id": "id"}}})
