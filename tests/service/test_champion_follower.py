"""The pointer is followed to verified bundles only; whatever else it names, the one in use stays."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from served_company import NAME, point

from churn_value.errors import BundleError
from churn_value.service.champion import POLLS_BETWEEN_RETRIES
from churn_value.service.options import Options
from churn_value.service.serving import Serving

ROOT = Path(__file__).parents[2]

BODY = {"items": [{"customer_id": "0001"}], "explain": False}


def probability(caller):
    response = caller.post("/v1/score", json=BODY)
    return response.json()["model"]["version"], response.json()["results"][0]["churn"]["probability"]


def damaged(path, change):
    """Copy of a bundle with one thing wrong, under a name of its own."""
    other = path.parent / f"{path.name[:-1]}{'0' if path.name[-1] != '0' else '1'}"
    shutil.copytree(path, other)
    change(other)
    return other


def first_model_file(path):
    return next(file for file in sorted((path / "model").iterdir()) if file.suffix == ".txt")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "a flipped bit in a model": lambda path: flip(first_model_file(path)),
    "a truncated model": lambda path: first_model_file(path).write_bytes(first_model_file(path).read_bytes()[:-50]),
    "a missing policy": lambda path: (path / "policy.yaml").unlink(),
    "one file too many": lambda path: (path / "extra.pkl").write_bytes(b"\x80\x04."),
    "a flipped bit in the manifest": lambda path: flip(path / "manifest.json"),
    "a link for a file": lambda path: (
        (path / "policy.yaml").unlink() or (path / "policy.yaml").symlink_to("/etc/passwd")
    ),
    "an empty manifest": lambda path: (path / "manifest.json").write_bytes(b"{}"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_bundle_is_refused_and_the_old_one_serves_on(company, copied, open_service, case):
    serving, caller = open_service(copied)
    before = probability(caller)
    exported = copied.exported(NAME)
    bad = damaged(exported / company.path.name, DAMAGES[case])
    point(exported, bad, "2")
    serving.refresh()
    assert probability(caller) == before == ("1", before[1])
    ready = caller.get("/readyz")
    assert ready.status_code == 200
    assert set(ready.json()["faults"]) & {"BUNDLE_INVALID", "BUNDLE_HASH_MISMATCH"}


POINTERS = {
    "POINTER_INVALID": [
        "",
        "{",
        "[]",
        '{"version": "2"}',
        '{"version": "2", "path": "x", "sha256": "short"}',
        " " * 70_000,
    ],
    "POINTER_OUTSIDE": [
        json.dumps({"version": "2", "path": path, "sha256": "0" * 64})
        for path in ("..", ".", "../../x", "/etc", "a/../..")
    ],
    "POINTER_UNREADABLE": [json.dumps({"version": "2", "path": "nowhere", "sha256": "0" * 64})],
}


@pytest.mark.parametrize(("code", "content"), [(code, one) for code, many in POINTERS.items() for one in many])
def test_a_pointer_that_leads_nowhere_good_changes_nothing(copied, open_service, code, content):
    serving, caller = open_service(copied)
    before = probability(caller)
    (copied.exported(NAME) / "CHAMPION").write_text(content)
    serving.refresh()
    assert probability(caller) == before
    assert caller.get("/readyz").json()["faults"] == [code]


def test_a_pointer_with_another_hash_than_the_manifest_is_refused(company, copied, open_service):
    serving, caller = open_service(copied)
    point(copied.exported(NAME), copied.exported(NAME) / company.path.name, "2", sha256="0" * 64)
    serving.refresh()
    assert caller.get("/readyz").json() == {"ready": True, "version": "1", "faults": ["BUNDLE_HASH_MISMATCH"]}


def test_a_good_pointer_is_followed_and_clears_the_fault(company, copied, open_service):
    serving, caller = open_service(copied)
    exported = copied.exported(NAME)
    (exported / "CHAMPION").write_text("{")
    serving.refresh()
    point(exported, exported / company.path.name, "2")
    serving.refresh()
    assert probability(caller)[0] == "2"
    assert caller.get("/readyz").json()["faults"] == []


def test_a_lost_pointer_keeps_the_model(copied, open_service):
    serving, caller = open_service(copied)
    (copied.exported(NAME) / "CHAMPION").unlink()
    serving.refresh()
    assert probability(caller)[0] == "1"
    assert caller.get("/readyz").json() == {"ready": True, "version": "1", "faults": ["POINTER_UNREADABLE"]}


def test_a_request_that_began_with_a_model_ends_with_it(company, copied, open_service, monkeypatch):
    serving, caller = open_service(copied)
    exported = copied.exported(NAME)

    def swap_then_find(ids):
        point(exported, exported / company.path.name, "2")
        serving.refresh()
        return type(serving.store).find(serving.store, ids)

    monkeypatch.setattr(serving.store, "find", swap_then_find)
    assert probability(caller)[0] == "1"
    assert probability(caller)[0] == "2"


def test_a_refused_bundle_is_tried_again_only_now_and_then(company, copied, open_service, monkeypatch):
    serving, _ = open_service(copied)
    exported = copied.exported(NAME)
    bad = damaged(exported / company.path.name, DAMAGES["a flipped bit in a model"])
    point(exported, bad, "2")
    loads = []
    monkeypatch.setattr("churn_value.service.champion.read_checked", lambda *place: loads.append(place) or fail())
    for _ in range(POLLS_BETWEEN_RETRIES + 1):
        serving.refresh()
    assert len(loads) == 2


def fail():
    raise BundleError("planted", code="BUNDLE_INVALID")


@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, TypeError])
def test_a_bundle_whose_reader_stumbles_does_not_stop_the_follower(company, copied, open_service, monkeypatch, error):
    serving, caller = open_service(copied)

    def stumble(_):
        raise error("planted")

    monkeypatch.setattr("churn_value.service.champion.load_bundle", stumble)
    point(copied.exported(NAME), copied.exported(NAME) / company.path.name, "2")
    serving.refresh()
    assert caller.get("/readyz").json() == {"ready": True, "version": "1", "faults": ["BUNDLE_UNREADABLE"]}


def test_without_a_model_the_service_lives_but_is_not_ready(copied, open_service):
    shutil.rmtree(copied.exported(NAME))
    _, caller = open_service(copied)
    assert caller.get("/livez").status_code == 200
    ready = caller.get("/readyz")
    assert (ready.status_code, ready.json()["ready"], ready.json()["faults"][0]) == (503, False, "NO_MODEL")
    for response in (caller.post("/v1/score", json=BODY), caller.get("/v1/model")):
        assert (response.status_code, response.json()["code"]) == (503, "NO_MODEL")
        assert response.headers["retry-after"] == "1"


def test_the_follower_sees_a_new_champion_by_itself_and_stops(company, copied, open_service):
    serving = Serving(Options(name=NAME, poll_s=0.02), copied)
    serving.start()
    try:
        point(copied.exported(NAME), copied.exported(NAME) / company.path.name, "2")
        deadline = time.monotonic() + 60  # the bundle is first tried by an interpreter of its own
        while serving.champion.current.version != "2" and time.monotonic() < deadline:
            serving._stop.wait(0.02)
        assert serving.champion.current.version == "2"
        assert serving.blockers() == ()
    finally:
        serving.stop()
    assert serving.blockers() == ("STOPPING",)


def test_who_scores_imports_nothing_of_who_fits(company):
    """In a process of its own: other tests of this one may have loaded it."""
    program = """
import sys
from pathlib import Path
import churn_value.service.app
import pipelines.score
from churn_value.scoring.bundle import load_bundle
from churn_value.service.proof import prove
prove(load_bundle(Path(sys.argv[1])), Path(sys.argv[1]))
print(*(name for name in ("mlflow", "lightgbm", "optuna", "sklearn", "matplotlib") if name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program, company.path], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
