"""A bundle with right hashes may still be a bad one: it dies in a child process, and the service goes on."""

import hashlib
import json
import os
import shutil
import signal

import pytest
from served_company import NAME, point

from churn_value.errors import BundleError
from churn_value.service import trial
from churn_value.service.trial import try_in_child


def rewritten(path, change):
    """A bundle whose files `change` altered and whose manifest was made to agree: every hash is right."""
    draft = path.parent / "draft"
    shutil.copytree(path, draft)
    change(draft)
    manifest = json.loads((draft / "manifest.json").read_bytes())
    for name in manifest["files"]:
        content = (draft / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, indent=1).encode()
    (draft / "manifest.json").write_bytes(text)
    final = path.parent / hashlib.sha256(text).hexdigest()[:16]
    draft.rename(final)
    return final


def model_file(path):
    return next(file for file in sorted((path / "model").iterdir()) if file.suffix == ".txt")


def cut(path):
    """Half a LightGBM text: its parser aborts the process more often than it raises."""
    file = model_file(path)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def other_golden(path):
    file = path / "golden.json"
    content = file.read_text()
    digit = content.rindex("1")
    file.write_text(content[:digit] + "2" + content[digit + 1 :])


@pytest.mark.parametrize("change", [cut, other_golden], ids=lambda change: change.__name__)
def test_a_bundle_with_right_hashes_that_does_not_load_is_refused_by_its_trial(company, copied, open_service, change):
    serving, caller = open_service(copied)
    serving.champion.trial = try_in_child
    exported = copied.exported(NAME)
    point(exported, rewritten(exported / company.path.name, change), "2")
    serving.refresh()
    ready = caller.get("/readyz").json()
    assert (ready["ready"], ready["version"]) == (True, "1")
    assert ready["faults"][0] in {"TRIAL_FAILED", "BUNDLE_INVALID", "GOLDEN_ROWS_DIFFER"}
    answer = caller.post("/v1/score", json={"items": [{"customer_id": "0001"}], "explain": False})
    assert answer.json()["model"]["version"] == "1"


def test_a_good_bundle_passes_its_trial(company):
    assert try_in_child(company.path) is None


@pytest.mark.parametrize(
    ("how", "received"), [("dies", "exit status -11"), ("hangs", "no end within 1 s"), ("fails", "exit status 1")]
)
def test_whatever_happens_to_the_child_is_a_named_refusal(company, monkeypatch, tmp_path, how, received):
    programs = {
        "dies": f"import os; os.kill(os.getpid(), {int(signal.SIGSEGV)})",
        "hangs": "import time; time.sleep(60)",
        "fails": "raise RuntimeError",
    }
    package = tmp_path / "churn_value" / "service"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "trial.py").write_text(programs[how])
    monkeypatch.setattr(trial.churn_value, "__file__", str(tmp_path / "churn_value" / "__init__.py"))
    with pytest.raises(BundleError) as refused:
        try_in_child(company.path, longest_s=1.0 if how == "hangs" else 30.0)
    assert (refused.value.code, refused.value.received) == ("TRIAL_FAILED", received)


def test_a_trial_is_bounded_in_memory_and_processor_time(monkeypatch):
    bounds = {}
    monkeypatch.setattr(trial.resource, "setrlimit", lambda which, limits: bounds.update({which: limits[1]}))
    monkeypatch.setattr(os, "nice", lambda _: 0)
    trial._bound()
    assert bounds[trial.resource.RLIMIT_CPU] == trial.CPU_S
    assert bounds[trial.resource.RLIMIT_AS] == trial.MEMORY_BYTES
