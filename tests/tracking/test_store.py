import subprocess
import sys

import pytest
from mlflow import telemetry

from churn_value.errors import RegistryError
from churn_value.tracking.locks import LockBusy, held, is_held
from churn_value.tracking.store import checked_uri, open_store


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("file:///tmp/mlruns", "TRACKING_FILE_STORE"),
        ("file:mlruns", "TRACKING_FILE_STORE"),
        ("mlruns", "TRACKING_FILE_STORE"),
        ("./mlruns", "TRACKING_FILE_STORE"),
        ("", "TRACKING_FILE_STORE"),
        ("sqlite://", "TRACKING_MEMORY_STORE"),
        ("sqlite:///:memory:", "TRACKING_MEMORY_STORE"),
        ("s3://bucket/runs", "TRACKING_URI"),
    ],
)
def test_a_store_we_do_not_trust_is_refused_by_name(uri, code):
    with pytest.raises(RegistryError) as caught:
        open_store(uri)
    assert caught.value.code == code
    assert "sqlite:///" in str(caught.value)


def test_a_relative_database_is_pinned_to_where_it_was_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checked_uri("sqlite:///runs/mlflow.db") == f"sqlite:///{tmp_path}/runs/mlflow.db"


def test_servers_and_databases_pass():
    for uri in ("http://127.0.0.1:5000", "https://runs.example", "postgresql+psycopg://u@h/db"):
        assert checked_uri(uri) == uri


def test_three_processes_that_open_a_cold_store_at_once_all_succeed(tmp_path):
    code = (
        "import sys; from churn_value.tracking.store import open_store; "
        f"open_store('sqlite:///{tmp_path}/mlflow.db').experiment('acme')"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    results = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    assert [code for _, code in results] == [0, 0, 0], results
    found = open_store(f"sqlite:///{tmp_path}/mlflow.db").client.search_experiments()
    assert sorted(experiment.name for experiment in found) == ["Default", "acme"]


def test_an_experiment_keeps_its_files_beside_the_database(store):
    experiment = store.client.get_experiment(store.experiment("acme"))
    assert experiment.artifact_location == str(store.folder / "mlartifacts" / "acme")
    assert store.experiment("acme") == experiment.experiment_id


def test_a_deleted_experiment_comes_back_instead_of_failing(store):
    number = store.experiment("acme")
    store.client.delete_experiment(number)
    assert store.experiment("acme") == number


def test_telemetry_is_off(store):
    assert telemetry.get_telemetry_client() is None


def test_a_lock_is_held_by_one_and_ends_with_its_block(tmp_path):
    path = tmp_path / "one.lock"
    assert not is_held(path)
    with held(path, wait_s=0):
        assert is_held(path)
        with pytest.raises(LockBusy), held(path, wait_s=0.05):
            pass
    assert not is_held(path)


def test_a_lock_ends_with_its_process_however_it_ends(tmp_path):
    path = tmp_path / "one.lock"
    code = (
        "import sys, time; from pathlib import Path; from churn_value.tracking.locks import held\n"
        f"with held(Path({str(path)!r}), wait_s=0):\n    print('held', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "held\n"
        assert is_held(path)
        process.kill()
    assert not is_held(path)
