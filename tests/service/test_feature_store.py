"""Features of any id, exactly as written; replaced tables are seen, broken ones are not."""

import numpy as np
import pandas as pd
import pytest

from churn_value.service import store as rooms
from churn_value.service.store import FeatureStore, write_features

ODD_IDS = [
    "007",
    "7",
    " 7",
    "7 ",
    "nan",
    "None",
    "",
    "ü",
    "u\u0308",
    "客户",
    "😀",
    "A",
    "a",
    "x" * 1000,
    "'; drop",
    "1e3",
    "\u202e1",
]


def table(ids, value=0.0):
    return pd.DataFrame(
        {
            "customer_id": ids,
            "as_of": [pd.Timestamp("2024-10-01").date()] * len(ids),
            "count": np.arange(len(ids), dtype=np.float64) + value,
            "text": [None if number % 3 else f"t{number}" for number in range(len(ids))],
        }
    )


def cells(kept, name):
    """A row's cell of a column, as it stands in the table."""
    return kept.group.frame[name].iloc[kept.place]


@pytest.fixture
def opened(tmp_path, monkeypatch):
    monkeypatch.setattr(rooms, "ROWS_PER_GROUP", 4)

    def made(frame, **options):
        write_features(frame, tmp_path / "features.parquet", **options)
        store = FeatureStore(tmp_path / "features.parquet", cache_bytes=1)
        store.refresh()
        return store

    return made


def test_every_odd_id_finds_its_own_row(opened):
    store = opened(table(ODD_IDS))
    for number, row in enumerate(store.find(ODD_IDS)):
        assert cells(row, "customer_id") == ODD_IDS[number]
        assert cells(row, "count") == float(number)
    assert len(store) == len(ODD_IDS)


def test_ids_with_the_same_hash_are_told_apart(opened, monkeypatch):
    monkeypatch.setattr(rooms, "_hashes", lambda ids: np.full(len(ids), 7, dtype=np.int64))
    store = opened(table(["a", "b", "c"]))
    assert [cells(row, "customer_id") for row in store.find(["c", "a"])] == ["c", "a"]
    assert store.find(["d"]) == [None]


def test_an_id_that_is_not_there_is_none(opened):
    store = opened(table(ODD_IDS))
    assert store.find(["07", "NAN", "U\u0308", "x" * 999]) == [None] * 4


def test_numbers_keep_their_bits_and_nulls_stay_null(opened):
    numbers = np.array([0.1 + 0.2, -0.0, 5e-324, np.nan, 1.7976931348623157e308])
    frame = table(list("abcde")).assign(count=numbers)
    found = opened(frame).find(list("abcde"))
    assert np.array([cells(row, "count") for row in found]).tobytes() == numbers.tobytes()
    assert [bool(pd.isna(cells(row, "text"))) for row in found] == [False, True, True, False, True]


def test_of_two_dates_of_a_customer_the_later_counts(opened):
    frame = table(["a", "a", "b"]).assign(as_of=pd.to_datetime(["2024-10-01", "2024-09-01", "2024-09-01"]).date)
    assert cells(opened(frame).find(["a"])[0], "count") == 0.0


def test_a_replaced_table_is_seen_and_a_broken_one_is_not(opened, tmp_path):
    store = opened(table(["a"]))
    write_features(table(["a", "b"], value=10), tmp_path / "features.parquet")
    store.refresh()
    assert cells(store.find(["a"])[0], "count") == 10.0
    (tmp_path / "features.parquet").write_bytes(b"PAR1 no table PAR1")
    store.refresh()
    assert store.fault == "FEATURES_UNREADABLE"
    assert cells(store.find(["b"])[0], "count") == 11.0
    (tmp_path / "features.parquet").unlink()
    store.refresh()
    assert store.fault == "FEATURES_ABSENT"
    assert cells(store.find(["b"])[0], "count") == 11.0
    write_features(table(["c"]), tmp_path / "features.parquet")
    store.refresh()
    assert store.fault is None
    assert store.find(["b", "c"])[0] is None


def test_a_table_without_keys_is_not_used(tmp_path):
    table(["a"]).drop(columns="as_of").to_parquet(tmp_path / "features.parquet")
    store = FeatureStore(tmp_path / "features.parquet", cache_bytes=1)
    store.refresh()
    assert store.fault == "FEATURES_UNREADABLE"
    assert store.find(["a"]) == [None]


def test_memory_holds_one_row_group_when_no_more_is_allowed(opened):
    ids = [f"c{number:03d}" for number in range(100)]
    store = opened(table(ids))
    for row, one in zip(store.find(ids), ids, strict=True):
        assert cells(row, "customer_id") == one
    assert len(store._snapshot._cache) == 1


def test_previous_answers_come_back_as_they_were(opened):
    previous = pd.DataFrame({"customer_id": ["b"], "tier": ["A"], "since": [pd.Timestamp("2024-01-01")]})
    store = opened(table(["a", "b"]), previous=previous)
    one, other = (kept.previous for kept in store.find(["b", "a"]))
    assert one == {"tier": "A", "since": pd.Timestamp("2024-01-01")}
    assert pd.isna(other["tier"])
    assert opened(table(["a"])).find(["a"])[0].previous == {}


def test_writing_leaves_nothing_but_the_table(opened, tmp_path):
    opened(table(["a"]))
    assert [path.name for path in tmp_path.iterdir()] == ["features.parquet"]


def test_a_table_that_was_away_and_is_back_has_no_fault_left(opened, tmp_path):
    store = opened(table(["1"]))
    path = tmp_path / "features.parquet"
    path.rename(tmp_path / "aside")
    store.refresh()
    assert (store.fault, len(store)) == ("FEATURES_ABSENT", 1)
    (tmp_path / "aside").rename(path)
    store.refresh()
    assert store.fault is None


def test_a_broken_table_that_was_away_and_is_back_is_still_broken(opened, tmp_path):
    store = opened(table(["1"]))
    path = tmp_path / "features.parquet"
    path.write_bytes(b"no table")
    store.refresh()
    path.rename(tmp_path / "aside")
    store.refresh()
    (tmp_path / "aside").rename(path)
    store.refresh()
    assert (store.fault, len(store)) == ("FEATURES_UNREADABLE", 1)
