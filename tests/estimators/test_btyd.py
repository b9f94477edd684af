"""Buy-till-you-die models against the published CDNOW fits, simulation, and quadrature."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import hyp2f1

from churn_value.errors import TooLittleData
from churn_value.estimators import btyd
from churn_value.estimators.btyd import bg_nbd, gamma_gamma, pareto_nbd

CALIBRATION_END = pd.Timestamp("1997-09-30")
BG = btyd.BgNbd(0.243, 4.414, 0.793, 2.426)
PARETO = btyd.ParetoNbd(0.553, 10.578, 0.606, 11.669)


def cdnow_sample() -> pd.DataFrame:
    """The 1/10 systematic sample, one row a purchase; the file is read from the package, which is not imported."""
    spec = importlib.util.find_spec("lifetimes")
    if spec is None or spec.origin is None:
        pytest.skip("the package that ships CDNOW_sample.txt is not installed")
    path = Path(spec.origin).parent / "datasets" / "CDNOW_sample.txt"
    table = pd.read_csv(path, sep=r"\s+", header=None, names=["master", "id", "date", "number", "amount"])
    return table.assign(date=pd.to_datetime(table.date.astype(str)))


@pytest.fixture(scope="module")
def cdnow():
    """Frequency, recency and T in weeks of the first 39 weeks, and the mean amount of repeats."""
    table = cdnow_sample()
    days = table[table.date <= CALIBRATION_END].groupby(["id", "date"], as_index=False).amount.sum()
    by_customer = days.groupby("id").date
    first, last = by_customer.min(), by_customer.max()
    repeats = days[days.date > days.id.map(first)].groupby("id").amount.mean().reindex(first.index).fillna(0.0)
    frequency = by_customer.size().to_numpy(dtype=float) - 1
    recency, age = (last - first).dt.days.to_numpy() / 7, (CALIBRATION_END - first).dt.days.to_numpy() / 7
    return btyd.History.of(frequency, recency, age), repeats.to_numpy(dtype=float)


def one(frequency, recency, age):
    return btyd.History.of(*(np.asarray([float(value)]) for value in (frequency, recency, age)))


def test_bg_nbd_reproduces_the_published_fit(cdnow):
    fitted = btyd.fit_bg_nbd(cdnow[0])
    assert (fitted.r, fitted.a) == pytest.approx((0.243, 0.793), abs=0.001)
    assert (fitted.alpha, fitted.b) == pytest.approx((4.414, 2.426), abs=0.002)
    assert fitted.log_likelihood(cdnow[0]).sum() == pytest.approx(-9582.4, abs=0.1)
    assert fitted.fallback is None


def test_pareto_nbd_reproduces_the_published_fit(cdnow):
    fitted = btyd.fit_pareto_nbd(cdnow[0])
    assert (fitted.r, fitted.s) == pytest.approx((0.553, 0.606), abs=0.001)
    assert (fitted.alpha, fitted.beta) == pytest.approx((10.578, 11.669), abs=0.01)
    assert fitted.log_likelihood(cdnow[0]).sum() == pytest.approx(-9595.0, abs=0.1)


def test_gamma_gamma_reproduces_the_published_fit(cdnow):
    fitted = btyd.fit_gamma_gamma(cdnow[0].frequency, cdnow[1])
    assert (fitted.p, fitted.q, fitted.v) == pytest.approx((6.25, 3.74, 15.44), abs=0.01)


def test_fits_do_not_depend_on_the_unit_of_time(cdnow):
    history = cdnow[0]
    in_days = btyd.History.of(history.frequency, history.recency * 7, history.T * 7)
    weeks, days = btyd.fit_bg_nbd(history), btyd.fit_bg_nbd(in_days)
    assert days.alpha == pytest.approx(weeks.alpha * 7, rel=1e-3)
    np.testing.assert_allclose(days.no_purchase(in_days, 91), weeks.no_purchase(history, 13), atol=1e-4)


def test_expected_purchases_of_the_holdout_are_near_the_true_ones(cdnow):
    table = cdnow_sample()
    bought = table[table.date > CALIBRATION_END].drop_duplicates(["id", "date"])
    for model in (BG, PARETO):
        assert model.expected_purchases(cdnow[0], 39).sum() == pytest.approx(len(bought), rel=0.15)
        silent = 1 - bought.id.nunique() / len(cdnow[0])
        assert model.no_purchase(cdnow[0], 39).mean() == pytest.approx(silent, abs=0.08)


def test_who_never_repeated_is_alive_for_bg_nbd():
    assert BG.alive(one(0, 0, 30)) == 1


def test_p_alive_by_hand():
    # one repeat at 5 of 10, unit parameters: odds a / (b + 0) ((1 + 10) / (1 + 5))^2
    model = btyd.BgNbd(1.0, 1.0, 1.0, 1.0)
    assert model.alive(one(1, 5, 10))[0] == pytest.approx(1 / (1 + (11 / 6) ** 2))


def posterior_draws(model, frequency, recency, age, draws=400_000):
    """Weights and rates of a Pareto/NBD customer: prior draws weighted by the individual likelihood."""
    rng = np.random.default_rng(11)
    rate = rng.gamma(model.r, 1 / model.alpha, draws)
    leaving = rng.gamma(model.s, 1 / model.beta, draws)
    both = rate + leaving
    alive = rate**frequency * np.exp(-both * age)
    gone = rate**frequency * leaving / both * (np.exp(-both * recency) - np.exp(-both * age))
    return rate, leaving, alive, gone


@pytest.mark.parametrize("history", [(0, 0.0, 30.0), (2, 12.0, 30.0), (6, 29.0, 30.0)])
def test_pareto_nbd_agrees_with_its_posterior_by_simulation(history):
    horizon = 13.0
    rate, leaving, alive, gone = posterior_draws(PARETO, *history)
    total = (alive + gone).sum()
    both = rate + leaving
    lifetime = -np.expm1(-leaving * horizon) / leaving
    silent = np.exp(-both * horizon) + leaving / both * -np.expm1(-both * horizon)
    rows = one(*history)
    assert PARETO.alive(rows)[0] == pytest.approx(alive.sum() / total, abs=0.01)
    assert PARETO.expected_purchases(rows, horizon)[0] == pytest.approx(
        (alive * rate * lifetime).sum() / total, rel=0.03
    )
    assert PARETO.no_purchase(rows, horizon)[0] == pytest.approx((gone + alive * silent).sum() / total, abs=0.01)
    assert PARETO.log_likelihood(rows)[0] == pytest.approx(np.log(total / len(rate)), abs=0.03)


@pytest.mark.parametrize("history", [(0, 0.0, 30.0), (2, 12.0, 30.0), (6, 29.0, 30.0)])
def test_bg_nbd_agrees_with_its_posterior_by_simulation(history):
    x, recency, age = history
    horizon, draws = 13.0, 200_000
    rng = np.random.default_rng(12)
    rate, leave = rng.gamma(BG.r, 1 / BG.alpha, draws), rng.beta(BG.a, BG.b, draws)
    alive = (1 - leave) ** x * rate**x * np.exp(-rate * age)
    gone = leave * (1 - leave) ** (x - 1) * rate**x * np.exp(-rate * recency) if x else np.zeros(draws)
    total = (alive + gone).sum()
    rows = one(*history)
    assert BG.alive(rows)[0] == pytest.approx(alive.sum() / total, abs=0.01)
    purchases = -np.expm1(-rate * leave * horizon) / leave
    assert BG.expected_purchases(rows, horizon)[0] == pytest.approx((alive * purchases).sum() / total, rel=0.03)
    silent = (gone + alive * np.exp(-rate * horizon)).sum() / total
    assert BG.no_purchase(rows, horizon)[0] == pytest.approx(silent, abs=0.01)
    assert BG.log_likelihood(rows)[0] == pytest.approx(np.log(total / draws), abs=0.03)


@pytest.mark.parametrize("z", [0.0, 0.3, 0.9, 0.99])
def test_the_continued_fraction_is_gauss_function(z):
    b = np.geomspace(0.1, 150, 40)
    for above in (0.1, 1.0, 5.0):
        ours = pareto_nbd._hypergeometric_of_one(b, b + above, np.full(40, z))
        np.testing.assert_allclose(ours, hyp2f1(1.0, b, b + above, z), rtol=1e-9)


def test_the_continued_fraction_holds_where_scipy_overflows():
    b, c, z = 900.0, 903.0, 0.97

    def integrand(t):
        return (c - 1) * np.exp((c - 2) * np.log1p(-t) - b * np.log1p(-z * t))

    by_quadrature = quad(integrand, 0, 1, limit=500, points=[0.01, 0.5, 0.9, 0.99])[0]
    ours = pareto_nbd._hypergeometric_of_one(np.asarray([b]), np.asarray([c]), np.asarray([z]))[0]
    assert ours == pytest.approx(by_quadrature, rel=1e-6)


def test_alpha_below_beta_and_above_it_meet():
    rows = btyd.History.of(np.asarray([0.0, 3.0, 50.0]), np.asarray([0.0, 9.0, 28.0]), np.full(3, 30.0))
    below, above = (btyd.ParetoNbd(0.6, 10.0, 0.7, 10.0 * near) for near in (1 + 1e-9, 1 - 1e-9))
    np.testing.assert_allclose(below.log_likelihood(rows), above.log_likelihood(rows), rtol=1e-8)


positive = st.floats(0.02, 50.0)


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(positive, positive, positive, positive),
    st.integers(0, 3_000),
    st.floats(0.0, 1.0),
    st.floats(0.01, 2_000.0),
    st.floats(0.1, 1_000.0),
)
def test_no_customer_gets_an_impossible_prediction(parameters, frequency, share, age, horizon):
    rows = one(frequency, share * age, age)
    for model in (btyd.BgNbd(*parameters), btyd.ParetoNbd(*parameters)):
        for probability in (model.alive(rows)[0], model.no_purchase(rows, horizon)[0]):
            assert 0 <= probability <= 1, model
        expected = model.expected_purchases(rows, horizon)[0]
        assert np.isfinite(expected)
        assert expected >= 0
        # at least one purchase is less likely than the mean number of purchases is large
        assert 1 - model.no_purchase(rows, horizon)[0] <= expected * (1 + 2e-3) + 1e-9, model


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 200), st.floats(0.0, 1.0), st.floats(1.0, 1_000.0))
def test_a_longer_silence_never_makes_a_purchase_more_likely(frequency, share, age):
    recency = share * age
    for model in (BG, PARETO):
        now, later = (model.no_purchase(one(frequency, recency, age * more), 10.0)[0] for more in (1.0, 1.5))
        assert later >= now - 1e-9


def test_a_population_that_never_repeats_gets_the_named_fallback():
    rows = btyd.History.of(np.zeros(30), np.zeros(30), np.linspace(10, 100, 30))
    for fit, name in ((btyd.fit_bg_nbd, bg_nbd.FALLBACK), (btyd.fit_pareto_nbd, pareto_nbd.FALLBACK)):
        model = fit(rows)
        assert model.fallback == name
        assert model.expected_purchases(rows, 30.0).max() < 0.1
        assert model.no_purchase(rows, 30.0).min() > 0.9


def test_a_likelihood_that_cannot_be_computed_gives_the_fallback(monkeypatch):
    monkeypatch.setattr(btyd.ParetoNbd, "log_likelihood", lambda self, history: np.full(len(history), np.nan))
    rows = btyd.History.of(np.full(20, 4.0), np.full(20, 80.0), np.full(20, 100.0))
    model = btyd.fit_pareto_nbd(rows)
    assert model.fallback == pareto_nbd.FALLBACK
    # four repeats in a hundred days, nobody leaving
    assert model.expected_purchases(rows, 50.0)[0] == pytest.approx(2.0, rel=0.1)
    assert model.alive(rows)[0] > 0.999


def test_a_population_without_heterogeneity_ends_at_a_bound_with_finite_predictions():
    rows = btyd.History.of(np.full(200, 10.0), np.full(200, 98.0), np.full(200, 100.0))
    for fit in (btyd.fit_bg_nbd, btyd.fit_pareto_nbd):
        assert fit(rows).expected_purchases(rows, 50.0)[0] == pytest.approx(5.0, rel=0.2)


def test_no_history_is_refused():
    with pytest.raises(TooLittleData):
        btyd.fit_bg_nbd(btyd.History.of(np.zeros(0), np.zeros(0), np.zeros(0)))


def test_histories_are_put_in_range():
    rows = btyd.History.of(np.asarray([np.nan, 2.0]), np.asarray([5.0, 300.0]), np.asarray([0.0, 200.0]))
    assert rows.frequency.tolist() == [0.0, 2.0]
    assert rows.recency.tolist() == [0.0, 200.0]
    assert rows.T.tolist() == [0.2, 200.0]


def test_expected_amount_by_hand_and_of_the_unknown():
    model = btyd.GammaGamma(6.0, 4.0, 15.0)
    # 6 (15 + 2 * 30) / (12 + 3); nobody knows anything of the second: 6 * 15 / 3
    found = model.expected_amount(np.asarray([2.0, 0.0]), np.asarray([30.0, 0.0]))
    assert found.tolist() == [30.0, 30.0]
    assert model.expected_amount(np.asarray([1.0]), np.asarray([90.0]))[0] == pytest.approx(6 * 105 / 9)


def test_too_few_repeaters_get_the_mean_amount():
    model = btyd.fit_gamma_gamma(np.asarray([1.0, 2.0]), np.asarray([10.0, 30.0]))
    assert model.fallback == gamma_gamma.FALLBACK
    assert model.expected_amount(np.asarray([0.0]), np.asarray([0.0]))[0] == pytest.approx(20.0, rel=1e-3)
