"""Servers that tests have started end with the tests, even when pytest itself is killed.

A server runs in a session of its own and would outlive a pytest that is killed. Whatever the tests start inherits a
mark in its environment. A watcher holds the reading end of a pipe whose writing end only the tests hold: when that
closes, however it closes, the watcher kills what bears the mark. What is being started at that moment may not be listed
yet, or show no environment while it is replaced, so it looks until there was nothing three times in a row.
"""

import os
import subprocess
import sys
import uuid
from contextlib import contextmanager

MARK = "CHURN_VALUE_TEST_RUN"
WATCHER = """
import os, sys, time, psutil
def killed():
    count = 0
    for process in psutil.process_iter():
        try:
            if process.environ().get(sys.argv[1]) == sys.argv[2] and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                count += 1
        except psutil.Error:
            pass
    return count
sys.stdin.read()
clean = 0
while clean < 3:
    clean = 0 if killed() else clean + 1
    time.sleep(0.05)
"""


@contextmanager
def ended_with_us():
    """While the context lasts, whatever is started bears a mark; when it or this process ends, what is left is killed.

    Yields
    ------
    str
        The mark.
    """
    mark = uuid.uuid4().hex
    watcher = subprocess.Popen([sys.executable, "-c", WATCHER, MARK, mark], stdin=subprocess.PIPE)
    before = os.environ.get(MARK)
    os.environ[MARK] = mark
    try:
        yield mark
    finally:
        if before is None:
            del os.environ[MARK]
        else:
            os.environ[MARK] = before
        watcher.communicate()
