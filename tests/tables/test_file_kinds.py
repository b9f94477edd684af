"""A file damaged in any of many ways is refused by name, or every one of its rows is accepted or set aside."""

import gzip
import io

import duckdb
import pandas as pd
import pytest
from dirty_files import NOW, config_of

from churn_value.errors import DataContractError, SchemaError
from churn_value.tables.load import load_tables

ROWS = 40
GOOD = pd.DataFrame(
    {
        "customer_id": [f"{number % 7:03}" for number in range(ROWS)],
        "event_time": [f"2024-05-{number % 28 + 1:02}T10:00:00Z" for number in range(ROWS)],
        "amount": [f"{number}.50" for number in range(ROWS)],
        "order_id": [f"o{number}" for number in range(ROWS)],
    }
)


def as_csv(frame):
    return frame.to_csv(index=False).encode()


def as_packed(frame):
    return gzip.compress(as_csv(frame), mtime=0)


def as_lines(frame):
    return frame.to_json(orient="records", lines=True).encode()


def as_parquet(frame):
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


@pytest.fixture(scope="module")
def as_duckdb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")

    def written(frame):
        path = folder / "made.duckdb"
        path.unlink(missing_ok=True)
        with duckdb.connect(path) as connection:
            connection.register("held", frame)
            connection.execute("CREATE TABLE orders AS FROM held")
        return path.read_bytes()

    return written


def flipped(content, share):
    place = int(len(content) * share)
    return content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :]


BYTES = {
    "empty": lambda content: b"",
    "one byte": lambda content: content[:1],
    "the first quarter": lambda content: content[: len(content) // 4],
    "the first half": lambda content: content[: len(content) // 2],
    "without its last byte": lambda content: content[:-1],
    "without its first byte": lambda content: content[1:],
    "twice": lambda content: content * 2,
    "backwards": lambda content: content[::-1],
    "behind a byte order mark": lambda content: b"\xef\xbb\xbf" + content,
    "behind 4 kB of nothing": lambda content: bytes(4_096) + content,
    "followed by 4 kB of nothing": lambda content: content + bytes(4_096),
    "with a hole": lambda content: content[: len(content) // 3] + content[len(content) // 3 + 64 :],
    "with zeros in the middle": lambda content: (
        content[: len(content) // 2] + bytes(64) + content[len(content) // 2 + 64 :]
    ),
    **{
        f"a byte changed at {share:.0%}": lambda content, s=share: flipped(content, s)
        for share in (0, 0.1, 0.3, 0.6, 0.9, 0.999)
    },
}
FRAMES = {
    "no rows": GOOD.head(0),
    "a column missing": GOOD.drop(columns="amount"),
    "a column renamed": GOOD.rename(columns={"event_time": "when"}),
    "a column of another type": GOOD.assign(amount=True),
    "a column of lists": GOOD.assign(amount=[[1.0]] * ROWS),
    "a column of nulls": GOOD.assign(customer_id=None),
    "bad days": GOOD.assign(event_time="2024-02-30"),
    "some bad days": GOOD.assign(event_time=["2024-02-30", *GOOD["event_time"][1:]]),
    "ids with line ends": GOOD.assign(customer_id="a\r\nb"),
    "ids with NUL": GOOD.assign(customer_id=["a\0b", *GOOD["customer_id"][1:]]),
    "a very long id": GOOD.assign(customer_id=["a" * 1_000_000, *GOOD["customer_id"][1:]]),
    "not finite": GOOD.assign(amount=["inf", "nan", *GOOD["amount"][2:]]),
}
NAMES = {
    "csv": "orders.csv",
    "packed": "orders.csv.gz",
    "lines": "orders.jsonl",
    "parquet": "orders.parquet",
    "duckdb": "orders.duckdb",
}


def forms(*always):
    """All forms, those beyond `always` in the long run only."""
    return [one if one in always else pytest.param(one, marks=pytest.mark.long) for one in NAMES]


def settled(folder, form, content):
    """What became of a file: the code of its refusal, or its rows, of which none may be lost."""
    (folder / NAMES[form]).write_bytes(content)
    table = {"path": NAMES[form]} | ({"table": "orders"} if form == "duckdb" else {})
    try:
        report = load_tables(config_of({"purchases": table}), data_root=folder, observed_now=NOW).reports["purchases"]
    except (SchemaError, DataContractError) as refused:
        return refused.code
    assert report.is_balanced
    return report.read


@pytest.fixture
def written(as_duckdb):
    return {"csv": as_csv, "packed": as_packed, "lines": as_lines, "parquet": as_parquet, "duckdb": as_duckdb}


@pytest.mark.parametrize("form", forms("packed", "parquet", "lines"))
@pytest.mark.parametrize("damage", BYTES)
def test_a_file_of_damaged_bytes_is_refused_by_name_or_accounted_for(tmp_path, written, form, damage):
    found = settled(tmp_path, form, BYTES[damage](written[form](GOOD)))
    assert isinstance(found, int) or found.isupper()


@pytest.mark.parametrize("form", forms("csv"))
@pytest.mark.parametrize("kind", FRAMES)
def test_a_file_of_odd_content_is_refused_by_name_or_accounted_for(tmp_path, written, form, kind):
    found = settled(tmp_path, form, written[form](FRAMES[kind]))
    assert isinstance(found, int) or found.isupper()


@pytest.mark.parametrize("form", NAMES)
def test_an_undamaged_file_has_all_its_rows(tmp_path, written, form):
    assert settled(tmp_path, form, written[form](GOOD)) == ROWS


@pytest.mark.parametrize("wrong", NAMES)
@pytest.mark.parametrize("form", NAMES)
def test_a_file_of_one_form_under_the_name_of_another_is_refused(tmp_path, written, form, wrong):
    if form != wrong:
        assert isinstance(settled(tmp_path, wrong, written[form](GOOD)), str)


def test_a_small_file_that_unpacks_to_a_large_one_is_accounted_for(tmp_path):
    """Thirty megabytes of nothing are one line too many, and set aside."""
    assert settled(tmp_path, "packed", gzip.compress(as_csv(GOOD) + b" " * 30_000_000, mtime=0)) == ROWS + 1


def test_a_folder_and_a_link_that_leads_nowhere_are_no_files(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere.csv")
    for name in ("folder.csv", "link.csv"):
        with pytest.raises(SchemaError, match="must exist"):
            load_tables(config_of({"purchases": {"path": name}}), data_root=tmp_path, observed_now=NOW)
