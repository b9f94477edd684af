"""A bundle with right hashes may still be a bad one: it dies in a child process, and the service goes on."""

import os
import signal

import pytest
from crafted_bundles import CRAFTED, rewritten
from served_company import NAME, point

from churn_value.errors import BundleError
from churn_value.service import trial
from churn_value.service.trial import try_in_child


@pytest.mark.parametrize("name", ["half a booster", "a reference without thresholds"])
def test_a_bundle_with_right_hashes_that_is_bad_is_refused_by_its_trial(company, copied, open_service, name):
    serving, caller = open_service(copied)
    serving.champion.trial = try_in_child
    exported = copied.exported(NAME)
    point(exported, rewritten(exported / company.path.name, CRAFTED[name]), "2")
    serving.refresh()
    ready = caller.get("/readyz").json()
    assert (ready["ready"], ready["version"]) == (True, "1")
    assert ready["faults"][0] in {"TRIAL_FAILED", "BUNDLE_INVALID"}
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
