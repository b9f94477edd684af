from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_company import FEATURES, LinearModel, population

from churn_value.errors import BundleError, TooLittleData
from churn_value.scoring.reference import SAMPLE_ROWS, Reference, percentile_in, thresholds_of


def percentiles(known, asked):
    return percentile_in(thresholds_of(np.array(known, dtype=float)), np.array(asked, dtype=float)).tolist()


def test_percentile_p_says_that_more_than_p_minus_1_percent_are_strictly_lower():
    known = range(1, 201)  # 1 … 200: two customers per percent
    assert percentiles(known, [1, 2, 3, 100, 101, 198, 199, 200]) == [1, 1, 2, 50, 51, 99, 100, 100]


def test_equal_values_get_equal_percentiles_and_the_lowest_always_1():
    assert percentiles([0, 0, 0, 0, 0, 0, 5, 6, 7, 8], [0, 5, 8, 9]) == [1, 61, 91, 100]


def test_values_outside_the_population_get_the_ends():
    assert percentiles([3, 4], [-10, 10]) == [1, 100]


def test_missing_stays_missing_and_an_unknown_quantity_has_no_percentile():
    found = percentiles([1, 2, np.nan], [np.nan, 2])
    assert np.isnan(found[0])
    assert np.isnan(percentiles([np.nan], [1.0])[0])


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(-1, 7))
def test_thresholds_give_the_percentile_that_counting_gives(known, asked):
    below = sum(one < asked for one in known)
    counted = 1 + sum(100 * below >= percent * len(known) for percent in range(1, 100))
    assert percentiles(known, [asked]) == [counted]


@pytest.fixture(scope="module")
def reference():
    frame = population(300)
    return Reference.fit(frame, LinearModel().predict(frame), FEATURES)


def test_a_reference_reads_back_to_the_same_bits(reference):
    again = Reference.from_json(reference.to_json())
    assert again.to_json() == reference.to_json()
    assert again.thresholds == reference.thresholds
    assert again.ranges == reference.ranges


def test_a_reference_does_not_depend_on_the_order_of_the_population(reference):
    frame = population(300).sample(frac=1, random_state=3).reset_index(drop=True)
    assert Reference.fit(frame, LinearModel().predict(frame), FEATURES).to_json() == reference.to_json()


def test_typical_values_are_medians_and_most_frequent_categories():
    frame = population(5)
    frame["purchase_days"] = [1.0, 2.0, 3.0, 4.0, 90.0]
    frame["attr_region"] = ["south", "north", None, "north", "south"]
    fitted = Reference.fit(frame, LinearModel().predict(frame), FEATURES)
    assert fitted.typical["purchase_days"] == 3.0
    assert fitted.typical["attr_region"] == "north"  # as often as south, first by name
    assert fitted.ranges["purchase_days"] == (1.0, 90.0)
    assert fitted.categories["attr_region"] == ("north", "south")


def test_the_sample_is_bounded_and_keeps_whole_customers():
    frame = population(SAMPLE_ROWS + 500)
    fitted = Reference.fit(frame, LinearModel().predict(frame), FEATURES)
    sizes = {len(values) for values in fitted.sample.values()}
    assert sizes == {SAMPLE_ROWS}
    days, recency = frame["purchase_days"], frame["days_since_last_purchase"]
    pairs = set(zip(days, recency, strict=True))
    facts = fitted.sample_facts()
    assert set(zip(facts["purchase_days"], facts["days_since_last_purchase"], strict=True)) <= pairs


def test_an_empty_population_and_a_foreign_json_are_refused():
    frame = population(3).iloc[:0]
    with pytest.raises(TooLittleData):
        Reference.fit(frame, LinearModel().predict(frame), FEATURES)
    with pytest.raises(BundleError):
        Reference.from_json('{"rows": 3}')
