"""Sources: the same rows from Parquet, CSV and DuckDB, globs, look-ups."""

import gzip
import re
from datetime import UTC, date, datetime

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dirty_files import NOW, config_of, load_text, rows_of

from churn_value.errors import SchemaError
from churn_value.tables.load import load_tables, tables_from_frames
from churn_value.tables.quarantine import read_quarantine

ORDERS = pd.DataFrame(
    {
        "customer_id": [1, 2, 3],
        "event_time": pd.to_datetime(["2024-05-01", "2024-05-02", "2024-05-03"]).tz_localize("UTC"),
        "amount": [1.25, 2.5, -3.75],
        "product_id": [10, 11, 99],
    }
)


def load(folder, settings, **company):
    return load_tables(config_of({"purchases": settings}, **company), data_root=folder, observed_now=NOW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("files")
    text = ORDERS.to_csv(index=False)
    (made / "orders.csv").write_text(text)
    (made / "bom.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    (made / "crlf.csv").write_bytes(text.replace("\n", "\r\n").encode())
    (made / "semicolon.csv").write_text(ORDERS.to_csv(index=False, sep=";"))
    with gzip.open(made / "packed.csv.gz", "wt") as file:
        file.write(text)
    (made / "parts").mkdir()
    ORDERS.head(1).to_csv(made / "parts" / "a.csv", index=False)
    ORDERS.tail(2).to_csv(made / "parts" / "b.csv", index=False)
    ORDERS.to_parquet(made / "orders.parquet")
    ORDERS.head(2).to_parquet(made / "parts" / "a.parquet")
    ORDERS.tail(1).to_parquet(made / "parts" / "b.parquet")
    with duckdb.connect(made / "shop.duckdb") as connection:
        connection.register("held", ORDERS)
        connection.execute("CREATE SCHEMA sales")
        connection.execute("CREATE TABLE orders AS FROM held")
        connection.execute("CREATE VIEW sales.all_orders AS FROM orders")
    return made


SOURCES = [
    {"path": "orders.csv"},
    {"path": "bom.csv"},
    {"path": "crlf.csv"},
    {"path": "semicolon.csv", "separator": ";"},
    {"path": "packed.csv.gz"},
    {"path": "parts/*.csv"},
    {"path": "orders.parquet"},
    {"path": "parts/*.parquet"},
    {"path": "shop.duckdb", "table": "orders"},
    {"path": "shop.duckdb", "table": "sales.all_orders"},
]


def test_every_kind_of_source_gives_the_same_rows_and_the_same_hash(folder):
    loaded = [load(folder, source) for source in SOURCES]
    assert len({tables.sha256 for tables in loaded}) == 1
    rows = rows_of(loaded[0], "purchases", "customer_id", "amount_minor", "product_id")
    assert rows == [("1", 125, "10"), ("2", 250, "11"), ("3", -375, "99")]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", None])
def test_stamps_of_any_resolution_are_the_same_instants(folder, tmp_path, unit, zone):
    """pandas before its third version wrote all stamps in nanoseconds."""
    kind = f"datetime64[{unit}, {zone}]" if zone else f"datetime64[{unit}]"
    stamps = ORDERS["event_time"].dt.tz_convert(zone).astype(kind)
    frame = ORDERS.assign(event_time=stamps)
    frame.to_parquet(tmp_path / "orders.parquet")
    with duckdb.connect(tmp_path / "shop.duckdb") as connection:
        connection.register("held", frame)
        connection.execute("CREATE TABLE orders AS FROM held")
    columns = ("customer_id", "event_time", "amount_minor")
    expected = rows_of(load(folder, {"path": "orders.csv"}), "purchases", *columns)
    for settings in ({"path": "orders.parquet"}, {"path": "shop.duckdb", "table": "orders"}):
        given = settings if zone else {**settings, "time_zone": "UTC"}
        assert rows_of(load(tmp_path, given), "purchases", *columns) == expected
    config = config_of({"purchases": {"path": "none"} if zone else {"path": "none", "time_zone": "UTC"}})
    assert (
        rows_of(tables_from_frames(config, {"purchases": frame}, observed_now=NOW), "purchases", *columns) == expected
    )


def test_a_column_of_nulls_alone_says_nothing(folder, tmp_path):
    empty = dict.fromkeys(["known_at", "order_id", "quantity", "category", "margin", "currency"])
    ORDERS.assign(**empty).to_parquet(tmp_path / "orders.parquet")
    found = load(tmp_path, {"path": "orders.parquet"})
    columns = ("customer_id", "event_time", "amount_minor", "order_id", "quantity", "category")
    assert rows_of(found, "purchases", *columns) == rows_of(load(folder, {"path": "orders.csv"}), "purchases", *columns)


def test_an_absolute_path_is_taken_as_it_is(folder, tmp_path):
    assert load(tmp_path, {"path": str(folder / "orders.csv")}).reports["purchases"].read == 3


def test_sources_are_let_go_after_loading(folder):
    load(folder, {"path": "shop.duckdb", "table": "orders"})
    with duckdb.connect(folder / "shop.duckdb") as connection:
        connection.execute("CREATE OR REPLACE TABLE scratch AS SELECT 1 AS one")
        assert connection.sql("SELECT one FROM scratch").fetchall() == [(1,)]


PRODUCTS = "product,department\n10,DELI\n11,\n12,TOYS\n"


def test_a_look_up_brings_columns_and_never_rows(folder, tmp_path):
    (tmp_path / "orders.parquet").write_bytes((folder / "orders.parquet").read_bytes())
    (tmp_path / "products.csv").write_text(PRODUCTS)
    join = {"path": "products.csv", "on": {"product_id": "product"}, "null_values": {"department": ["DELI"]}}
    settings = {"path": "orders.parquet", "joins": [join], "columns": {"category": "department"}}
    tables = load(tmp_path, settings)
    assert rows_of(tables, "purchases", "customer_id", "category") == [("1", None), ("2", None), ("3", None)]
    settings["joins"] = [{**join, "null_values": {}}]
    assert rows_of(load(tmp_path, settings), "purchases", "customer_id", "category")[0] == ("1", "DELI")


@pytest.mark.parametrize(
    ("products", "join", "code", "message"),
    [
        (PRODUCTS + "10,MEAT\n", {}, "JOIN_KEY_REPEATED", r"joins\[0\].*1 keys of product .* products\.csv"),
        (PRODUCTS, {"on": {"product_id": "prduct"}}, "MISSING_COLUMN", r"joins\[0\]\.on.*did you mean product\?"),
        (PRODUCTS, {"on": {"productid": "product"}}, "MISSING_COLUMN", r"joins\[0\]\.on.*did you mean product_id\?"),
        (PRODUCTS, {"columns": ["dept"]}, "MISSING_COLUMN", r"joins\[0\]\.columns.*received dept"),
        ("product,amount\n10,1\n", {}, "AMBIGUOUS_MAPPING", r"amount must come from one place"),
        (PRODUCTS + "13\n", {}, "BROKEN_FILE", r"1 broken lines, the first in line 5"),
    ],
)
def test_a_doubtful_look_up_is_refused_by_name(folder, tmp_path, products, join, code, message):
    (tmp_path / "products.csv").write_text(products)
    settings = {
        "path": str(folder / "orders.parquet"),
        "joins": [{"path": "products.csv", "on": {"product_id": "product"}, **join}],
    }
    with pytest.raises(SchemaError) as caught:
        load(tmp_path, settings)
    assert caught.value.code == code
    assert re.search(message, str(caught.value)), str(caught.value)


def test_keys_of_a_look_up_are_compared_as_ids_are(folder, tmp_path):
    pd.DataFrame({"product": [10.0, 11.0], "department": ["DELI", "TOYS"]}).to_parquet(tmp_path / "products.parquet")
    join = {"path": "products.parquet", "on": {"product_id": "product"}}
    settings = {"path": str(folder / "orders.csv"), "joins": [join], "columns": {"category": "department"}}
    found = rows_of(load(tmp_path, settings), "purchases", "customer_id", "category")
    assert found == [("1", "DELI"), ("2", "TOYS"), ("3", None)]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_set_aside_are_numbered_from_1_through_all_files(tmp_path, kind):
    for name, amounts in (("a", ["1", "x", "2"]), ("b", ["1"] * 7 + ["y"])):
        part = pd.DataFrame({"customer_id": "c", "event_time": "2024-05-01", "amount": amounts})
        (part.to_csv if kind == "csv" else part.to_parquet)(tmp_path / f"{name}.{kind}", index=False)
    config = config_of({"purchases": {"path": f"*.{kind}"}})
    load_tables(config, data_root=tmp_path, observed_now=NOW, quarantine_dir=tmp_path / "quarantine")
    aside = read_quarantine(tmp_path / "quarantine" / "purchases.parquet")
    assert [(row["source_row"], row["raw"]["amount"]) for row in aside] == [(2, "x"), (11, "y")]


def test_an_empty_key_matches_nothing_and_may_repeat(tmp_path):
    (tmp_path / "products.csv").write_text("product,department\n,A\n,B\n10,DELI\n")
    join = {"path": "products.csv", "on": {"product_id": "product"}}
    text = "customer_id,event_time,amount,product_id\na,2024-05-01,1,\nb,2024-05-01,1,10\n"
    tables = load_text(
        tmp_path, {"purchases": text}, {"purchases": {"joins": [join], "columns": {"category": "department"}}}
    )
    assert rows_of(tables, "purchases", "customer_id", "category") == [("a", None), ("b", "DELI")]


def test_columns_are_mapped_derived_and_set_as_the_configuration_says(tmp_path):
    text = "Kunde,Datum,Menge,Preis je Stück\n1,2024-05-01,3,2.50\n2,2024-05-02,-1,2.50\n"
    settings = {
        "columns": {"customer_id": "Kunde", "event_time": "Datum", "quantity": "Menge"},
        "derived": {"amount": "Menge * `Preis je Stück`", "is_return": "Menge < 0"},
        "constants": {"channel": "Laden"},
    }
    tables = load_text(tmp_path, {"purchases": text}, {"purchases": settings})
    rows = rows_of(tables, "purchases", "customer_id", "amount_minor", "is_return", "channel")
    assert rows == [("1", 750, False, "Laden"), ("2", -250, True, "Laden")]


def test_left_over_columns_become_attributes_unless_they_were_used(tmp_path):
    text = "id,Churn,tenure,since,Gender\na,Yes,3,2024-05-01,f\nb,No,4,2024-05-01,m\n"
    settings = {"columns": {"customer_id": "id"}, "derived": {"label": "Churn == 'Yes'", "months": "tenure * 12"}}
    tables = load_text(tmp_path, {"snapshots": text}, {"snapshots": settings})
    assert tables.present["snapshots"] == {"label", "months", "since", "Gender"}
    assert rows_of(tables, "snapshots", "customer_id", "label", "months") == [("a", 1, 36.0), ("b", 0, 48.0)]


def test_columns_that_nothing_reads_are_told(tmp_path):
    """A date is no attribute even where all columns are; nor is what a list leaves out, or a column of an event."""
    day = pa.array([date(2024, 5, 1)] * 2)
    customers = pa.table({"customer_id": ["a", "b"], "age": [30, 40], "met": day, "Gender": ["f", "m"], "x": [1, 2]})
    pq.write_table(customers, tmp_path / "customers.parquet")
    stamps = pa.array([datetime(2024, 5, 1, 12, tzinfo=UTC)] * 2)
    bought = {"customer_id": ["a", "b"], "event_time": stamps, "amount_minor": [100, 200], "till": [4, 4], "n": [1, 2]}
    pq.write_table(pa.table(bought), tmp_path / "purchases.parquet")
    purchases = {"path": "purchases.parquet", "derived": {"quantity": "n * 1.0"}}
    for wanted, unread in (("all", {"met": "date"}), (["age"], {"met": "date", "Gender": "string", "x": "int64"})):
        settings = {"customers": {"path": "customers.parquet", "attributes": wanted}, "purchases": purchases}
        reports = load_tables(config_of(settings), data_root=tmp_path, observed_now=NOW).reports
        assert reports["customers"].unread == reports["customers"].as_dict()["unread"] == unread
        assert reports["purchases"].unread == {"till": "int64"}
        assert ("unread till", "int64") in reports["purchases"].as_table()


def test_listed_attributes_are_the_only_ones(tmp_path):
    text = "customer_id,gender,age,secret\na,f,3,x\n"
    settings = {"attributes": ["gender", "age"]}
    tables = load_text(tmp_path, {"customers": text}, {"customers": settings})
    assert tables.present["customers"] == {"gender", "age"}
    others = load_text(tmp_path, {"customers": text}, {"customers": {"attributes": ["age"]}})
    assert others.present["customers"] == {"age"}
    assert rows_of(others, "customers", "customer_id", "gender") == [("a", None)]


def test_row_numbers_that_pandas_wrote_are_no_attribute_unless_listed(tmp_path):
    pd.DataFrame({"customer_id": ["a", "b"], "age": [30, 40]}, index=[7, 9]).to_parquet(tmp_path / "customers.parquet")
    for wanted, found in (("all", {"age"}), (["age", "__index_level_0__"], {"age", "__index_level_0__"})):
        settings = {"customers": {"path": "customers.parquet", "attributes": wanted}}
        (tmp_path / "plain.csv").write_text("customer_id,event_time,amount\na,2024-05-01,1.00\n")
        tables = load_tables(config_of(settings), data_root=tmp_path, observed_now=NOW)
        assert set(tables.attribute_types["customers"]) == found
