"""The block of doubles says what the data frame says, and grouped sums are those of the plain loops: to the bit."""

import functools
import operator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_company import FEATURES, LinearModel, described, population

from churn_value.errors import FingerprintMismatch
from churn_value.estimators.design import Design
from churn_value.estimators.feature_rows import FeatureRows
from churn_value.scoring.inputs import checked
from churn_value.scoring.matching import Rules
from churn_value.scoring.offered import FEW_ROWS, Offered
from churn_value.scoring.quantities import FactColumns, facts
from churn_value.scoring.reason_groups import Grouping, groups_of
from churn_value.scoring.rules import Interval, When
from churn_value.scoring.score import score

NUMBERS = [feature.name for feature in FEATURES if feature.dtype == "number"]
TEXTS = [feature.name for feature in FEATURES if feature.dtype != "number"]
DESIGN = Design(
    tuple(reversed([feature.name for feature in FEATURES])),
    {"attr_region": ("north",), "attr_plan": ("basic", "plus")},
)
cells = st.one_of(st.floats(-3, 3), st.sampled_from([0.0, -0.0, 1.0, -1.0]))


def test_a_block_of_two_rows_by_hand():
    frame = pd.DataFrame({"a": [1.0, np.inf], "kind": ["x", None], "b": [np.nan, 2.0]})
    rows = FeatureRows.of(frame, ["a", "b"], ["kind"])
    matrix = Design(("b", "kind", "a"), {"kind": ("w", "x")}).matrix(rows)
    np.testing.assert_array_equal(matrix, [[np.nan, 1.0, 1.0], [2.0, np.nan, np.nan]])
    assert rows.taken(np.array([1])).cells("kind").tolist() == [None]
    assert ("kind" in rows.columns, "c" in rows.columns, len(rows)) == (True, False, 2)
    assert list(rows.frame) == ["a", "b", "kind"]


def test_a_block_without_a_feature_of_the_design_is_refused_by_name():
    rows = FeatureRows.of(pd.DataFrame({"a": [1.0]}), ["a"], [])
    with pytest.raises(FingerprintMismatch, match="zebra"):
        Design(("a", "zebra"), {}).matrix(rows)


def test_block_and_frame_give_the_same_matrix_and_the_same_facts():
    frame = population(300, seed=3)
    rows = FeatureRows.of(frame, NUMBERS, TEXTS)
    np.testing.assert_array_equal(DESIGN.matrix(rows), DESIGN.matrix(frame))
    prediction = LinearModel().predict(frame)
    ours, theirs = (facts(one, prediction, FactColumns.of(FEATURES)) for one in (rows, frame))
    for name, expected in theirs.items():
        np.testing.assert_array_equal(ours[name], expected, err_msg=name)


def test_a_few_rows_are_read_as_many_are(bundle):
    frame = population(4 * FEW_ROWS, seed=9)
    frame["score_count"] = frame["score_count"].astype("int64")
    many = checked(Offered.of(frame, bundle.expected), bundle.expected)
    few = checked(Offered.of(frame.head(FEW_ROWS), bundle.expected), bundle.expected)
    np.testing.assert_array_equal(few.rows.block, many.rows.block[:FEW_ROWS])
    assert few.warnings == many.warnings[:FEW_ROWS]


def spoiled(rows, seed):
    """A population with nulls, an infinite number, texts never seen and one feature left out."""
    frame = population(rows, seed=seed).drop(columns="late_share")
    frame.loc[frame.index[::3], "purchase_days"] = np.nan
    frame.loc[frame.index[1::4], "spend_minor"] = np.inf
    frame["attr_region"] = frame["attr_region"].mask(np.arange(rows) % 2 == 0, "nowhere")
    return frame


def test_rows_offered_one_by_one_are_answered_as_the_table_they_stand_in(bundle):
    frame = spoiled(12, seed=4)
    together = [one.to_json() for one in score(bundle, frame)]
    rows = [Offered.of(frame.iloc[[place]], bundle.expected) for place in range(len(frame))]
    assert [one.to_json() for one in score(bundle, Offered.joined(rows))] == together
    whole = Offered.of(frame, bundle.expected)
    again = Offered.joined([whole.row(place) for place in range(len(frame))])
    assert [one.to_json() for one in score(bundle, again)] == together


def test_a_row_given_cell_by_cell_is_answered_as_the_table_s(bundle):
    frame = spoiled(12, seed=5)
    names = [feature.name for feature in FEATURES if feature.name in frame]
    for place, answer in enumerate(score(bundle, frame)):
        row = frame.iloc[place]
        cells = {name: None if pd.isna(row[name]) else row[name] for name in names}
        (one,) = score(bundle, Offered.one(row["customer_id"], row["as_of"], cells, bundle.expected))
        assert replace(one, index=place) == answer


def test_what_was_offered_can_be_told_again(bundle):
    frame = spoiled(5, seed=6)
    told = list(Offered.of(frame, bundle.expected).records())
    assert next(iter(told[0])) == "as_of"
    assert "late_share" not in told[0]
    for name in set(told[0]) - {"as_of"}:
        assert [row[name] for row in told] == [None if pd.isna(cell) else cell for cell in frame[name].tolist()]


def test_sentences_kept_by_a_bundle_are_those_of_a_fresh_one(bundle):
    frame = population(40, seed=2)
    first = [answer.to_json() for answer in score(bundle, frame)]
    score(bundle, frame, locale="zh")
    assert [answer.to_json() for answer in score(bundle, frame)] == first
    assert [answer.to_json() for answer in score(bundle.under(bundle.policy), frame)] == first


@given(st.lists(st.tuples(st.sampled_from("ABC"), cells, st.booleans()), min_size=1, max_size=12))
def test_sums_and_speakers_are_those_of_the_plain_loops(features):
    said = [described(f"f{place}", group) for place, (group, _, _) in enumerate(features)]
    contributions = np.array([[cell for _, cell, _ in features] + [0.5]])
    known = np.array([[is_known for _, _, is_known in features]])
    grouping = Grouping.of(said)
    found, totals = grouping.weighed(contributions, known), []
    for position, group in enumerate(groups_of(said)):
        total, best, speaker = 0.0, -np.inf, -1
        for place in group.places:
            total += contributions[0, place]
        for place in group.places:
            toward = -contributions[0, place] if total < 0 else contributions[0, place]
            if known[0, place] and toward > best:
                best, speaker = toward, place
        assert (found.sums[0, position], found.speakers[0, position]) == (total, speaker)
        totals.append(total)
    sizes = list(map(abs, totals))
    assert found.total.tolist() == [functools.reduce(operator.add, totals, 0.0)]
    assert found.share[0].tolist() == pytest.approx([one / (sum(sizes) or 1.0) for one in sizes])
    silent = [speaker < 0 for speaker in found.speakers[0]]
    by_size = sorted(range(len(sizes)), key=lambda one: (silent[one], 0.0 if silent[one] else -sizes[one]))
    assert found.order()[0].tolist() == by_size


@given(cells, cells, st.booleans(), st.booleans(), st.lists(st.one_of(cells, st.just(np.nan)), max_size=5))
def test_an_interval_asks_only_for_the_ends_it_has(low, high, with_low, with_high, column):
    interval = Interval(low if with_low else -np.inf, high if with_high else np.inf, True, False)
    expected = [not np.isnan(one) and (not with_low or one >= low) and (not with_high or one < high) for one in column]
    rules, quantities = Rules((When((("number", interval),)),)), {"number": np.array(column, dtype=np.float64)}
    assert rules.met(quantities, len(column))[:, 0].tolist() == expected
