"""The value head's arithmetic: forms, totals, floors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from churn_value.errors import ConfigError
from churn_value.estimators.btyd import GammaGamma, ParetoNbd
from churn_value.estimators.btyd_spend import BtydSpend, SpendPlaces
from churn_value.estimators.rows import Rows
from churn_value.estimators.silence import SilencePlaces
from churn_value.estimators.trees import Trees
from churn_value.estimators.value import FORMS, _weighed, debias_factor, objective_of, sample_of, weights_of
from churn_value.estimators.value_head import ValueHead, ValuePart

NO_TREES = Trees((), ())


def head(form, factor=1.0):
    parts = tuple(ValuePart(name, weight, NO_TREES) for name, weight in FORMS[form].items())
    return ValueHead(parts, 1_000.0, factor)


class Column:
    """Boosters that say what a column says."""

    def __init__(self, place):
        self.place = place

    def raw(self, matrix, *, threads=1):
        return matrix[:, self.place]

    def contributions(self, matrix, *, threads=1):
        found = np.zeros((len(matrix), matrix.shape[1] + 1))
        found[:, self.place] = matrix[:, self.place]
        return found


# Columns: repeat days, recency, age, days since the last purchase, mean amount, what the boosters say.
SPEND = BtydSpend(
    ParetoNbd(0.55, 74.0, 0.61, 82.0), GammaGamma(6.25, 3.74, 15.44), 91, 1_000.0,
    SpendPlaces(SilencePlaces((0, 1, 2), told=3), amount=4), (1.0, 60.0, 200.0, 30.0),
)  # fmt: skip


def histories(rows, seed=1):
    rng = np.random.default_rng(seed)
    age = rng.uniform(100, 300, rows)
    recency = age * rng.random(rows)
    frequency, amount = rng.poisson(4, rows).astype(float), rng.gamma(3.0, 2_000.0, rows)
    return np.column_stack([frequency, recency, age, age - recency, amount, rng.normal(0.0, 1.0, rows)]), rng


def calibrated(rows, whose):
    """Rows whose amounts were foretold by the literature or by the boosters."""
    matrix, rng = histories(rows)
    foretold = SPEND.raw(matrix) if whose == "spend" else matrix[:, 5]
    amounts = 1_000.0 * np.exp(foretold) * rng.gamma(0.5, 2.0, rows)
    return Rows(matrix, np.zeros(rows), amounts, np.asarray(["c"] * rows, dtype=object), np.zeros(rows))


BOOSTED = ValueHead((ValuePart("tweedie", 1.0, Column(5)),), 1_000.0, 1.0)


def test_expected_spending_weighs_much_where_it_foretold_what_came_and_is_left_out_where_it_did_not():
    stay = np.zeros(5_000)
    found = _weighed(BOOSTED, SPEND, calibrated(5_000, "spend"), stay, 1)
    assert found.spend_weight > 0.9
    assert _weighed(BOOSTED, SPEND, calibrated(5_000, "boosters"), stay, 1) is BOOSTED
    nothing = replace(calibrated(50, "spend"), amount_minor=np.full(50, -1.0))
    assert _weighed(BOOSTED, SPEND, nothing, np.zeros(50), 1) is BOOSTED


def test_a_head_with_expected_spending_adds_up_and_comes_back_from_its_files():
    head_of_two = replace(BOOSTED, parts=(replace(BOOSTED.parts[0], weight=0.7),), spend=SPEND)
    matrix, _ = histories(20)
    assert head_of_two.raw(matrix) == pytest.approx(0.7 * matrix[:, 5] + 0.3 * SPEND.raw(matrix))
    assert head_of_two.contributions(matrix).sum(axis=1) == pytest.approx(head_of_two.raw(matrix), abs=1e-12)
    told, files = replace(head("gamma"), spend=SPEND).to_files()
    assert ValueHead.from_files(told, files) == replace(head("gamma"), spend=SPEND)


@pytest.mark.parametrize(("form", "expected"), [("tweedie", 2_000.0), ("gamma", 1_000.0), ("blend", 2_000 * 0.5**0.5)])
def test_expected_value_of_each_form_by_hand(form, expected):
    # raw log 2 and an even chance to leave: direct says 2,000, two-part says half of it, the blend their geometric mean
    p = np.asarray([0.5])
    retained = head(form).value_if_retained(np.log([2.0]), p)
    assert ((1 - p) * retained)[0] == pytest.approx(expected)


def test_a_direct_forms_value_if_retained_is_floored_where_hardly_anybody_stays():
    retained = head("tweedie").value_if_retained(np.zeros(2), np.asarray([0.99, 0.9999]))
    assert retained[1] == pytest.approx(retained[0])


def test_the_factor_moves_amounts_in_proportion():
    p = np.asarray([0.3])
    plain, corrected = (head("blend", factor).value_if_retained(np.zeros(1), p)[0] for factor in (1.0, 1.2))
    assert corrected == pytest.approx(1.2 * plain)


def test_amounts_stay_finite_for_any_raw_score():
    assert np.isfinite(head("tweedie").value_if_retained(np.asarray([1e6]), np.asarray([0.5]))).all()


def test_a_clear_bias_is_corrected_and_a_doubtful_one_is_not():
    rng = np.random.default_rng(1)
    expected = rng.gamma(2.0, 50.0, 20_000)
    actual = expected * rng.gamma(2.0, 0.5, 20_000) * 1.3
    assert debias_factor(actual, expected) == pytest.approx(1.3, abs=0.03)
    assert debias_factor(actual[:20] / 1.3, expected[:20]) == pytest.approx(1.0, abs=0.2)


def test_the_correction_is_bounded_and_absent_where_totals_say_nothing():
    rows = np.full(1_000, 10.0)
    assert debias_factor(rows * 100, rows) == pytest.approx(3.0)
    assert debias_factor(-rows, rows) == 1.0
    assert debias_factor(rows, 0 * rows) == 1.0
    assert debias_factor(rows, rows) == 1.0


def test_stayers_who_returned_everything_are_fitted_as_next_to_nothing():
    rows = Rows(
        np.zeros((3, 1)),
        np.asarray([0.0, 1.0, 0.0]),
        np.asarray([-500.0, 0.0, 2_000.0]),
        np.asarray(["a"] * 3),
        np.zeros(3),
    )
    assert sample_of("gamma", rows, 1_000.0).target.tolist() == [1e-4, 2.0]
    assert sample_of("tweedie", rows, 1_000.0).target.tolist() == [0.0, 0.0, 2.0]


def test_forms_have_weights_that_sum_to_one_and_losses_of_their_own():
    assert all(sum(weights_of(form).values()) == 1 for form in FORMS)
    assert objective_of("tweedie", 1.4).extra == (("tweedie_variance_power", 1.4),)
    with pytest.raises(ConfigError, match="tweedie"):
        weights_of("weibull")
