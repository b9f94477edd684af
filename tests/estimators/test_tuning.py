"""The search: seeded, bounded, never below the defaults, and whole after kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from simulated_customers import CATALOG, HORIZON_DAYS, frame

from churn_value.config import Config
from churn_value.estimators import tuning
from churn_value.estimators.validation import MOST_TUNING_ROWS, Validation, tuning_folds, validation_dates

TRAIN_DATES = ("2025-01-01", "2025-02-01", "2025-05-02")


def config(trials, **more):
    return Config.model_validate(
        {
            "name": "small",
            "tables": {"purchases": {"path": "x"}},
            "horizon_days": HORIZON_DAYS,
            "tuning": {"trials": trials, "threads": 1, **more},
        }
    )


@pytest.fixture(scope="module")
def folds():
    return frame(250, 1, TRAIN_DATES), frame(200, 2, ("2025-08-01",))


def run(folds, trials, head="churn", **more):
    return tuning.tune(head, *folds, CATALOG, config(trials), **more)


def days(*texts):
    return [pd.Timestamp(text) for text in texts]


def test_validation_is_on_the_newest_dates_and_purged():
    months = list(pd.date_range("2025-01-01", "2025-12-01", freq="MS"))
    earlier, later = validation_dates(months, 90)
    assert later == days("2025-10-01", "2025-11-01", "2025-12-01")
    # 3 July is the newest as_of whose outcome window ends before 1 October begins
    assert earlier == list(pd.date_range("2025-01-01", "2025-07-01", freq="MS"))


def test_validation_takes_fewer_dates_rather_than_none_to_fit_on():
    dates = days("2025-01-01", *(str(day.date()) for day in pd.date_range("2025-03-02", periods=7, freq="5D")))
    earlier, later = validation_dates(dates, 90)
    assert later == days("2025-04-01")
    assert earlier == days("2025-01-01")


def test_a_window_that_ends_as_the_next_begins_is_purged_and_one_a_day_longer_is_not():
    assert validation_dates(days("2025-01-01", "2025-04-01"), 90) == (days("2025-01-01"), days("2025-04-01"))
    assert validation_dates(days("2025-01-02", "2025-04-01"), 90) == ([], [])


def test_too_few_dates_are_validated_on_the_calibration_fold(folds):
    train = folds[0][folds[0].as_of < "2025-03-01"]
    fold, held = tuning_folds(train, folds[1], HORIZON_DAYS)
    assert len(fold) == len(train)
    assert held.as_of.unique().tolist() == days("2025-08-01")


def test_the_calibration_fold_is_left_alone_where_the_train_fold_suffices(folds):
    fold, held = tuning_folds(*folds, HORIZON_DAYS)
    assert sorted(fold.as_of.unique()) == days("2025-01-01", "2025-02-01")
    assert held.as_of.unique().tolist() == days("2025-05-02")


def test_many_rows_are_thinned_by_whole_customers(folds):
    validation = Validation.of(*folds, CATALOG, config(1))
    many = validation.earlier.where(np.arange(MOST_TUNING_ROWS * 3) % len(validation.earlier))
    few = many.thinned(MOST_TUNING_ROWS, 1)
    assert len(few) == pytest.approx(MOST_TUNING_ROWS, rel=0.25)
    left = set(many.customers) - set(few.customers)
    assert not left & set(few.customers)


def test_the_first_trial_is_the_defaults_and_the_best_is_no_worse(folds):
    result = run(folds, 4)
    assert result.trials.number.tolist() == [0, 1, 2, 3]
    assert result.trials.learning_rate[0] == 0.05
    assert result.best == result.trials.loss.min()
    assert result.best <= result.trials.loss[0]
    assert result.params == {name: result.trials[name][result.trials.loss.idxmin()] for name in result.params}


def test_no_trials_mean_the_defaults(folds):
    result = run(folds, 0)
    assert result.params == {}
    assert result.trials.empty
    assert np.isnan(result.best)


def test_the_value_search_tries_powers_of_the_variance_and_reports_the_gini(folds):
    result = run(folds, 8, head="value")
    assert result.trials.tweedie_power.between(1.1, 1.7).all()
    assert result.trials.tweedie_power.nunique() > 3
    assert result.trials.normalised_gini.between(-1, 1).all()


def test_the_same_seed_makes_the_same_trials(folds):
    pd.testing.assert_frame_equal(run(folds, 8).trials, run(folds, 8).trials)


def test_another_seed_makes_other_trials(folds):
    other = tuning.tune("churn", *folds, CATALOG, config(3, seed=8))
    assert other.trials.num_leaves.tolist() != run(folds, 3).trials.num_leaves.tolist()


def test_a_spent_budget_still_leaves_one_trial(folds):
    result = tuning.tune("churn", *folds, CATALOG, config(50, time_budget_s=1e-6))
    assert len(result.trials) == 1


def test_each_trial_is_reported_once(folds):
    seen = []
    run(folds, 3, on_trial=seen.append)
    assert [report.number for report in seen] == [0, 1, 2]
    assert seen[-1].best == min(report.loss for report in seen)
    assert "log_loss_before_map" in seen[0].beside


def test_a_longer_search_resumes_a_shorter_one_and_equals_one_run(folds, tmp_path):
    storage = tmp_path / "trials.db"
    run(folds, 7, storage=storage)
    seen = []
    resumed = run(folds, 9, storage=storage, on_trial=seen.append)
    assert [report.number for report in seen] == [7, 8]
    pd.testing.assert_frame_equal(resumed.trials, run(folds, 9).trials)


def test_other_rows_do_not_resume_a_search(folds, tmp_path):
    storage = tmp_path / "trials.db"
    run(folds, 2, storage=storage)
    seen = []
    run((folds[0].assign(noise=0.5), folds[1]), 2, storage=storage, on_trial=seen.append)
    assert len(seen) == 2


KILLED = """
    import sys, time
    from pathlib import Path
    from simulated_customers import CATALOG, frame
    from test_tuning import TRAIN_DATES, config
    from churn_value.estimators import tuning

    losses = tuning.ChurnLoss.__call__
    def slow(self, settings):
        if len(seen) == 2:
            print("inside", flush=True)
            time.sleep(60)
        seen.append(1)
        return losses(self, settings)
    seen = []
    tuning.ChurnLoss.__call__ = slow
    tuning.tune("churn", frame(250, 1, TRAIN_DATES), frame(200, 2, ("2025-08-01",)), CATALOG, config(5),
                storage=Path(sys.argv[1]))
"""


def test_a_search_killed_within_a_trial_goes_on_as_if_nothing_had_happened(folds, tmp_path):
    storage = tmp_path / "trials.db"
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parents[1] / "src")])
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(storage)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline().strip() == "inside"
        time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL
    seen = []
    resumed = run(folds, 5, storage=storage, on_trial=seen.append)
    assert [report.number for report in seen] == [2, 3, 4]
    (study,) = optuna.get_all_study_summaries(f"sqlite:///{storage}")
    states = [
        trial.state.name
        for trial in optuna.load_study(study_name=study.study_name, storage=f"sqlite:///{storage}").trials
    ]
    assert sorted(states) == ["COMPLETE"] * 5 + ["FAIL"]
    pd.testing.assert_frame_equal(resumed.trials, run(folds, 5).trials)


def test_a_gain_that_the_luckiest_of_several_would_show_is_chance_and_a_customers_rows_are_one_observation():
    usual = np.zeros(400)
    customers = np.asarray([f"c{number // 4}" for number in range(400)], dtype=object)
    # Sums per customer are +-0.4 about a mean of 0.1: sd 0.4, 100 customers, a mean gain of 2.5 standard errors.
    sums = np.where(np.arange(100) % 2 == 0, 0.5, -0.3)
    better = -np.repeat(sums / 4, 4)
    # Of one trial 1.64 standard errors are beyond chance, of eight 2.498, of nine 2.54, of 25 2.88.
    assert [tuning.is_lower(better, usual, customers, tried) for tried in (0, 1, 8, 9, 25)] == [True] * 3 + [False] * 2
    assert not tuning.is_lower(-np.repeat((sums - 0.05) / 4, 4), usual, customers, 1)  # 1.25 standard errors
    assert not tuning.is_lower(usual, usual, customers, 1)


def test_a_search_that_finds_nothing_better_beyond_chance_keeps_the_defaults(folds):
    assert run(folds, 1).params == {}
