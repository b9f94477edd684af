"""Every feature agrees with a slow second implementation, on worlds whose dates lie at the edges."""

import math

from feature_world import ATTRIBUTES, LADDER
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from oracle import every_feature as expected_features
from worlds_at_edges import SPINE, side_by_side, spine_of, world_at_edges

# Fixed point keeps 20 binary digits, 8 for money: each of at most 40 summed rows is off by half of the last.
TOLERANCE, MONEY_TOLERANCE = 40 * 2**-21, 40 * 2**-9


def agrees(name: str, value, expected) -> bool:
    if value is None or expected is None or isinstance(expected, str):
        return value == expected
    if "decayed" in name or name.startswith("satisfaction"):
        tolerance = MONEY_TOLERANCE if "_minor" in name else TOLERANCE
        return math.isclose(value, expected, rel_tol=1e-9, abs_tol=tolerance)
    if isinstance(expected, int):
        return value == expected
    return math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)


def test_the_oracle_knows_exactly_the_features_of_the_catalog(every_feature):
    known = expected_features({}, "nobody", SPINE[0][1], LADDER, ATTRIBUTES)
    assert sorted(known) == sorted(every_feature.names)


@settings(max_examples=5, deadline=None, phases=(Phase.explicit, Phase.generate), derandomize=True)
@given(seeds=st.lists(st.integers(0, 2**32), min_size=4, max_size=4, unique=True))
def test_every_feature_agrees_with_the_oracle(engine, seeds):
    tables = side_by_side([world_at_edges(seed) for seed in seeds])
    rows = engine(tables, spine_of(len(seeds)))
    assert set(rows) == set(spine_of(len(seeds)))
    wrong = []
    for (customer, as_of), row in rows.items():
        expected = expected_features(tables, customer, as_of, LADDER, ATTRIBUTES)
        wrong += [
            (name, customer, as_of, value, expected[name])
            for name, value in row.items()
            if not agrees(name, value, expected[name])
        ]
    assert not wrong, wrong[:10]


def test_an_oracle_that_disagrees_is_noticed():
    assert not agrees("spend_minor", 100.0, 101)
    assert not agrees("mean_gap_days", 1.0, 1.0 + 1e-6)
    assert not agrees("mean_gap_days", None, 0)
    assert agrees("purchase_days_decayed_7d", 1.000001, 1.0)
    assert agrees("channel_top", "web", "web")
    assert agrees("T_days", 3.0, 3)
