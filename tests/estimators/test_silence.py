"""The Pareto/NBD as a part of the churn head."""

import numpy as np
import pytest
from scipy.special import expit

from churn_value.estimators.btyd import History, ParetoNbd
from churn_value.estimators.rows import Rows
from churn_value.estimators.silence import Silence, SilencePlaces, fit_silence, silence_places

# Parameters of the literature for CDNOW, in weeks (Fader & Hardie 2005).
CDNOW = ParetoNbd(r=0.5533, alpha=10.578 * 7, s=0.6061, beta=11.6562 * 7)
PLACES = SilencePlaces((0, 1, 3), told=2)
PART = Silence(CDNOW, 91, PLACES, (0.0, 0.0, 200.0))
MATRIX = np.asarray([[3.0, 150.0, 7.0, 180.0], [0.0, 0.0, 7.0, 200.0], [10.0, 20.0, 7.0, 400.0], [np.nan] * 4])


def test_it_says_the_log_odds_of_the_models_own_silence():
    history = History(MATRIX[:3, 0], MATRIX[:3, 1], MATRIX[:3, 3], np.ones(3))
    wanted = np.clip(CDNOW.no_purchase(history, 91), 1e-4, 1 - 1e-4)
    assert expit(PART.raw(MATRIX[:3])) == pytest.approx(wanted, rel=1e-9)
    assert 0.4 < wanted[0] < 0.5 < wanted[1] < 0.9999 == wanted[2]


def test_the_difference_to_the_typical_customer_is_told_by_the_days_since_the_last_purchase():
    contributions = PART.contributions(MATRIX)
    base = PART.raw(np.asarray([[0.0, 0.0, 0.0, 200.0]]))[0]
    assert contributions[:, 4].tolist() == [base] * 4
    assert contributions[:, 2] == pytest.approx(PART.raw(MATRIX) - base, abs=1e-12)
    assert (contributions[:, [0, 1, 3]] == 0).all()
    assert contributions[1, 2] == 0


def test_who_buys_most_and_bought_yesterday_is_told_nothing_that_raises_the_risk():
    # Columns as in PLACES: repeat days, days from the first to the last purchase, days since the last, since the first.
    loyal, gone = [50.0, 299.0, 1.0, 300.0], [50.0, 200.0, 100.0, 300.0]
    typical = Silence(CDNOW, 91, PLACES, (2.0, 100.0, 200.0))
    (kept, lost) = typical.contributions(np.asarray([loyal, gone]))
    assert max(kept[:4]) == 0 > min(kept[:4])
    assert min(lost[:4]) == 0 < max(lost[:4])


def test_a_row_has_the_same_bits_alone_as_among_others():
    alone = np.concatenate([PART.raw(MATRIX[[row]]) for row in range(4)])
    np.testing.assert_array_equal(alone, PART.raw(MATRIX))
    np.testing.assert_array_equal(PART.contributions(MATRIX)[2:3], PART.contributions(MATRIX[2:3]))


def test_it_is_fitted_on_the_newest_date_and_read_back_equal():
    rng = np.random.default_rng(1)
    frequency = rng.poisson(2, 400).astype(float)
    age = rng.integers(100, 300, 400).astype(float)
    matrix = np.column_stack([frequency, age * rng.random(400), np.zeros(400), age])
    blank = np.zeros(400)
    days = np.repeat([1, 2], 200)
    rows = Rows(matrix, blank, blank, np.asarray(["c"] * 400, dtype=object), days)
    part = fit_silence(rows, PLACES, 91)
    assert part.typical == pytest.approx(tuple(np.median(matrix[200:], axis=0)[[0, 1, 3]]))
    assert part == fit_silence(rows.where(days == 2), PLACES, 91)
    assert Silence.from_json(part.to_json()) == part


def test_without_its_features_there_is_no_part():
    names = ["T_days", "frequency", "x", "recency_days", "days_since_last_purchase"]
    assert silence_places(names) == ((1, 3, 0), 4)
    assert silence_places(names[:4]) is None
    assert silence_places(names[1:]) is None
