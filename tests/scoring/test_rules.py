from __future__ import annotations

import numpy as np
import pytest

from churn_value.scoring.matching import Rules
from churn_value.scoring.rules import When, when_of

NUMBERS = frozenset({"overall", "satisfaction"})
TEXTS = {"tier": frozenset({"A", "B"})}
QUANTITIES = {
    "overall": np.array([10.0, 50.0, 80.0, np.nan]),
    "satisfaction": np.array([np.nan, 30.0, 90.0, 90.0]),
    "tier": np.array(["A", "B", None, "A"], dtype=object),
}


def asked(**written):
    return when_of(written, NUMBERS, TEXTS)


def mask(**written):
    return Rules((asked(**written),)).met(QUANTITIES, 4)[:, 0].tolist()


def test_comparisons_hold_at_their_edges_as_written():
    assert mask(overall=">= 50") == [False, True, True, False]
    assert mask(overall="> 50") == [False, False, True, False]
    assert mask(overall="<= 50") == [True, True, False, False]
    assert mask(overall="< 50") == [True, False, False, False]
    assert mask(overall=50) == [False, True, False, False]
    assert mask(overall=">= 10, < 80") == [True, True, False, False]


def test_a_missing_quantity_fails_every_comparison_and_meets_missing():
    assert mask(satisfaction="< 100") == [False, True, True, True]
    assert mask(satisfaction="missing") == [True, False, False, False]
    assert mask(satisfaction="known") == [False, True, True, True]
    assert mask(tier="missing") == [False, False, True, False]


def test_texts_are_one_of_a_list():
    assert mask(tier="A") == [True, False, False, True]
    assert mask(tier=["A", "B"]) == [True, True, False, True]


def test_a_text_that_no_rule_names_is_known_and_fits_no_list():
    people = {"tier": np.array(["C", "A", None], dtype=object)}
    rules = Rules((asked(tier="A"), asked(tier=["A", "B"]), asked(tier="known"), asked(tier="missing")))
    assert rules.met(people, 3).tolist() == [
        [False, False, True, False],
        [True, True, True, False],
        [False, False, False, True],
    ]


def test_all_demands_must_be_met():
    assert mask(tier="A", overall="known") == [True, False, False, False]


def test_the_first_rule_that_holds_is_taken():
    rules = [asked(overall=">= 80"), asked(tier="A"), When()]
    assert Rules(tuple(rules)).first(QUANTITIES, 4).tolist() == [1, 2, 0, 1]


def test_nobody_is_matched_where_no_rule_holds():
    assert Rules((asked(overall="> 60"),)).first(QUANTITIES, 4).tolist() == [-1, -1, 0, -1]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"overal": "> 1"}, "did you mean overall"),
        ({"colour": "> 1"}, "quantities here are"),
        ({"overall": "around 5"}, "not a comparison"),
        ({"overall": ">= 80, < 50"}, "can hold for nobody"),
        ({"overall": "> 5, < 5"}, "can hold for nobody"),
        ({"overall": "== 5, == 6"}, "can hold for nobody"),
        ({"tier": "C"}, "tier is never 'C'"),
        ({"tier": []}, "can hold for nobody"),
    ],
)
def test_what_cannot_be_read_or_met_is_refused(written, message):
    with pytest.raises(ValueError, match=message):
        when_of(written, NUMBERS, TEXTS)
