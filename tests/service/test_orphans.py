"""A killed pytest leaves no server behind."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from orphans import ended_with_us

SLEEPER = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
time.sleep(120)
"""
HOLDER = f"""
import subprocess, sys, time
from orphans import ended_with_us
with ended_with_us() as mark:
    subprocess.Popen([sys.executable, "-c", {SLEEPER!r}], start_new_session=True)
    print(mark, flush=True)
    if sys.argv[1] == "sleep":
        time.sleep(120)
"""


def marked(mark):
    """Processes that bear a mark."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("CHURN_VALUE_TEST_RUN") == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
    return found


def until(count, mark):
    """Wait until as many processes bear the mark; what they are at last."""
    ends = time.monotonic() + 20
    while len(found := marked(mark)) != count and time.monotonic() < ends:
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_what_was_started_and_what_that_started_ends_with_whoever_started_it(how):
    folder = str(Path(__file__).parent)
    variables = {name: value for name, value in os.environ.items() if name != "CHURN_VALUE_TEST_RUN"}
    command = [sys.executable, "-c", HOLDER, "sleep" if how == "killed" else "end"]
    with subprocess.Popen(
        command, env={**variables, "PYTHONPATH": folder}, stdout=subprocess.PIPE, text=True
    ) as holder:
        mark = holder.stdout.readline().strip()
        if how == "killed":
            assert len(until(2, mark)) == 2
            os.kill(holder.pid, signal.SIGKILL)
    assert until(0, mark) == []


def test_the_mark_of_an_outer_run_comes_back(monkeypatch):
    monkeypatch.setenv("CHURN_VALUE_TEST_RUN", "outer")
    with ended_with_us() as mark:
        assert os.environ["CHURN_VALUE_TEST_RUN"] == mark != "outer"
    assert os.environ["CHURN_VALUE_TEST_RUN"] == "outer"
