from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from churn_value.errors import TooLittleData
from churn_value.monitoring.drift import chance_index, feature_drift, level_of, score_drift, stability_index


def number(name):
    return SimpleNamespace(name=name, dtype="number")


def text(name):
    return SimpleNamespace(name=name, dtype="category")


def test_the_index_worked_by_hand():
    """Half and half becomes one and three quarters: (.25-.5) ln(.5) + (.75-.5) ln(1.5)."""
    before, now = np.array([50.0, 50.0]), np.array([25.0, 75.0])
    assert stability_index(before, now) == pytest.approx(0.25 * np.log(2) + 0.25 * np.log(1.5))
    assert stability_index(before, before * 3) == 0


def test_a_bin_that_emptied_counts_half_a_row():
    before, now = np.array([50.0, 50.0]), np.array([0.0, 100.0])
    assert stability_index(before, now) == pytest.approx((0.005 - 0.5) * np.log(0.01) + 0.5 * np.log(2))


def test_levels_follow_custom_but_not_against_chance():
    assert level_of(0.09, 0.01) == "stable"
    assert level_of(0.11, 0.01) == "moderate"
    assert level_of(0.26, 0.01) == "large"
    assert level_of(0.26, 0.30) == "stable"


def test_an_unchanged_population_stays_below_what_chance_allows():
    rng = np.random.default_rng(0)
    exceeded = 0
    for _ in range(200):
        before, now = (np.bincount(rng.integers(0, 10, n), minlength=10).astype(float) for n in (800, 300))
        exceeded += stability_index(before, now) > chance_index(10, 800, 300)
    assert exceeded <= 7


def test_what_moved_is_listed_first_and_what_did_not_is_stable():
    rng = np.random.default_rng(1)
    before = pd.DataFrame({"same": rng.normal(size=3_000), "moved": rng.normal(size=3_000), "kind": "a"})
    now = pd.DataFrame({"same": rng.normal(size=2_000), "moved": rng.normal(1, 1, 2_000), "kind": "a"})
    found = feature_drift(before, now, [number("same"), number("moved"), text("kind")]).set_index("name")
    assert found.index[0] == "moved"
    assert found["level"].to_dict() == {"moved": "large", "same": "stable", "kind": "stable"}
    assert found.loc["kind", "psi"] == 0


def test_values_that_went_missing_are_drift():
    before = pd.DataFrame({"x": np.arange(100.0)})
    now = before.assign(x=before["x"].where(before.index % 2 == 0))
    found = feature_drift(before, now, [number("x")]).iloc[0]
    assert (found["level"], found["missing_before"], found["missing_now"]) == ("large", 0.0, 0.5)


def test_a_new_category_is_drift():
    before = pd.DataFrame({"plan": ["a", "b"] * 200})
    now = pd.DataFrame({"plan": ["a", "c"] * 200})
    assert feature_drift(before, now, [text("plan")])["level"].tolist() == ["large"]


def test_ties_are_never_parted():
    before = pd.DataFrame({"x": [0.0] * 95 + [1.0] * 5})
    assert feature_drift(before, before.sample(frac=1, random_state=0), [number("x")])["psi"].tolist() == [0.0]


def test_a_column_without_any_value_is_stable():
    empty = pd.DataFrame({"x": [np.nan] * 10})
    assert feature_drift(empty, empty, [number("x")])["level"].tolist() == ["stable"]


def test_no_rows_are_refused():
    frame = pd.DataFrame({"x": [1.0]})
    with pytest.raises(TooLittleData):
        feature_drift(frame, frame.head(0), [number("x")])


def test_scores_like_the_frozen_population_are_stable_and_others_are_not():
    population = np.arange(1.0, 1_001.0)
    thresholds = {"churn_probability": tuple(population[np.arange(1, 100) * 10 - 1]), "absent": (), "elsewhere": (1.0,)}
    same = score_drift(thresholds, 1_000, pd.DataFrame({"churn_probability": population})).iloc[0]
    assert same["psi"] == pytest.approx(0)
    low = score_drift(thresholds, 1_000, pd.DataFrame({"churn_probability": population / 2})).iloc[0]
    assert (low["name"], low["level"]) == ("churn_probability", "large")


def test_a_population_with_many_zeros_is_compared_with_its_own_zeros():
    population = np.concatenate([np.zeros(600), np.arange(1.0, 401.0)])
    thresholds = {"value": tuple(population[np.arange(1, 100) * 10 - 1])}
    found = score_drift(thresholds, 1_000, pd.DataFrame({"value": population})).iloc[0]
    assert found["psi"] == pytest.approx(0)
