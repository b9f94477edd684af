"""Chunks shared out among processes: in their order, the next one made while another is scored, and never more."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest

import churn_value.monitoring.scorers as scorers
from churn_value.monitoring.scorers import AHEAD, Chunk


@pytest.fixture
def pool(monkeypatch):
    """Threads in place of processes; an answer is the row's customer, twice."""

    def twice(chunk):
        return pd.DataFrame({"customer_id": chunk.rows["customer_id"], "twice": chunk.rows["customer_id"] * 2})

    monkeypatch.setattr(scorers, "_scored_here", twice)
    with ThreadPoolExecutor(3) as threads:
        yield threads


def chunks_of(*sizes, taken):
    """Chunks of customers numbered through; each is noted in `taken` as it is made."""
    start = 0
    for number, size in enumerate(sizes):
        taken.append(number)
        yield Chunk(pd.DataFrame({"customer_id": [f"c{one}" for one in range(start, start + size)]}))
        start += size


def test_answers_come_in_the_order_of_chunks_and_rows(pool):
    sizes = (7, 1, 3, 2)
    found = list(scorers._shared_out(pool, 3, chunks_of(*sizes, taken=[])))
    assert [len(answers) for _, answers in found] == list(sizes)
    for chunk, answers in found:
        assert answers["customer_id"].tolist() == chunk.rows["customer_id"].tolist()
        assert answers.index.tolist() == list(range(len(chunk.rows)))
    assert pd.concat([answers for _, answers in found])["twice"].tolist() == [f"c{one}c{one}" for one in range(13)]


def test_the_next_chunk_is_handed_out_before_one_is_waited_for_and_no_more(pool):
    taken = []
    ahead = [
        len(taken) - 1 - done for done, _ in enumerate(scorers._shared_out(pool, 2, chunks_of(*[2] * 5, taken=taken)))
    ]
    assert ahead == [AHEAD] * 4 + [0]


def test_no_chunks_have_no_answers(pool):
    assert list(scorers._shared_out(pool, 2, iter(()))) == []


def test_each_slice_has_the_previous_answers_of_its_own_customers():
    previous = pd.DataFrame({"customer_id": ["c3", "c0", "elsewhere"], "tier": ["A", "B", "S"]})
    (chunk,) = chunks_of(5, taken=[])
    first, second = scorers._slices(Chunk(chunk.rows, previous), 2)
    assert first.rows["customer_id"].tolist() == ["c0", "c1", "c2"]
    assert second.rows["customer_id"].tolist() == ["c3", "c4"]
    assert (first.previous["tier"].tolist(), second.previous["tier"].tolist()) == (["B"], ["A"])


def test_a_slice_that_cannot_be_scored_is_an_error_of_the_whole(pool, monkeypatch):
    def refused(chunk):
        raise ValueError(chunk.rows["customer_id"].tolist())

    monkeypatch.setattr(scorers, "_scored_here", refused)
    with pytest.raises(ValueError, match="c0"):
        list(scorers._shared_out(pool, 2, chunks_of(2, 2, taken=[])))
