"""The accuracy benchmark: what peers see, how they are judged, what is written, and a small run from end to end."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy, accuracy_document, accuracy_run, tuning
from benchmarks.accuracy_judge import Truth, compared, judged, width_beside
from benchmarks.accuracy_run import OURS, Means, child, finished, run
from benchmarks.accuracy_sets import DATED, DOCUMENT, RESULTS
from benchmarks.peers import tutorial
from benchmarks.peers.histories import histories, outcomes
from benchmarks.peers.task import Answer, Task, stretched
from churn_value.errors import DataContractError

DAY = pd.Timestamp


def purchases():
    """Ann buys on three days (twice on the second), Bob once, Cyd only afterwards."""
    rows = [
        ("ann", "2025-01-01", 1000),
        ("ann", "2025-01-11", 500),
        ("ann", "2025-01-11", 1500),
        ("ann", "2025-01-31", 4000),
        ("bob", "2025-02-05", 700),
        ("cyd", "2025-02-10", 900),
        ("ann", "2025-02-12", 300),
    ]
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "amount_minor"])
    return frame.assign(day=pd.to_datetime(frame["day"]))


def test_histories_worked_by_hand():
    found = histories(purchases(), DAY("2025-02-10")).set_index("customer_id")
    assert list(found.index) == ["ann", "bob"]
    ann = found.loc["ann"]
    assert (ann["purchase_days"], ann["frequency"], ann["recency"], ann["T"]) == (3, 2, 30, 40)
    assert (ann["days_since_last"], ann["spend_minor"], ann["monetary_value"]) == (10, 7000, 3000)
    assert found.loc["bob", ["frequency", "monetary_value"]].tolist() == [0, 0]


def test_outcomes_are_of_the_half_open_window():
    found = outcomes(purchases(), DAY("2025-02-10"), 2).set_index("customer_id")
    assert found["value_minor"].to_dict() == {"cyd": 900}
    later = outcomes(purchases(), DAY("2025-02-10"), 3).set_index("customer_id")
    assert later["value_minor"].to_dict() == {"ann": 300, "cyd": 900}


def task(folder, **changes):
    means = {"kind": "dated", "as_of": "2025-02-10", "horizon_days": 30, "label_days": 10}
    return Task(folder, **{**means, "categories": (), "has_value": True, **changes})


def test_a_shorter_window_is_stretched_and_an_equal_one_is_not(tmp_path):
    p, value = stretched(task(tmp_path), np.array([0.5, 1.0]), np.array([10.0, -1.0]))
    assert p == pytest.approx([0.125, 1.0])
    assert value.tolist() == [30.0, 0.0]
    same = stretched(task(tmp_path, label_days=30), np.array([0.5]), np.array([10.0]))
    assert [float(part[0]) for part in same] == pytest.approx([0.5, 10.0])


def test_the_tutorial_predicts_for_everyone_who_bought_before_as_of(tmp_path):
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2024-06-01") + pd.to_timedelta(rng.integers(0, 240, 900), unit="D")
    frame = pd.DataFrame({"customer_id": [f"c{i}" for i in rng.integers(0, 200, 900)], "day": days})
    frame = frame.assign(amount_minor=rng.integers(100, 9_000, 900))
    frame[frame["day"] < "2025-01-01"].to_parquet(tmp_path / "purchases.parquet")
    said = tutorial.predict(task(tmp_path, as_of="2025-01-01", label_days=30)).frame()
    assert set(said["customer_id"]) == set(frame.loc[frame["day"] < "2025-01-01", "customer_id"])
    assert said["churn_probability"].between(0, 1).all()


@pytest.fixture
def handed(tmp_path):
    """A set of 200 customers with a truth, and three systems' predictions: good, noisy, and one not finite."""
    rng = np.random.default_rng(4)
    p = rng.uniform(0.05, 0.95, 200)
    churned = (rng.uniform(size=200) < p).astype(float)
    worth = rng.lognormal(8, 1, 200)
    names = [f"c{i:03d}" for i in range(200)]
    truth = {"customer_id": names, "churned": churned, "value_minor": np.where(churned == 1, 0, np.round(worth))}
    pd.DataFrame(truth).sample(frac=1, random_state=1).to_parquet(tmp_path / "truth.parquet")
    (tmp_path / "handed").mkdir()
    value = (1 - p) * worth
    systems = {
        OURS: Answer(pd.Series(names), p, value, {80: (value * 0, value * 3)}),
        "noisy": Answer(pd.Series(names), np.clip(p + rng.normal(0, 0.4, 200), 0, 1), np.roll(value, 7)),
        "broken": Answer(pd.Series(names), np.where(np.arange(200) < 5, np.nan, p), value),
    }
    for name, answer in systems.items():
        out = tmp_path / "systems" / name
        out.mkdir(parents=True)
        answer.frame().sample(frac=1, random_state=2).to_parquet(out / "predictions.parquet")
    return tmp_path


def test_systems_are_judged_on_the_same_rows_whatever_the_order_of_theirs(handed):
    truth = Truth.read(handed)
    for name in (OURS, "noisy", "broken"):
        judged(handed / "systems" / name, truth, resamples=60)
    found = compared(handed, [OURS, "noisy", "broken"], OURS)
    value, lower, upper = found["noisy"]["ours_minus"]["churn_log_loss"]
    assert upper < 0
    expected = found[OURS]["metrics"]["churn_log_loss"][0] - found["noisy"]["metrics"]["churn_log_loss"][0]
    assert value == pytest.approx(expected, abs=1e-5)
    assert lower < value < upper
    assert found[OURS]["metrics"]["churn_auc"][0] > 0.7
    assert "ours_minus" not in found[OURS]


def test_predictions_that_are_not_finite_are_counted_and_taken_as_the_mean(handed):
    found = judged(handed / "systems" / "broken", Truth.read(handed), resamples=5)
    assert found["not_finite"] == {"churn_probability": 5}


def test_amounts_are_judged_in_major_units_and_intervals_by_group(handed):
    truth = Truth.read(handed)
    found = judged(handed / "systems" / OURS, truth, resamples=5)
    assert truth.value.sum() == pytest.approx(pd.read_parquet(handed / "truth.parquet")["value_minor"].sum() / 100)
    assert len(found["diagnosis"]["coverage_by_5"]) == 5
    whole = found["diagnosis"]["intervals"][80]["coverage"]
    assert np.mean(found["diagnosis"]["coverage_by_5"]) == pytest.approx(whole)


def test_a_system_that_leaves_customers_out_is_refused(handed):
    out = handed / "systems" / OURS
    pd.read_parquet(out / "predictions.parquet").head(150).to_parquet(out / "predictions.parquet")
    with pytest.raises(DataContractError) as caught:
        judged(out, Truth.read(handed), resamples=5)
    assert caught.value.code == "OTHER_POPULATION"


def test_widths_are_compared_at_equal_coverage():
    mine = {"intervals": {80: {"coverage": 0.75, "width": 9.0}}}
    family = {70: {"coverage": 0.7, "width": 8.0}, 80: {"coverage": 0.8, "width": 12.0}}
    found = width_beside(mine, {"intervals": family})
    assert (found["width"], found["quantile_width"]) == (9.0, pytest.approx(10.0))


def test_the_sign_of_a_difference_says_who_is_ahead_beyond_chance():
    sign = accuracy_document.difference
    assert sign("churn_auc", [0.02, 0.01, 0.03]).startswith("+ ")
    assert sign("churn_log_loss", [0.02, 0.01, 0.03]).startswith("− ")
    assert sign("churn_log_loss", [-0.02, -0.03, 0.01]).startswith("= ")
    assert sign("churn_auc", None) == "–"


def test_the_memory_and_status_of_a_child_are_its_own(tmp_path):
    code = "x = bytearray(150 * 2**20); import sys; sys.exit(3)"
    status, wall, peak = child([sys.executable, "-c", code], tmp_path / "log.txt")
    assert status == 3
    assert peak > 150
    assert 0 < wall < 60


def test_a_failed_system_is_reported_with_its_last_words_and_not_resumed(tmp_path, monkeypatch):
    command = [sys.executable, "-c", "raise SystemExit('no such luck')"]
    monkeypatch.setattr(accuracy_run, "arguments", lambda *_: command)
    means = Means(seconds=1)
    found = run("tutorial_lightgbm", "cdnow", tmp_path, means, peer_python=Path("nowhere"))
    assert (found["status"], found["note"]) == ("failed", "no such luck")
    assert finished(tmp_path / "systems" / "tutorial_lightgbm", "tutorial_lightgbm", means) is None


def test_a_peer_that_does_not_end_is_killed_and_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(accuracy_run, "arguments", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(accuracy_run, "SETTING_UP_S", 0.3)
    found = run("tutorial_lightgbm", "cdnow", tmp_path, Means(seconds=0.1), peer_python=Path("nowhere"))
    assert (found["status"], found["note"]) == ("failed", "killed after 1 s")


def test_a_static_set_is_given_time_for_all_its_folds():
    means = Means(seconds=120, repeats=5)
    assert means.longest_s(accuracy_run.folds_of("iranian", means)) == 300 + 3 * 2 * 25 * 120
    assert means.longest_s(accuracy_run.folds_of("cdnow", means)) == 300 + 3 * 2 * 120


def test_a_peer_whose_environment_is_absent_is_reported_as_not_installed(tmp_path):
    found = run("flaml", "cdnow", tmp_path, Means(), peer_python=tmp_path / "python")
    assert found["status"] == "not installed"
    assert "make peers" in found["note"]


def test_a_result_is_resumed_only_with_the_means_that_matter_to_it(tmp_path):
    out = tmp_path / "systems" / "flaml"
    out.mkdir(parents=True)
    means = Means(seconds=300, trials=25)
    (out / "result.json").write_text(json.dumps({"status": "done", "means": means.given_to("flaml")}))
    assert finished(out, "flaml", Means(seconds=300, trials=100)) is not None
    assert finished(out, "flaml", Means(seconds=5, trials=25)) is None


def test_folds_left_by_a_run_with_other_means_are_not_taken_over(tmp_path, monkeypatch):
    """A stopped run leaves a fold; with the same means the next one finds it, with others it begins anew."""
    monkeypatch.setattr(accuracy_run, "arguments", lambda *_: [sys.executable, "-c", ""])
    out = tmp_path / "systems" / "flaml"
    for seconds, left in ((5, False), (5, True), (9, False)):
        run("flaml", "iranian", tmp_path, Means(seconds=seconds), peer_python=Path(sys.executable), resume=True)
        assert (out / "fold").exists() == left
        (out / "fold").touch()


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What ``--quick`` writes."""
    folder = tmp_path_factory.mktemp("quick")
    accuracy.command(quick=True, work=folder / "work", out=folder / "accuracy.json")
    return folder / "work" / "quick" / "synthetic", json.loads((folder / "accuracy.json").read_text())


def test_the_quick_run_measures_ours_and_two_peers_beside_the_optimum(quick):
    _, content = quick
    found = content["sets"]["synthetic"]
    assert {name: said["status"] for name, said in found["systems"].items()} == dict.fromkeys(
        (OURS, "run_rate", "tutorial_lightgbm"), "done"
    )
    ours = found["systems"][OURS]
    assert set(accuracy_document.COLUMNS) <= set(ours["metrics"])
    assert ours["metrics"]["churn_auc"][0] > 0.7
    assert found["optimal"]["churn_log_loss"] < found["systems"]["tutorial_lightgbm"]["metrics"]["churn_log_loss"][0]
    assert ours["wall_s"] > 0
    assert ours["peak_mib"] > 100


def test_nothing_of_the_future_is_handed_over(quick):
    folder, _ = quick
    as_of = DAY(DATED["synthetic"].as_of)
    horizon = pd.Timedelta(days=DATED["synthetic"].horizon_days)
    assert pd.read_parquet(folder / "handed" / "purchases.parquet")["day"].max() < as_of
    rows = pd.read_parquet(folder / "handed" / "rows.parquet")
    assert (rows["as_of"] + horizon).max() <= as_of
    assert not {"churned", "value_minor"} & set(pd.read_parquet(folder / "handed" / "test.parquet"))


def test_the_document_holds_every_table_and_is_made_from_the_json_alone(quick):
    _, content = quick
    text = accuracy_document.written(content)
    for part in ("## synthetic", "Bayes-optimal", "Ours minus each", "ECE at true rate", "80 % interval: covers"):
        assert part in text


@pytest.mark.skipif(not RESULTS.exists(), reason="the full benchmark has not been run")
def test_the_document_is_that_of_the_results():
    assert DOCUMENT.read_text(encoding="utf-8") == accuracy_document.written(json.loads(RESULTS.read_text()))


@pytest.mark.skipif(not tuning.RESULTS.exists(), reason="the curve has not been measured")
def test_the_curve_is_that_of_its_results():
    content = json.loads(tuning.RESULTS.read_text())
    assert tuning.DOCUMENT.read_text(encoding="utf-8") == tuning.written(content)
