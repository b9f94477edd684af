"""The same bytes whatever the threads, the order of rows and the company of other customers."""

import random

import pyarrow as pa
import pytest
from feature_world import Engine
from worlds_at_edges import CUSTOMERS, SPINE, world_at_edges


def as_bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    combined = table.combine_chunks()
    with pa.ipc.new_stream(sink, combined.schema) as writer:
        writer.write_table(combined)
    return sink.getvalue().to_pybytes()


def crowded(seed: int) -> tuple[dict, list]:
    """A world of 240 customers: copies of the four, each with its own rows."""
    tables, spine = {}, []
    for copy in range(60):
        for source, rows in world_at_edges(seed + copy, size=30).items():
            renamed = [row | {"customer_id": f"{row['customer_id']}{copy}"} for row in rows]
            tables.setdefault(source, []).extend(renamed)
        spine += [(f"{customer}{copy}", as_of) for customer, as_of in SPINE if customer in CUSTOMERS]
    return tables, spine


@pytest.fixture(scope="module")
def crowd():
    return crowded(11)


@pytest.fixture(scope="module")
def baseline(engine, crowd):
    return as_bytes(engine.table(*crowd))


def test_two_threads_and_shuffled_rows_give_the_same_bytes(every_feature, crowd, baseline):
    tables, spine = crowd
    shuffler = random.Random(5)
    shuffled = {source: shuffler.sample(rows, len(rows)) for source, rows in tables.items()}
    again = Engine(every_feature, threads=2).table(shuffled, shuffler.sample(spine, len(spine)))
    assert as_bytes(again) == baseline


def test_one_customer_alone_has_the_same_features_as_in_a_crowd(engine, crowd):
    tables, spine = crowd
    together = engine(tables, spine)
    alone = {source: [row for row in rows if row["customer_id"] == "b7"] for source, rows in tables.items()}
    for key in [(customer, as_of) for customer, as_of in spine if customer == "b7"]:
        assert engine(alone, [key])[key] == together[key]


def test_a_changed_row_changes_the_bytes(engine, crowd, baseline):
    tables, spine = crowd
    row = tables["purchases"][0] | {"amount_minor": tables["purchases"][0]["amount_minor"] + 1}
    changed = tables | {"purchases": [row | {"event_time": row["event_time"].replace(year=2024), "known_at": None}]}
    assert as_bytes(engine.table(changed, spine)) != baseline


def test_a_spine_row_given_twice_is_answered_twice_and_counts_once(engine):
    tables = world_at_edges(3)
    once = engine.table(tables, SPINE[:1])
    twice = engine.table(tables, SPINE[:1] * 2)
    assert twice.to_pylist() == once.to_pylist() * 2
