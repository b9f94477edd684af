"""From the horizon learned on to a longer one."""

import numpy as np
import pytest
from scipy.special import logit
from simulated_customers import CATALOG, HORIZON_DAYS, frame

from churn_value.config import Config
from churn_value.errors import ConfigError
from churn_value.estimators import hurdle
from churn_value.estimators.btyd import History, ParetoNbd
from churn_value.estimators.stretch import Stretch, fit_stretch

TWICE = Stretch(
    learned_days=90,
    horizon_days=180,
    slope=0.5,
    intercept=-1.0,
    growth_slope=1.0,
    growth_intercept=np.log(2),
    scale_minor=1_000.0,
    doubt=np.log(1.25),
)
QUICK = {"max_rounds": 30, "learning_rate": 0.15}


def config(**more):
    return Config.model_validate({"name": "small", "tables": {"purchases": {"path": "x"}}, **more})


def fitted(horizon_days, **more):
    settings = config(horizon_days=horizon_days, **more)
    train, calibration = frame(500, 1, ("2025-01-01", "2025-02-01")), frame(500, 2, ("2025-06-01",))
    return hurdle.fit(
        train,
        calibration,
        CATALOG,
        settings,
        learned_days=HORIZON_DAYS,
        churn_params=QUICK,
        value_params={**QUICK, "form": "gamma"},
    )


def test_lines_and_widening_worked_by_hand():
    # Even odds: logit 0, half of it is 0, minus 1; amounts double; 10 .. 100 becomes 8 .. 125.
    assert logit(TWICE.churn_probability(np.asarray([0.5]))) == pytest.approx([-1.0])
    assert TWICE.expected_minor(np.asarray([300.0, 5_000.0])) == pytest.approx([600.0, 10_000.0])
    lower, upper = TWICE.widened(np.asarray([10.0]), np.asarray([100.0]))
    assert (lower[0], upper[0]) == pytest.approx((8.0, 125.0))
    assert Stretch.from_json(TWICE.to_json()) == TWICE


def test_buyers_who_never_leave_buy_twice_as_much_in_twice_the_time():
    rng = np.random.default_rng(2)
    age = rng.uniform(200, 400, 300)
    frequency = rng.poisson(age / 40).astype(float)
    histories = History(frequency, age * 0.95 * (frequency > 0), age, np.ones(300))
    found = fit_stretch(
        ParetoNbd(4.0, 160.0, 1e-6, 1e6), histories, learned_days=90, horizon_days=180, scale_minor=1_000.0
    )
    assert found.growth_slope == pytest.approx(1.0, abs=1e-3)
    assert np.exp(found.growth_intercept) == pytest.approx(2.0, rel=1e-3)
    assert found.slope > 0
    assert found.churn_probability(np.asarray([0.3]))[0] < 0.3


def test_a_stretched_model_keeps_the_order_lowers_churn_raises_value_and_widens():
    short, long = fitted(HORIZON_DAYS), fitted(2 * HORIZON_DAYS)
    assert short.stretch is None
    assert (long.stretch.learned_days, long.stretch.horizon_days) == (HORIZON_DAYS, 2 * HORIZON_DAYS)
    later = frame(300, 3, ("2025-09-01",))
    near, far = short.predict(later), long.predict(later)
    np.testing.assert_array_equal(np.argsort(near.churn_probability), np.argsort(far.churn_probability))
    assert (far.churn_probability < near.churn_probability).mean() > 0.95
    assert 1.2 < far.expected_value_minor.sum() / near.expected_value_minor.sum() < 2.2
    assert (far.value_lower_minor <= far.expected_value_minor).all()
    assert (far.expected_value_minor <= far.value_upper_minor).all()
    np.testing.assert_allclose(far.expected_value_minor, (1 - far.churn_probability) * far.value_if_retained_minor)


def test_a_stretched_model_is_read_back_equal_to_the_bit():
    model = fitted(2 * HORIZON_DAYS)
    later = frame(50, 3, ("2025-09-01",))
    again = hurdle.HurdleModel.from_files(model.to_files())
    for name, values in vars(model.predict(later)).items():
        np.testing.assert_array_equal(values, vars(again.predict(later))[name])


def test_only_silence_is_carried_to_a_longer_horizon():
    with pytest.raises(ConfigError, match="only the absence of purchases") as caught:
        fitted(
            2 * HORIZON_DAYS,
            churn={"definition": "no_visit"},
            tables={"purchases": {"path": "x"}, "visits": {"path": "y"}},
        )
    assert caught.value.code == "HORIZON_NOT_STRETCHED"
    with pytest.raises(ConfigError):
        fitted(HORIZON_DAYS // 2)
