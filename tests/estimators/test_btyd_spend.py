"""The literature's expected spending as a part of the value head."""

import numpy as np
import pytest

from churn_value.estimators.btyd import GammaGamma, History, ParetoNbd
from churn_value.estimators.btyd_spend import BtydSpend, SpendPlaces, SpendSettings, spend_places
from churn_value.estimators.rows import Rows
from churn_value.estimators.silence import SilencePlaces

# Parameters of the literature for CDNOW, in weeks and dollars (Fader & Hardie 2005, 2013).
CDNOW = ParetoNbd(r=0.5533, alpha=10.578 * 7, s=0.6061, beta=11.6562 * 7)
AMOUNTS = GammaGamma(p=6.25, q=3.74, v=15.44)
# Columns: repeat days, days from the first to the last purchase, days since the last, since the first, mean amount.
PLACES = SpendPlaces(SilencePlaces((0, 1, 3), told=2), amount=4)
PART = BtydSpend(CDNOW, AMOUNTS, 91, 10.0, PLACES, (1.0, 60.0, 200.0, 30.0))
MATRIX = np.asarray(
    [
        [3.0, 150.0, 30.0, 180.0, 40.0],
        [0.0, 0.0, 200.0, 200.0, np.nan],
        [10.0, 20.0, 380.0, 400.0, 25.0],
        [np.nan] * 5,
    ]
)


def test_it_says_the_log_of_expected_purchases_times_the_expected_amount():
    row = MATRIX[:1]
    history = History(row[:, 0], row[:, 1], row[:, 3], np.ones(1))
    # Gamma-Gamma by hand: 6.25 (15.44 + 3 * 40) / (6.25 * 3 + 3.74 - 1) = 846.5 / 21.49 = 39.39
    amount = 6.25 * (15.44 + 3 * 40) / (6.25 * 3 + 3.74 - 1)
    wanted = CDNOW.expected_purchases(history, 91)[0] * amount / 10.0
    assert np.exp(PART.raw(row))[0] == pytest.approx(wanted, rel=1e-12)
    assert amount == pytest.approx(39.39, abs=1e-3)


def test_nobody_is_written_off():
    # Ten purchase days within three weeks, and a year of silence: gone for sure, for a model that knows no seasons.
    gone = MATRIX[2:3]
    history = History(gone[:, 0], gone[:, 1], gone[:, 3], np.ones(1))
    assert CDNOW.alive(history)[0] < 1e-4
    assert np.exp(PART.raw(gone))[0] == pytest.approx(0.01)
    assert PART.contributions(gone)[0].sum() == pytest.approx(np.log(0.01))


def test_contributions_sum_to_the_raw_score_and_stand_on_three_columns():
    contributions = PART.contributions(MATRIX)
    assert contributions.sum(axis=1) == pytest.approx(PART.raw(MATRIX), abs=1e-12)
    assert (contributions[:, [1, 3]] == 0).all()
    assert len(set(contributions[:, 5].tolist())) == 1


def test_the_typical_customer_is_told_nothing():
    contributions = PART.contributions(np.asarray([[1.0, 60.0, 140.0, 200.0, 30.0]]))
    assert (contributions[0, :5] == 0).all()


def test_buying_often_raises_it_whatever_the_silence_and_silence_lowers_it():
    loyal, gone = [50.0, 299.0, 1.0, 300.0, 30.0], [50.0, 150.0, 150.0, 300.0, 30.0]
    kept, lost = PART.contributions(np.asarray([loyal, gone]))
    assert min(kept[0], lost[0]) > 0
    assert kept[2] > 0 > lost[2]


def test_who_pays_more_a_time_is_told_so_by_the_amount_alone():
    poor, rich = PART.contributions(np.asarray([[5.0, 90.0, 10.0, 100.0, 5.0], [5.0, 90.0, 10.0, 100.0, 500.0]]))
    assert poor[4] < 0 < rich[4]
    np.testing.assert_array_equal(poor[:4], rich[:4])


def test_a_row_has_the_same_bits_alone_as_among_others():
    rng = np.random.default_rng(3)
    many = rng.uniform(0, 300, (97, 5))
    alone = np.concatenate([PART.raw(many[[row]]) for row in range(97)])
    np.testing.assert_array_equal(alone, PART.raw(many))
    np.testing.assert_array_equal(PART.contributions(many)[40:41], PART.contributions(many[40:41]))
    assert np.isfinite(PART.raw(MATRIX)).all()


def test_it_is_fitted_on_the_newest_date_and_read_back_equal():
    rng = np.random.default_rng(1)
    frequency, age = rng.poisson(2, 400).astype(float), rng.integers(100, 300, 400).astype(float)
    matrix = np.column_stack([frequency, age * rng.random(400), np.zeros(400), age, rng.gamma(4.0, 10.0, 400)])
    rows = Rows(matrix, np.zeros(400), np.zeros(400), np.asarray(["c"] * 400, dtype=object), np.repeat([1, 2], 200))
    settings = SpendSettings(PLACES, 91, (CDNOW, CDNOW))
    part = settings.fitted(rows, CDNOW, 1_000.0)
    assert part.typical == pytest.approx(tuple(np.median(matrix[200:], axis=0)[[0, 1, 3, 4]]))
    assert part == settings.fitted(rows.where(rows.days == 2), CDNOW, 1_000.0)
    assert BtydSpend.from_json(part.to_json()) == part


def test_without_its_columns_there_is_no_part():
    names = ["monetary_value_minor", "T_days", "frequency", "recency_days", "days_since_last_purchase"]
    assert spend_places(names) == (((2, 3, 1), 4), 0)
    assert spend_places(names[1:]) is None
    assert spend_places(names[:4]) is None
