import numpy as np
import pandas as pd
import pytest

from churn_value.monitoring.migration import movers, tier_migration


def scores(**tiers):
    return pd.DataFrame({"customer_id": list(tiers), "tier": list(tiers.values())})


BEFORE = scores(anna="S", bert="A", cleo="A", dora="B", emil=None, fred="B")
NOW = scores(anna="S", bert="B", cleo="S", dora="B", emil="A", gina="B")


def test_the_matrix_worked_by_hand():
    found = tier_migration(BEFORE, NOW, ["S", "A", "B"])
    assert found.counts.index.tolist() == ["S", "A", "B", "(none)", "(new)"]
    assert found.counts.columns.tolist() == ["S", "A", "B", "(none)", "(gone)"]
    assert found.counts.to_numpy().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 0, 1, 0, 0],
        [0, 0, 1, 0, 1],
        [0, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
    ]
    assert (found.up, found.down, found.stayed) == (1, 1, 2)
    assert found.stability == 0.5


def test_every_customer_is_counted_once():
    counts = tier_migration(BEFORE, NOW, ["S", "A", "B"]).counts
    assert counts.to_numpy().sum() == 7
    assert counts.loc[["S", "A", "B", "(none)"]].to_numpy().sum() == len(BEFORE)
    assert counts[["S", "A", "B", "(none)"]].to_numpy().sum() == len(NOW)


def test_up_is_towards_the_first_tier():
    found = tier_migration(scores(a="B", b="A", c="S"), scores(a="A", b="S", c="B"), ["S", "A", "B"])
    assert (found.up, found.down, found.stayed) == (2, 1, 0)


def test_shares_sum_to_one_where_there_is_anybody():
    shares = tier_migration(BEFORE, NOW, ["S", "A", "B", "C"]).shares.sum(axis="columns", skipna=False)
    assert shares.drop("C").tolist() == [1.0] * 5
    assert np.isnan(shares["C"])


def test_two_tables_without_a_common_customer_have_no_stability():
    found = tier_migration(scores(anna="S"), scores(bert="S"), ["S"])
    assert np.isnan(found.stability)
    assert found.counts.to_numpy().tolist() == [[0, 0, 1], [0, 0, 0], [1, 0, 0]]


def test_movers_are_listed_the_longest_way_down_first():
    found = movers(scores(a="S", b="S", c="B", d="A"), scores(a="A", b="B", c="S", d="A"), ["S", "A", "B"])
    assert found.to_dict("list") == {
        "customer_id": ["b", "a", "c"],
        "before": ["S", "S", "B"],
        "now": ["B", "A", "S"],
        "steps": [-2, -1, 2],
    }


def test_a_customer_that_stands_twice_is_refused():
    twice = pd.concat([NOW, NOW.head(1)])
    with pytest.raises(ValueError, match="duplicate"):
        tier_migration(BEFORE, twice, ["S", "A", "B"])
