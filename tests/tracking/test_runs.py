import math
import subprocess
import sys
import time

import pandas as pd
import pytest
from evaluations import evaluation, write_bundle
from matplotlib.figure import Figure

from churn_value.errors import LeakageError, RegistryError
from churn_value.evaluation.checks import Check
from churn_value.evaluation.results import Evaluation
from churn_value.tracking.orphans import orphans, reap
from churn_value.tracking.runs import EVALUATION_FILE, metric_names, read_text, training_run


def test_metric_names_line_up_between_model_champion_and_baselines():
    names = metric_names(evaluation(champion="abc"))
    assert names["test.churn_log_loss"] == 0.50
    assert names["test.churn_log_loss_low"] == 0.48
    assert names["test.churn_log_loss_high"] == 0.52
    assert names["baseline.recency.churn_log_loss"] == 0.60
    assert names["champion.churn_log_loss"] == 0.51
    assert names["difference.recency.churn_log_loss"] == pytest.approx(-0.10)
    assert names["test.rows"] == 1000
    assert all(math.isfinite(value) for value in names.values())


def test_a_training_run_is_closed_and_readable(store, tmp_path):
    with training_run(store, "acme", run_name="first", tags={"config_sha256": "aa", "git_commit": None}) as run:
        run.params({"horizon_days": 90, "text": "x" * 2_000, "list": [1, 2]})
        run.metrics({"fit_s": 1.5, "broken": math.nan})
        run.evaluation(evaluation())
        run.checks([Check("CV001", "passed", "error", "Fine.", "正常。")])
        run.table("tables/tiers.json", pd.DataFrame({"tier": ["A"], "customers": [3]}))
        run.figure("figures/empty.png", Figure())
        run.text("card.md", "# 模型卡")
        place = run.bundle(write_bundle(tmp_path / "made", "one"))
    logged = store.client.get_run(run.run_id)
    assert logged.info.status == "FINISHED"
    assert logged.data.params["horizon_days"] == "90"
    assert len(logged.data.params["text"]) == 500
    assert "broken" not in logged.data.metrics
    assert "git_commit" not in logged.data.tags
    assert logged.data.tags["config_sha256"] == "aa"
    assert read_text(store, run.run_id, "card.md") == "# 模型卡"
    assert Evaluation.from_json(read_text(store, run.run_id, EVALUATION_FILE)) == evaluation()
    files = {entry.path for entry in store.client.list_artifacts(run.run_id, place)}
    assert files == {f"{place}/model.txt", f"{place}/manifest.json"}
    assert store.client.list_artifacts(run.run_id, "figures")[0].file_size > 0


def test_a_named_error_ends_the_run_failed_with_its_code(store):
    with pytest.raises(LeakageError), training_run(store, "acme", run_name="leaky") as run:
        raise LeakageError("a feature knows the label", code="LEAKAGE_CV001", where="attr_x")
    logged = store.client.get_run(run.run_id)
    assert logged.info.status == "FAILED"
    assert logged.data.tags["error"] == "LEAKAGE_CV001: attr_x: a feature knows the label"


def test_an_interrupt_ends_the_run_killed(store):
    with pytest.raises(KeyboardInterrupt), training_run(store, "acme", run_name="stopped") as run:
        raise KeyboardInterrupt
    assert store.client.get_run(run.run_id).info.status == "KILLED"


def test_a_run_inside_an_except_block_still_ends_finished(store):
    try:
        int("earlier")
    except ValueError:
        with training_run(store, "acme", run_name="after trouble") as run:
            pass
    assert store.client.get_run(run.run_id).info.status == "FINISHED"


def test_fifty_trials_are_nested_and_logged_within_five_seconds(store):
    with training_run(store, "acme", run_name="tuned") as run:
        begun = time.process_time()
        for head in ("churn", "value"):
            for number in range(25):
                run.trial(head, number, {f"p{i}": i for i in range(10)}, {"loss": 0.5}, started_ms=1000, ended_ms=2000)
        spent = time.process_time() - begun
    found = store.client.search_runs([run.experiment_id], f"tags.`mlflow.parentRunId` = '{run.run_id}'")
    assert len(found) == 50
    assert {trial.info.status for trial in found} == {"FINISHED"}
    assert found[0].info.end_time - found[0].info.start_time == 1000
    assert spent < 5


def test_a_failed_trial_says_so(store):
    with training_run(store, "acme", run_name="tuned") as run:
        trial = run.trial("churn", 3, {"a": 1}, {"loss": math.nan}, state="FAIL")
    logged = store.client.get_run(trial)
    assert logged.info.status == "FAILED"
    assert logged.info.run_name == "churn trial 003"
    assert logged.data.metrics == {}


def test_a_killed_process_leaves_an_orphan_that_is_found_and_closed(store):
    code = (
        "import sys, time\n"
        "from churn_value.tracking.store import open_store\n"
        "from churn_value.tracking.runs import training_run\n"
        f"with training_run(open_store({store.uri!r}), 'acme', run_name='killed') as run:\n"
        "    print(run.run_id, flush=True); time.sleep(120)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        run_id = process.stdout.readline().strip()
        assert orphans(store) == ()
        process.kill()
    with training_run(store, "acme", run_name="alive") as alive:
        assert [orphan.run_id for orphan in orphans(store)] == [run_id]
        assert [orphan.name for orphan in reap(store)] == ["killed"]
        assert store.client.get_run(alive.run_id).info.status == "RUNNING"
    assert store.client.get_run(run_id).info.status == "KILLED"
    assert orphans(store) == ()


def test_a_missing_document_is_named(store):
    with training_run(store, "acme", run_name="empty") as run:
        pass
    with pytest.raises(RegistryError, match=EVALUATION_FILE) as caught:
        read_text(store, run.run_id, EVALUATION_FILE)
    assert caught.value.code == "ARTIFACT_MISSING"
