"""Chunks on disk: there as a whole or not at all, known by everything they depend on, joined into one file."""

from contextlib import suppress

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_value.errors import ModelError
from churn_value.monitoring.parts import Parts, key_of, parts_of

KINDS = ("features", "answers")


def chunk(first, size, reason=None):
    ids = [f"c{number:03d}" for number in range(first, first + size)]
    answers = pd.DataFrame({"customer_id": ids, "rank": pd.array([None] * size, "Int64"), "reason": [reason] * size})
    return {"features": pd.DataFrame({"customer_id": ids, "spent": [float(first)] * size}), "answers": answers}


def stopped_after_one_chunk(place, told):
    """Parts of a run that its user stopped."""
    with suppress(KeyboardInterrupt), parts_of(place, told, KINDS) as parts:
        parts.keep(0, chunk(0, 3))
        raise KeyboardInterrupt
    return parts


@pytest.fixture
def parts(tmp_path):
    return Parts(tmp_path, KINDS)


def test_a_chunk_counts_when_all_its_tables_are_there_with_all_their_rows(parts):
    assert not parts.has(0, 3)
    parts.keep(0, chunk(0, 3))
    assert parts.has(0, 3)
    assert not parts.has(0, 4)
    parts.path(0, "answers").unlink()
    assert not parts.has(0, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_chunk_cut_short_is_not_there(parts, kind):
    parts.keep(0, chunk(0, 50))
    file = parts.path(0, kind)
    file.write_bytes(file.read_bytes()[:-20])
    assert not parts.has(0, 50)


def test_a_write_that_fails_leaves_the_file_before_it(parts, tmp_path):
    parts.keep(0, chunk(0, 3))
    target = parts.join("answers", tmp_path / "final" / "answers.parquet", count=1)
    before = target.read_bytes()
    parts.path(0, "answers").write_bytes(b"PAR1 cut short")
    with pytest.raises(Exception, match=r"[Pp]arquet"):
        parts.join("answers", target, count=1)
    assert target.read_bytes() == before


def test_a_column_that_one_chunk_leaves_empty_keeps_its_type_in_the_joined_file(parts, tmp_path):
    parts.keep(0, chunk(0, 3))
    parts.keep(1, chunk(3, 2, reason="complaint"))
    file = parts.join("answers", tmp_path / "answers.parquet", count=2, rows_per_group=2)
    found = pd.read_parquet(file)
    assert found["reason"].isna().tolist() == [True, True, True, False, False]
    assert found["reason"].tolist()[3:] == ["complaint", "complaint"]
    assert str(found["rank"].dtype) == "Int64"
    sizes = [pq.ParquetFile(file).metadata.row_group(group).num_rows for group in range(3)]
    assert sizes == [2, 1, 2]


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 45))
def test_joined_chunks_are_the_rows_of_one_pass_in_their_order(tmp_path_factory, rows, size):
    folder = tmp_path_factory.mktemp("parts")
    made = Parts(folder, KINDS)
    starts = range(0, rows, size)
    for number, start in enumerate(starts):
        made.keep(number, chunk(start, min(size, rows - start), reason="x"))
    joined = pd.read_parquet(made.join("answers", folder / "whole.parquet", count=len(starts)))
    whole = folder / "expected.parquet"
    chunk(0, rows, reason="x")["answers"].to_parquet(whole, index=False)
    pd.testing.assert_frame_equal(joined, pd.read_parquet(whole), check_exact=True)


def test_a_stopped_run_is_found_again_and_a_finished_one_leaves_nothing(tmp_path):
    told = {"data": "1", "policy": "2"}
    stopped_after_one_chunk(tmp_path, told)
    with parts_of(tmp_path, dict(reversed(told.items())), KINDS) as parts:
        assert parts.has(0, 3)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("changed", ["data", "bundle", "policy", "as_of", "previous"])
def test_a_run_over_something_else_starts_afresh(tmp_path, changed):
    told = dict.fromkeys(("data", "bundle", "policy", "as_of", "previous"), "a")
    first = stopped_after_one_chunk(tmp_path, told)
    assert first.has(0, 3)
    with parts_of(tmp_path, told | {changed: "b"}, KINDS) as second:
        assert not second.has(0, 3)
        assert not first.folder.exists()


def test_two_runs_of_a_company_do_not_meet(tmp_path):
    with (
        parts_of(tmp_path, {"data": "1"}, KINDS) as first,
        pytest.raises(ModelError, match="one scoring run"),
        parts_of(tmp_path, {"data": "2"}, KINDS),
    ):
        raise AssertionError
    assert not first.folder.exists()


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_keys_are_equal_just_where_everything_told_is(one, other):
    assert (key_of(one) == key_of(other)) == (one == other)
