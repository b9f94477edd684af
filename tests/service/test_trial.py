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
    assert children() == set()


def children() -> set[int]:
    """Processes of trials that live below this one."""
    command = ["pgrep", "-P", str(os.getpid()), "-f", "churn_value.service.trial"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return {int(pid) for pid in found.stdout.split()}


def made_ready(trials, known):
    """Wait until an interpreter has loaded everything."""
    trials.prepare(known)
    until = time.monotonic() + 60
    while not trials.is_ready and time.monotonic() < until:
        time.sleep(0.05)
    assert trials.is_ready


def test_until_one_is_ready_a_new_interpreter_is_asked_and_it_goes_on_loading(company, trials):
    trials.prepare(company.path)
    loading = children()
    os.kill(min(loading), signal.SIGSTOP)
    assert not trials.is_ready
    assert trials.run(company.path) is None
    assert children() == loading
    os.kill(min(loading), signal.SIGCONT)
    made_ready(trials, company.path)
    assert children() == loading


def test_a_good_bundle_passes_its_trial(company, trials):
    assert trials.run(company.path) is None


def test_an_interpreter_that_is_ready_gives_verdict_after_verdict(company, copied, trials, monkeypatch):
    bad = rewritten(copied.exported(NAME) / company.path.name, CRAFTED["half a booster"])
    with pytest.raises(BundleError) as alone:
        trials.run(bad)
    made_ready(trials, company.path)
    ready = children()
    trials.prepare(company.path)
    monkeypatch.setattr(trial, "_alone", lambda *_: pytest.fail("a new interpreter was asked"))
    for _ in range(3):
        assert trials.run(company.path) is None
        with pytest.raises(BundleError) as refused:
            trials.run(bad)
        assert refused.value.code == alone.value.code == "BUNDLE_INVALID"
    assert children() == ready
    assert len(ready) == 1


def test_where_a_fork_has_no_name_for_it_a_new_interpreter_is_asked(company, copied, trials, monkeypatch):
    bad = rewritten(copied.exported(NAME) / company.path.name, CRAFTED["a reference without thresholds"])
    asked, alone = [], trial._alone
    monkeypatch.setattr(trial, "_alone", lambda *given: asked.append(given) or alone(*given))
    made_ready(trials, company.path)
    with pytest.raises(BundleError) as refused:
        trials.run(bad)
    assert (refused.value.code, refused.value.received) == ("TRIAL_FAILED", "exit status 1")
    assert len(asked) == 1
    assert children() == set()


@pytest.mark.parametrize("hindered", ["stopped", "killed"])
def test_one_that_does_not_answer_is_replaced_after_the_next_trial(company, trials, monkeypatch, hindered):
    monkeypatch.setattr(trial, "LONGEST_OF_READY_S", 1.0)
    made_ready(trials, company.path)
    (ready,) = children()
    os.kill(ready, signal.SIGSTOP if hindered == "stopped" else signal.SIGKILL)
    if hindered == "killed":
        os.waitid(os.P_PID, ready, os.WEXITED | os.WNOWAIT)
        trials.prepare(company.path)
        assert children() == set(), "there may be no memory for another"
    assert trials.run(company.path) is None
    assert children() == set()
    trials.prepare(company.path)
    assert len(children()) == 1


def test_one_that_is_ready_ends_with_its_worker(company):
    worker = f"""
import time
from pathlib import Path
from churn_value.service.trial import Trials
trials = Trials()
trials.prepare(Path({str(company.path)!r}))
print(trials._ready.pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE, text=True) as process:
        ready = int(process.stdout.readline())
        process.kill()
    until = time.monotonic() + 30
    while Path(f"/proc/{ready}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{ready}").exists()


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
    monkeypatch.setattr(trial.signal, "alarm", lambda seconds: bounds.update(alarm=seconds))
    trial._bound()
    assert bounds[trial.resource.RLIMIT_CPU] == trial.CPU_S
    assert bounds[trial.resource.RLIMIT_AS] == trial.MEMORY_BYTES
    assert bounds["alarm"] == trial.LONGEST_S


def test_a_container_that_allows_less_bounds_the_trial_itself(company):
    """To raise a bound is nobody's right: a trial that tried to would refuse every champion."""
    tighter = "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30)); "
    tries = "from churn_value.service.trial import main; sys.exit(main(sys.argv[1:]))"
    found = subprocess.run([sys.executable, "-c", tighter + tries, str(company.path)], check=False)
    assert found.returncode == trial.PASSED


def test_a_system_that_cannot_bound_memory_tries_all_the_same(monkeypatch):
    def refused(*_):
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(trial.resource, "setrlimit", refused)
    monkeypatch.setattr(trial.signal, "alarm", lambda _: None)
    assert trial._bound() is None
