"""A bundle with right hashes may still be a bad one: it dies in a child process, and the service goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crafted_bundles import CRAFTED, rewritten
from served_company import NAME, point

from churn_value.errors import BundleError
from churn_value.service import trial
from churn_value.service.trial import Trials


@pytest.mark.parametrize("name", ["half a booster", "a reference without thresholds"])
def test_a_bundle_with_right_hashes_that_is_bad_is_refused_by_its_trial(company, copied, open_service, name):
    serving, caller = open_service(copied)
    serving.champion.trial = Trials().run
    exported = copied.exported(NAME)
    point(exported, rewritten(exported / company.path.name, CRAFTED[name]), "2")
    serving.refresh()
    ready = caller.get("/readyz").json()
    assert (ready["ready"], ready["version"]) == (True, "1")
    assert ready["faults"][0] in {"TRIAL_FAILED", "BUNDLE_INVALID"}
    answer = caller.post("/v1/score", json={"items": [{"customer_id": "0001"}], "explain": False})
    assert answer.json()["model"]["version"] == "1"


@pytest.fixture
def trials():
    """Ended with the test."""
    one = Trials(30.0)
    yield one
    one.close()


def children() -> set[int]:
    """Processes of trials that live below this one."""
    found = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "churn_value.service.trial"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {int(pid) for pid in found.stdout.split()}


def test_a_good_bundle_passes_its_trial(company, trials):
    assert trials.run(company.path) is None
    assert children() == set()


def test_a_child_that_waits_gives_the_verdict_and_is_gone_after_it(company, trials):
    trials.prepare(company.path)
    (waiting,) = children()
    trials.prepare(company.path)
    assert children() == {waiting}
    assert trials.run(company.path) is None
    assert children() == set()


def test_a_child_that_waits_refuses_as_a_new_one_does(company, copied, trials):
    exported = copied.exported(NAME)
    bad = rewritten(exported / company.path.name, CRAFTED["half a booster"])
    trials.prepare(company.path)
    refusals = []
    for _ in range(2):
        with pytest.raises(BundleError) as refused:
            trials.run(bad)
        refusals.append(refused.value.code)
    assert refusals == ["BUNDLE_INVALID"] * 2


def test_a_child_that_died_waiting_is_replaced_when_a_trial_has_been_asked_for(company, trials):
    trials.prepare(company.path)
    (waiting,) = children()
    os.kill(waiting, signal.SIGKILL)
    os.waitid(os.P_PID, waiting, os.WEXITED | os.WNOWAIT)
    trials.prepare(company.path)
    assert children() == set()
    assert trials.run(company.path) is None
    trials.prepare(company.path)
    assert len(children()) == 1


def test_a_child_that_waits_ends_with_its_worker(company):
    worker = f"""
import time
from pathlib import Path
from churn_value.service.trial import Trials
trials = Trials()
trials.prepare(Path({str(company.path)!r}))
print(trials._waiting.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE, text=True) as process:
        waiting = int(process.stdout.readline())
        process.kill()
    until = time.monotonic() + 30
    while Path(f"/proc/{waiting}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{waiting}").exists()


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
        Trials(1.0 if how == "hangs" else 30.0).run(company.path)
    assert (refused.value.code, refused.value.received) == ("TRIAL_FAILED", received)


def test_a_trial_is_bounded_in_memory_and_processor_time(monkeypatch):
    bounds = {}
    monkeypatch.setattr(trial.resource, "setrlimit", lambda which, limits: bounds.update({which: limits[1]}))
    monkeypatch.setattr(os, "nice", lambda _: 0)
    monkeypatch.setattr(trial.Path, "write_text", lambda *_, **__: 0)
    trial._bound()
    assert bounds[trial.resource.RLIMIT_CPU] == trial.CPU_S
    assert bounds[trial.resource.RLIMIT_AS] == trial.MEMORY_BYTES
