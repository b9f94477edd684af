"""A Bento holds all it needs: it is built, carried elsewhere, and answers there with its own files only."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from served_company import NAME

from churn_value.errors import BundleError
from churn_value.service import packed
from churn_value.service.client import Client
from churn_value.service.serve import LOCAL, free_port, readiness, stop

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "runtime.txt"


def test_what_is_packed_is_served_unless_the_environment_names_another_place(company, tmp_path, monkeypatch):
    packed.stage(tmp_path, NAME, company.settings, REQUIREMENTS)
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["artifacts", "bentofile.yaml", "churn_value", "models", "requirements.txt"]
    assert not list(tmp_path.rglob("__pycache__"))
    monkeypatch.setattr(packed.churn_value, "__file__", str(tmp_path / "churn_value" / "__init__.py"))
    for name in ("CHURN_VALUE_MODELS", "CHURN_VALUE_ARTIFACTS", "CHURN_VALUE_SERVICE_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert packed.settings_here().models == tmp_path / "models"
    assert packed.settings_here().scored_features(NAME).exists()
    assert packed.options_here().name == NAME
    monkeypatch.setenv("CHURN_VALUE_MODELS", "elsewhere")
    monkeypatch.setenv("CHURN_VALUE_SERVICE_NAME", "other_shop")
    assert packed.settings_here().models == Path("elsewhere")
    assert packed.options_here().name == "other_shop"


def test_a_damaged_champion_is_not_packed(copied, company, tmp_path_factory):
    (copied.exported(NAME) / company.path.name / "policy.yaml").write_text("tampered: yes")
    with pytest.raises(BundleError):
        packed.stage(tmp_path_factory.mktemp("stage"), NAME, copied, REQUIREMENTS)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_bento_starts_elsewhere_and_answers_from_its_own_files(company, tmp_path, monkeypatch):
    monkeypatch.setenv("BENTOML_HOME", str(tmp_path / "store"))
    tag = packed.build(NAME, company.settings, REQUIREMENTS)
    built = tmp_path / "store" / "bentos" / tag.replace(":", "/")
    carried = tmp_path / "carried"
    shutil.copytree(built, carried)
    shutil.rmtree(tmp_path / "store")
    with (carried / "src" / "churn_value" / "__init__.py").open("a") as file:
        file.write('__version__ += "+carried"\n')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    hidden = ("PYTHONPATH", "CHURN_VALUE_MODELS", "CHURN_VALUE_ARTIFACTS", "CHURN_VALUE_SERVICE_NAME")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    variables |= {"BENTOML_HOME": str(tmp_path / "home"), "PYTHONSAFEPATH": "1", "BENTOML_DO_NOT_TRACK": "True"}
    port = free_port()
    command = [sys.executable, "-m", "bentoml", "serve", str(carried), "--host", LOCAL, "--port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=elsewhere, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        ends = time.monotonic() + 90
        while readiness(port)[0] != 200 and time.monotonic() < ends:
            time.sleep(0.2)
        with Client(f"http://{LOCAL}:{port}") as client:
            (result,) = client.score([{"customer_id": "0001"}])["results"]
        package = httpx.get(f"http://{LOCAL}:{port}/v2").json()["version"]
        tables = {one.path for one in open_files(process) if one.path.endswith("features.parquet")}
    finally:
        stop(process)
    assert result["status"] == "ok", (tmp_path / "log").read_text()
    assert package.endswith("+carried"), "the package is the Bento's own, not the one installed here"
    assert tables == {str(carried.resolve() / "src" / "artifacts" / NAME / "features.parquet")}


def open_files(process):
    """Files that the workers of a service hold open."""
    return [one for child in psutil.Process(process.pid).children(recursive=True) for one in child.open_files()]
