"""JSON Lines: keys become columns, values the text they are, and a line that is no object is set aside."""

import gzip
import json

import pytest
from dirty_files import NOW, config_of, load_text, rows_of, stamp
from hypothesis import given
from hypothesis import strategies as st

from churn_value.errors import ChurnValueError
from churn_value.tables.files.sources import opened
from churn_value.tables.load import load_tables, open_connection

LOG = """{"user": {"id": "017"}, "at": "2024-05-01T10:00:00Z", "type": "View", "page": {"url": "/a,b", "tags": [1, 2]}}
{"user": {"id": 12345678901234567890123456}, "at": "2024-05-02T10:00:00+08:00", "type": "view"}
{"user": {"id": "b"}, "at": "2024-05-03", "type": "purchase_page", "seconds": 1.50}

{"user": {"id": "c"}, "at": null, "type": "view"}
["d", "2024-05-03", "view"]
{"user": {"id": "e"}, "at": "2024-05-0
"""
COLUMNS = {"customer_id": "user.id", "event_time": "at", "kind": "type"}


def read(folder, content, name="log.jsonl", **settings):
    (folder / name).write_bytes(content)
    with opened(open_connection(1), "source", str(folder / name), root=folder, where="here", **settings) as source:
        table = source.raw.to_pyarrow().to_pylist()
    return table, source.broken


def test_keys_are_columns_and_values_are_text(tmp_path):
    rows, broken = read(tmp_path, LOG.encode())
    assert rows == [
        {
            "user.id": "017",
            "at": "2024-05-01T10:00:00Z",
            "type": "View",
            "page.url": "/a,b",
            "page.tags": "[1,2]",
            "seconds": None,
            "__source_row": 1,
        },
        {
            "user.id": "12345678901234567890123456",
            "at": "2024-05-02T10:00:00+08:00",
            "type": "view",
            "page.url": None,
            "page.tags": None,
            "seconds": None,
            "__source_row": 2,
        },
        {
            "user.id": "b",
            "at": "2024-05-03",
            "type": "purchase_page",
            "page.url": None,
            "page.tags": None,
            "seconds": "1.5",
            "__source_row": 3,
        },
        {
            "user.id": "c",
            "at": None,
            "type": "view",
            "page.url": None,
            "page.tags": None,
            "seconds": None,
            "__source_row": 4,
        },
    ]
    assert [(row.line, row.text) for row in broken] == [
        (6, '["d", "2024-05-03", "view"]'),
        (7, '{"user": {"id": "e"}, "at": "2024-05-0'),
    ]


def test_events_of_a_log_are_visits_like_any_other(tmp_path):
    (tmp_path / "log.jsonl").write_text(LOG)
    config = config_of({"visits": {"path": "log.jsonl", "columns": COLUMNS, "time_zone": "UTC"}})
    tables = load_tables(config, data_root=tmp_path, observed_now=NOW, quarantine_dir=tmp_path / "quarantine")
    assert rows_of(tables, "visits", "customer_id", "event_time", "kind") == [
        ("017", stamp("2024-05-01 10:00"), "view"),
        ("12345678901234567890123456", stamp("2024-05-02 02:00"), "view"),
        ("b", stamp("2024-05-03"), "purchase_page"),
    ]
    assert dict(tables.reports["visits"].quarantined) == {"BROKEN_ROW": 2, "MISSING_TIME": 1}


@pytest.mark.parametrize(
    ("name", "pack", "settings"),
    [
        ("a.ndjson", bytes, {}),
        ("a.jsonl.gz", gzip.compress, {}),
        ("a.NDJSON.gz", gzip.compress, {}),
        ("a.jsonl", lambda content: content.replace(b"\n", b"\r\n"), {}),
        ("a.jsonl", lambda content: b"\xef\xbb\xbf" + content, {}),
    ],
)
def test_packed_and_otherwise_named_files_read_the_same(tmp_path, name, pack, settings):
    plain, _ = read(tmp_path, LOG.encode())
    rows, broken = read(tmp_path, pack(LOG.encode()), name, **settings)
    assert rows == plain
    assert len(broken) == 2


def test_files_of_a_glob_have_the_columns_of_all_of_them(tmp_path):
    (tmp_path / "p1.jsonl").write_text('{"customer_id": "a", "event_time": "2024-05-01", "amount": 1}\n')
    (tmp_path / "p2.jsonl").write_text(
        '\n{"amount": 2.5, "order_id": "o", "customer_id": "b", "event_time": "2024-05-01"}\n'
    )
    tables = load_tables(config_of({"purchases": {"path": "p*.jsonl"}}), data_root=tmp_path, observed_now=NOW)
    assert rows_of(tables, "purchases", "customer_id", "amount_minor", "order_id") == [
        ("a", 100, None),
        ("b", 250, "o"),
    ]


def test_a_file_of_json_lines_can_be_looked_up(tmp_path):
    (tmp_path / "orders.jsonl").write_text('{"order": {"id": 7, "buyer": "王芳"}}\n')
    joins = [{"path": "orders.jsonl", "on": {"order_id": "order.id"}}]
    settings = {"columns": {"customer_id": "order.buyer"}, "joins": joins}
    tables = load_text(tmp_path, {"purchases": "order_id,event_time,amount\n7,2024-05-01,1\n"}, {"purchases": settings})
    assert rows_of(tables, "purchases", "customer_id") == [("王芳",)]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "BROKEN_FILE", "no line that is one"),
        (b"\n\n", "BROKEN_FILE", "no line that is one"),
        (b'[\n{"a": 1},\n{"a": 2}\n]', "BROKEN_FILE", "jq -c"),
        (b'[{"a": 1}, {"a": 2}]', "BROKEN_FILE", "lines=True"),
        (b'{"Id": 1}\n{"ID": 2}\n', "BAD_HEADER", "Id and ID"),
        (b'{"a": {"b": 1}, "a.b": 2}\n', "BAD_HEADER", "a.b and a.b"),
        (b'{"": 1}\n', "BAD_HEADER", "an empty name"),
        ('{"客户": "王芳"}\n'.encode("gbk"), "CSV_ENCODING", "write encoding: gb18030"),
        ('{"a": 1}\n'.encode("utf-16"), "CSV_ENCODING", "write encoding: utf-16"),
    ],
)
def test_a_file_that_is_none_is_refused_with_what_to_do(tmp_path, content, code, said):
    with pytest.raises(ChurnValueError) as caught:
        read(tmp_path, content)
    assert caught.value.code == code
    assert said in str(caught.value)


KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8).map(lambda text: f"k{text}")
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(st.characters(codec="utf-8"), max_size=8)
)


def written_out(value):
    """What a column holds of a value."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else json.dumps(value)


@given(
    st.dictionaries(
        KEYS,
        SCALARS,
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_reading_undoes_writing(tmp_path_factory, held, is_ascii):
    if len({key.casefold() for key in held}) < len(held):
        return
    content = json.dumps({"in": held, "n": 1}, ensure_ascii=is_ascii).encode()
    rows, broken = read(tmp_path_factory.mktemp("lines"), content)
    assert not broken
    assert rows == [{**{f"in.{key}": written_out(value) for key, value in held.items()}, "n": "1", "__source_row": 1}]
