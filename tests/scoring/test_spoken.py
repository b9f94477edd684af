from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_company import FEATURES

from churn_value.scoring.reason_catalog import phrasing
from churn_value.scoring.spoken import Spoken, importance_of, numbers_written

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
WORDS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.sampled_from(FEATURES), st.data(), NUMBERS, st.floats(0, 1), st.sampled_from(["en", "zh"]), st.none() | WORDS)
def test_the_json_of_a_reason_is_that_of_the_object(feature, data, moved, share, language, named):
    cells = NUMBERS if feature.dtype == "number" else WORDS
    value, typical = data.draw(cells), data.draw(st.none() | cells)
    direction = "up" if moved > 0 else "down"
    given_words = {"head": "churn", "direction": direction, "currency": "GBP", "language": language, "peers": "all"}
    said = phrasing(feature, typical, **given_words)
    units = 100 if "_minor" in feature.name else 1
    spoken = Spoken.of(feature.group, feature.name, typical, named, direction, units=units, phrasing=said)
    reason = asdict(spoken.reason(value, moved, share))
    ((number, contribution),) = numbers_written([[value / units if feature.dtype == "number" else 0.0, moved]])
    again = json.loads(spoken.written(value, number, contribution, share))
    assert again == reason
    assert list(again) == list(reason)


def test_a_reason_worked_by_hand():
    (feature,) = (one for one in FEATURES if one.name == "spend_minor")
    words = {"head": "value", "direction": "up", "currency": "GBP", "language": "en", "peers": "all customers"}
    spoken = Spoken.of(
        "SPEND", "spend_minor", 2000.0, "all", "up", units=100, phrasing=phrasing(feature, 2000.0, **words)
    )
    reason = spoken.reason(183420.0, 0.5, 0.1)
    assert (reason.value, reason.typical, reason.importance) == (1834.2, 20.0, "medium")
    assert "£1,834.20" in reason.text
    written = spoken.written(183420.0, "1834.2", "0.5", 0.1)
    assert written.startswith(
        '{"code":"SPEND","feature":"spend_minor","value":1834.2,"typical":20.0,"typical_of":"all"'
    )
    assert json.loads(written) == asdict(reason)


@pytest.mark.parametrize(
    ("share", "importance"), [(0.25, "high"), (0.2499, "medium"), (0.1, "medium"), (0.0999, "low")]
)
def test_importance_is_the_share_of_a_group(share, importance):
    assert importance_of(share) == importance


@given(st.integers(0, 4).flatmap(lambda width: st.lists(st.lists(NUMBERS, min_size=width, max_size=width))))
def test_numbers_are_written_as_they_are_and_row_by_row(rows):
    found = numbers_written(rows)
    if rows and rows[0]:
        assert [[float(cell) for cell in row] for row in found] == rows
