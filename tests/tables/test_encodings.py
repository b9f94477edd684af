"""CSV files in the encodings of offices: read as their table says, refused with the one they may be in."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from dirty_files import NOW, config_of, rows_of
from hypothesis import given
from hypothesis import strategies as st

from churn_value.errors import ChurnValueError
from churn_value.tables.files.encodings import in_utf8
from churn_value.tables.load import load_tables

HEAD = "customer_id,event_time,amount,channel\n"
CHINESE = HEAD + "王芳,2024-05-01,12.50,门店\n李娜,2024-05-02,8,线上\n"
WESTERN = HEAD + "Zoë,2024-05-01,12.50,Müller & Söhne\nb,2024-05-02,8,“online”\n"


def load(folder, content, name="purchases.csv", **settings):
    (folder / name).write_bytes(content)
    return load_tables(config_of({"purchases": {"path": name, **settings}}), data_root=folder, observed_now=NOW)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (CHINESE, "gb18030"),
        (CHINESE, "GBK"),
        (CHINESE.replace("门店", "門店").replace("线上", "線上"), "big5"),
        (CHINESE, "utf-16"),
        (CHINESE, "utf-16-le"),
        ("\ufeff" + CHINESE, "utf-16-be"),
        (CHINESE, "UTF8"),
        ("\ufeff" + CHINESE, "utf_8"),
        (WESTERN, "cp1252"),
        (WESTERN.replace("\n", "\r\n"), "utf-16"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_reads_as_the_same_file_in_utf8(tmp_path, text, encoding, packed):
    content = text.encode(encoding)
    name = "purchases.csv.gz" if packed else "purchases.csv"
    tables = load(tmp_path, gzip.compress(content) if packed else content, name, encoding=encoding)
    read = rows_of(tables, "purchases", "customer_id", "channel")
    assert read == (
        [("李娜", text[-3:-1]), ("王芳", text[text.index("店") - 1 : text.index("店") + 1])]
        if "王" in text
        else [("Zoë", "Müller & Söhne"), ("b", "“online”")]
    )


def test_several_files_are_numbered_as_they_follow_each_other(tmp_path):
    for number in range(12):
        (tmp_path / f"p{number:02}.csv").write_bytes(f"{HEAD}客{number},2024-05-01,{number + 1},店\n".encode("gbk"))
    config = config_of({"purchases": {"path": "p*.csv", "encoding": "gbk"}})
    tables = load_tables(config, data_root=tmp_path, observed_now=NOW)
    assert len(rows_of(tables, "purchases", "customer_id")) == 12
    assert rows_of(tables, "purchases", "customer_id", "amount_minor")[0] == ("客0", 100)


def test_a_joined_file_is_in_the_encoding_of_its_table(tmp_path):
    (tmp_path / "orders.csv").write_bytes("order,buyer\n1,王芳\n".encode("gb18030"))
    content = b"order,event_time,amount\n1,2024-05-01,9\n"
    tables = load(
        tmp_path,
        content,
        encoding="gb18030",
        columns={"customer_id": "buyer"},
        joins=[{"path": "orders.csv", "on": {"order": "order"}}],
    )
    assert rows_of(tables, "purchases", "customer_id") == [("王芳",)]


@pytest.mark.parametrize(
    ("text", "encoding", "proposed", "shown"),
    [
        (CHINESE, "gb18030", "gb18030", "王芳,2024-05-01,12.50,门店"),
        (CHINESE.replace("customer_id", "客户"), "gb18030", "gb18030", "客户,event_time"),
        (WESTERN, "cp1252", "cp1252", "Zoë,2024-05-01,12.50,Müller"),
        (WESTERN.replace("channel", "größe"), "cp1252", "cp1252", "größe"),
        (CHINESE, "utf-16", "utf-16", "customer_id"),
        (HEAD, "utf-16-le", "utf-16-le", "customer_id"),
        (HEAD, "utf-16-be", "utf-16-be", "customer_id"),
    ],
)
def test_a_file_in_another_encoding_is_refused_with_what_it_would_say(tmp_path, text, encoding, proposed, shown):
    with pytest.raises(ChurnValueError) as caught:
        load(tmp_path, text.encode(encoding))
    assert caught.value.code == "CSV_ENCODING"
    assert "tables.purchases" in str(caught.value)
    assert f"write encoding: {proposed} beside" in str(caught.value)
    assert shown in str(caught.value)


def test_the_file_in_another_encoding_is_named_among_many(tmp_path):
    (tmp_path / "p0.csv").write_text(CHINESE)
    (tmp_path / "p1.csv").write_bytes(CHINESE.encode("gbk"))
    with pytest.raises(ChurnValueError, match=r"other bytes in \S*p1\.csv"):
        load_tables(config_of({"purchases": {"path": "p*.csv"}}), data_root=tmp_path, observed_now=NOW)


def test_a_few_bad_bytes_among_good_ones_are_set_aside_line_by_line(tmp_path):
    tables = load(tmp_path, CHINESE.encode() + b"\xff\xfe,2024-05-01,1,x\n")
    assert dict(tables.reports["purchases"].quarantined) == {"BROKEN_ROW": 1}
    assert len(rows_of(tables, "purchases", "customer_id")) == 2


@pytest.mark.parametrize(("encoding", "line"), [("gb18030", 4), ("ascii", 2), ("utf-16", 1)])
def test_bytes_that_are_not_of_the_named_encoding_are_refused_where_they_stand(tmp_path, encoding, line):
    content = CHINESE.encode("gb18030") + b"\xff,2024-05-03,1,x\n"
    with pytest.raises(ChurnValueError) as caught:
        load(tmp_path, content, encoding=encoding)
    assert caught.value.code == "CSV_ENCODING"
    assert f"near line {line} that are not {encoding} in" in str(caught.value)


def test_a_packed_file_cut_short_is_refused(tmp_path):
    content = gzip.compress((HEAD + "王芳,2024-05-01,12.50,门店\n" * 200_000).encode("gbk"))
    with pytest.raises(ChurnValueError) as caught:
        load(tmp_path, content[:-40], "purchases.csv.gz", encoding="gbk")
    assert caught.value.code == "BROKEN_FILE"


@pytest.mark.parametrize("name", ["gb-18O30", "base64", "", "rot13"])
def test_an_encoding_that_is_none_of_text_is_refused_with_the_usual_ones(name):
    with pytest.raises(ValueError, match=r"(?s)encoding.*gb18030, big5"):
        config_of({"purchases": {"path": "p.csv", "encoding": name}})


@given(st.text(st.characters(codec="gb18030"), max_size=40), st.sampled_from(["gb18030", "utf-16", "utf-32-be"]))
def test_text_is_the_same_in_utf8(text, encoding):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_bytes(text.encode(encoding))
        with in_utf8([path], encoding, "here") as copies:
            assert copies[0].read_bytes().decode("utf-8") == text
        assert not copies[0].exists()
