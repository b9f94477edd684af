"""Event tables in, a served answer out, on a small synthetic world: every job as a user runs it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from churn_value.config import Config, load_config
from churn_value.documents import generated
from churn_value.errors import LeakageError, OutdatedBundle, RegistryError, SchemaError
from churn_value.monitoring.archive import ScoreArchive
from churn_value.scoring.bundle import load_bundle
from churn_value.scoring.shelf import read_checked, write_addressed
from churn_value.service.client import Client
from churn_value.service.serve import running
from churn_value.tables.synthetic import NOISE_COLUMNS
from churn_value.tracking.exported import read_pointer
from churn_value.tracking.orphans import orphans
from churn_value.tracking.store import open_store
from churn_value.training.judge import InPlace, in_place
from churn_value.yaml_files import read_yaml
from pipelines import check_data, docs, monitor, promote, score, train
from tests.e2e.conftest import CONFIG, QUICK


def test_training_leaves_a_run_that_can_be_read_without_code(places, config, trained):
    client = open_store(places.tracking_uri, state=places.artifacts).client
    run = client.get_run(trained.version.run_id)
    assert run.info.status == "FINISHED"
    assert {
        "test.churn_log_loss",
        "test.churn_log_loss_low",
        "baseline.bg_nbd.churn_log_loss",
    } <= run.data.metrics.keys()
    assert run.data.tags["config_sha256"] == config.sha256
    files = {item.path for item in client.list_artifacts(trained.version.run_id)}
    assert {"model_card.md", "report.html", "config.yaml", "plots", "bundle", "data", "evaluation"} <= files
    plots = {item.path for item in client.list_artifacts(trained.version.run_id, "plots")}
    assert {f"plots/{name}.png" for name in ("calibration", "gain_churn", "deciles", "shapley_churn", "tiers")} <= plots
    experiment = run.info.experiment_id
    nested = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{trained.version.run_id}'")
    assert {found.data.tags["head"] for found in nested} == {"churn", "value"}


def test_promotion_moves_alias_and_pointer_to_the_challenger(places, config, promoted, trained):
    pointer = read_pointer(places.exported(config.name))
    assert pointer.bundle == trained.bundle.name
    client = open_store(places.tracking_uri, state=places.artifacts).client
    assert int(client.get_model_version_by_alias(config.name, "champion").version) == promoted.version.number


def test_every_answer_keeps_the_identities_and_nobody_is_lost(scored):
    answers = scored.answers[scored.answers["status"].isin(["ok", "partial"])]
    assert len(scored.answers) == scored.answers["customer_id"].nunique()
    assert len(answers) > 0.9 * len(scored.answers)
    p, retained = answers["churn_probability"], answers["value_if_retained"]
    assert answers["churn_probability"].between(0, 1).all()
    np.testing.assert_allclose(answers["expected_value"], (1 - p) * retained, atol=0.02)
    np.testing.assert_allclose(answers["value_at_risk"], p * retained, atol=0.02)
    assert (answers["value_lower"] <= answers["expected_value"] + 0.01).all()
    assert (answers["expected_value"] <= answers["value_upper"] + 0.01).all()
    assert answers["overall_score"].between(0, 100).all()


def test_a_noise_column_is_hardly_ever_a_reason(scored):
    """Few customers and one trial: noise is not always seen through, but must not be what people read."""
    names = {f"attr_{column.split('.')[1]}" for column in NOISE_COLUMNS if column.startswith("customers.")}
    assert names & set(scored.bundle.catalog.names)
    reasons = [json.loads(text) for text in scored.answers["reasons"].dropna()]
    named = [{r["feature"] for head in ("churn", "value") for r in found[head]} & names for found in reasons]
    assert sum(map(bool, named)) < 0.05 * len(named)


def test_scoring_again_gives_the_same_answers(places, config, scored):
    again = score.run(config, places)
    pd.testing.assert_frame_equal(again.answers, scored.answers, check_exact=True)


def test_the_service_answers_to_the_bit_what_the_batch_wrote(places, config, scored):
    rows = scored.answers[scored.answers["status"] == "ok"].head(50)
    with running(config.name, settings=places) as url, Client(url) as client:
        assert client.model()["model"]["version"] == "1"
        answers = client.score([{"customer_id": one} for one in rows["customer_id"]])["results"]
    served = pd.DataFrame(
        {
            "churn_probability": [a["churn"]["probability"] for a in answers],
            "expected_value": [a["value"]["expected"] for a in answers],
            "value_upper": [a["value"]["interval"]["upper"] for a in answers],
            "tier": [a["tier"]["code"] for a in answers],
        }
    )
    for column in served:
        assert served[column].tolist() == rows[column].tolist(), column
    assert [a["reasons"] for a in answers] == [json.loads(text) for text in rows["reasons"]]


def test_monitoring_tells_of_moves_and_outcomes_once_dates_have_passed(places, config, scored):
    end = ScoreArchive(places.scores(config.name)).dates()[-1]
    earlier = end - pd.Timedelta(days=config.horizon_days)
    elsewhere = replace(places, artifacts=places.artifacts)
    score.run(config, elsewhere, as_of=earlier)
    found = monitor.run(config, elsewhere)
    assert found.migration is not None
    assert found.measures["rows"] > 100
    assert 0.5 < found.measures["auc"] <= 1
    assert len(found.drift) == len(scored.bundle.catalog.names)


def test_a_challenger_that_is_worse_than_the_baselines_is_refused_and_the_champion_stays(places, config, promoted):
    strict = load_config(CONFIG, (*QUICK, "gate.max_calibration_error=0.0001"))
    verdict = promote.verdict_of(strict, places, number=promoted.version.number)
    assert not verdict.passed
    assert "CALIBRATED" in {condition.code for condition in verdict.failed}


def test_a_champion_of_an_older_format_stops_neither_training_nor_the_next_promotion(places, promoted, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    _, manifest, content = read_checked(promoted.folder, None)
    kept = {name: value for name, value in manifest.items() if name != "files"}
    aged = write_addressed(old, content, {**kept, "format": 0})
    assert in_place(promoted.folder).bundle is not None
    assert in_place(aged) == InPlace(aged.name, None)
    with pytest.raises(OutdatedBundle, match=r"pipelines\.train, pipelines\.promote"):
        load_bundle(aged)


def test_scoring_before_any_promotion_says_what_to_do(places, config, tmp_path):
    with pytest.raises(RegistryError, match=r"pipelines\.train, then python -m pipelines\.promote"):
        score.run(config, replace(places, models=tmp_path))


def test_a_future_column_among_the_attributes_fails_the_run_by_name(places, config, world, tmp_path):
    """What a customer has spent in all, written down after the last day of the data."""
    world.write(tmp_path / "synthetic")
    path = tmp_path / "synthetic" / "customers.parquet"
    spent = world.frames["purchases"].groupby("customer_id")["amount"].sum()
    customers = pd.read_parquet(path)
    customers.assign(spent_in_all=customers["customer_id"].map(spent).fillna(0.0)).to_parquet(path, index=False)
    with pytest.raises(LeakageError, match="attr_spent_in_all"):
        train.run(config, replace(places, data_root=tmp_path))


def test_a_label_copy_among_snapshot_attributes_fails_the_run_by_name(places, world, tmp_path):
    (tmp_path / "synthetic").mkdir()
    snapshots = world.frames["snapshots"].assign(account_state=lambda f: f["label"].map({0: "open", 1: "closed"}))
    snapshots.to_parquet(tmp_path / "synthetic" / "snapshots.parquet", index=False)
    content = {
        "name": "snapshots_only",
        "horizon_days": world.snapshot_horizon_days,
        "churn": {"definition": "label"},
        "cohort": {"rule": "everyone"},
        "tables": {"snapshots": {"path": "synthetic/snapshots.parquet", "time_zone": "UTC"}},
    }
    with pytest.raises(LeakageError, match="attr_account_state"):
        train.run(Config.model_validate(content), replace(places, data_root=tmp_path))


def test_a_run_that_failed_is_closed_and_says_why(places):
    store = open_store(places.tracking_uri, state=places.artifacts)
    assert orphans(store) == ()


def test_a_wrong_path_is_named_with_its_key(places, tmp_path):
    content = read_yaml(Path(CONFIG))
    content["tables"]["visits"]["path"] = "synthetic/visit.parquet"
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(SchemaError, match=r"mine\.yaml: tables\.visits\.path") as caught:
        check_data.run(load_config(path), places)
    assert "visit.parquet" in str(caught.value)


def test_generated_documents_are_current():
    jobs = {job.__name__: job.command for job in docs.JOBS}
    for path, content in generated(jobs).items():
        assert path.read_text(encoding="utf-8") == content, f"{path}: run make docs"
