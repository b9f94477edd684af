import math

import pytest
from evaluations import evaluation

from churn_value.errors import RegistryError
from churn_value.tracking.compare import compare, newest_two, training_runs
from churn_value.tracking.runs import training_run


def log(store, name, loss, *, data="d1", **over):
    with training_run(store, "acme", run_name=name, tags={"data_sha256": data}) as run:
        run.params({"seed": 7, "name": name})
        run.evaluation(evaluation(loss=loss, **over))
    return run.run_id


def row(found, measure):
    return found.metrics.set_index("measure").loc[measure]


def test_runs_are_listed_newest_first_without_trials_and_failures(store):
    assert training_runs(store, "acme").empty
    first = log(store, "one", 0.5)
    with pytest.raises(KeyboardInterrupt), training_run(store, "acme", run_name="stopped"):
        raise KeyboardInterrupt
    with training_run(store, "acme", run_name="two") as run:
        run.trial("churn", 0, {}, {"loss": 1.0})
        run.evaluation(evaluation())
    listed = training_runs(store, "acme")
    assert listed["run_id"].tolist() == [run.run_id, first]
    assert listed["test.churn_auc"].tolist() == [0.8, 0.8]
    assert newest_two(store, "acme") == (first, run.run_id)


def test_fewer_than_two_runs_are_said_with_the_command_that_helps(store):
    log(store, "one", 0.5)
    with pytest.raises(RegistryError, match=r"pipelines\.train") as caught:
        newest_two(store, "acme")
    assert caught.value.code == "TOO_FEW_RUNS"


def test_intervals_that_lie_apart_are_better_or_worse_by_the_direction_of_the_measure(store):
    good, bad, near = log(store, "good", 0.40), log(store, "bad", 0.50), log(store, "near", 0.41)
    assert row(compare(store, bad, good), "Log-loss")["verdict"] == "better"
    assert row(compare(store, good, bad), "Log-loss")["verdict"] == "worse"
    assert row(compare(store, good, near), "Log-loss")["verdict"] == "within chance"
    assert row(compare(store, good, bad), "Log-loss")["change"] == pytest.approx(0.10)
    assert row(compare(store, good, bad), "Predicted over actual total")["verdict"] == "see the figures"


def test_only_settings_that_differ_are_shown(store):
    found = compare(store, log(store, "one", 0.5), log(store, "two", 0.5, data="d2"))
    assert found.settings.values.tolist() == [["data_sha256", "d1", "d2"], ["name", "one", "two"]]


def test_other_rows_are_told(store):
    one = log(store, "one", 0.5)
    assert compare(store, one, log(store, "two", 0.5)).same_rows
    assert not compare(store, one, log(store, "three", 0.5, data="d2")).same_rows
    assert not compare(store, one, log(store, "four", 0.5, rows=999)).same_rows


def test_a_measure_that_only_one_run_has_is_unknown(store):
    full = log(store, "full", 0.5)
    lacking = evaluation()
    del lacking.metrics["model"]["value_normalised_gini"]
    with training_run(store, "acme", run_name="lacking", tags={"data_sha256": "d1"}) as run:
        run.evaluation(lacking)
    found = row(compare(store, full, run.run_id), "Normalised Gini")
    assert found["verdict"] == "unknown"
    assert math.isnan(found["now"])
