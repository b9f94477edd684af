"""A bundle's first load happens in a process that may die: ``python -m churn_value.service.trial FOLDER``.

Hashes prove that a bundle is the one promoted, not that it is a good one: it may ask for more memory or time than there
is, or answer its golden rows otherwise on this machine. Whatever goes wrong here costs a child process, bounded in
memory, processor time and patience, and not the worker that is answering callers.

Libraries and compiled loops take an interpreter seconds to load, a bundle a fraction of one. So ``--known FOLDER``
loads them once, with a bundle that has passed, and tries each further bundle in a fork of itself, asked through its
standard input. It loads them at the lowest priority, since the worker beside it is answering callers, and tries at the
worker's own, since that takes half a second and a promotion waits for it. Its verdict is taken where it names one; for
anything else, and until it is ready, a new interpreter is asked, which shares no lock and no memory with anybody.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from threading import Thread

import churn_value
from churn_value.errors import BundleError, ChurnValueError

LONGEST_S = 120.0
LONGEST_OF_READY_S = 20.0
CPU_S = 60
MEMORY_BYTES = 8 << 30
NICENESS, LOADING_NICENESS = 5, 19
PASSED, REFUSED = 0, 3
FIRST_TO_GO = "1000"
END = b"\0"
Verdict = tuple[int, str]
"""Exit status of a trial, and the code of the refusal where it is `REFUSED`."""


class Trials:
    """Tries bundles, each in a process of its own.

    Parameters
    ----------
    longest_s
        Longest wait for the verdict of a new interpreter [s].
    """

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._ready: subprocess.Popen[bytes] | None = None
        self._gave_up = self._has_loaded = False

    def run(self, folder: Path) -> None:
        """Load a bundle and answer for its golden rows in a child process, and forget it.

        Parameters
        ----------
        folder
            The bundle's folder.

        Raises
        ------
        BundleError
            With the code of the refusal when the bundle was refused by name; ``TRIAL_FAILED`` when the child died, ran
            out of its bounds, or met an error without a name.
        """
        status, code = self._of_ready(folder) or _alone(folder, self._longest_s)
        if status == REFUSED:
            raise BundleError("the bundle was refused when it was tried", code=code)
        if status != PASSED:
            raise _failed(f"exit status {status}")

    def prepare(self, known: Path) -> None:
        """Have an interpreter ready for trials, with everything loaded that a good bundle needs.

        One that died is not replaced before the next trial: there may be no memory for it.

        Parameters
        ----------
        known
            Folder of a bundle that has passed.
        """
        if self._ready is not None and self._ready.poll() is not None:
            self._gave_up = True
            self.close()
        if self._ready is None and not self._gave_up:
            # A group, to be ended together with its fork; in a session of its own its low priority would not count.
            self._ready, self._has_loaded = _interpreter("--known", known, own_group=True), False

    @property
    def is_ready(self) -> bool:
        """Whether an interpreter is there that has loaded everything: its first word is an empty one."""
        if self._ready is not None and not self._has_loaded:
            self._has_loaded = _told(self._ready, 0.0) == b""
        return self._ready is not None and self._has_loaded

    def close(self) -> None:
        """End the interpreter that is ready."""
        if self._ready is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._ready.pid, signal.SIGKILL)
            _reaped(self._ready)
            self._ready = None

    def _of_ready(self, folder: Path) -> Verdict | None:
        """Verdict of the interpreter that is ready, if there is one and it names one."""
        self._gave_up = False
        if self._ready is None or not self.is_ready:
            return None
        told = _asked(self._ready, folder)
        if told is None or told[0] not in {PASSED, REFUSED}:
            self.close()
            return None
        return told


def _interpreter(*arguments: str | Path, own_group: bool = False) -> subprocess.Popen[bytes]:
    source = str(Path(churn_value.__file__).parents[1])
    paths = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(  # noqa: S603 - our own interpreter and a folder we resolved
        [sys.executable, "-m", "churn_value.service.trial", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0 if own_group else None,
    )


def _alone(folder: Path, longest_s: float) -> Verdict:
    """Verdict of a new interpreter, which ends with it."""
    child = _interpreter(folder)
    try:
        told, _ = child.communicate(timeout=longest_s)
    except subprocess.TimeoutExpired:
        raise _failed(f"no end within {longest_s:.0f} s") from None
    finally:
        child.kill()
        _reaped(child)
    return child.returncode, told.decode("ascii", "replace").strip()


def _asked(ready: subprocess.Popen[bytes], folder: Path) -> Verdict | None:
    """Verdict of an interpreter that is ready; None when it gives none in time."""
    assert ready.stdin is not None  # noqa: S101 - a pipe
    try:
        ready.stdin.write(os.fsencode(folder) + END)
        ready.stdin.flush()
    except BrokenPipeError:
        return None
    told = _told(ready, LONGEST_OF_READY_S)
    if told is None:
        return None
    code, _, status = told.decode("ascii", "replace").rpartition(" ")
    return int(status), code


def _told(ready: subprocess.Popen[bytes], longest_s: float) -> bytes | None:
    """The next word of an interpreter, without its end; None when there is none in time."""
    assert ready.stdout is not None  # noqa: S101 - a pipe
    told, until = b"", time.monotonic() + longest_s
    answer = select.poll()
    answer.register(ready.stdout, select.POLLIN)
    while not told.endswith(END):
        if not answer.poll(max(0.0, until - time.monotonic()) * 1e3):
            return None
        part = os.read(ready.stdout.fileno(), 4_096)
        if not part:
            return None
        told += part
    return told.removesuffix(END)


def _reaped(child: subprocess.Popen[bytes]) -> None:
    """Leave neither a process nor a pipe behind."""
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _failed(received: str) -> BundleError:
    rule = "a bundle must load in a process of its own before it is served"
    return BundleError(rule, code="TRIAL_FAILED", received=received)


def _bound() -> None:
    """Give up what a trial does not need; whatever happens to its parent, it ends."""
    signal.alarm(int(LONGEST_S))
    _at_most(resource.RLIMIT_CPU, CPU_S)
    _at_most(resource.RLIMIT_CORE, 0)
    _at_most(resource.RLIMIT_AS, MEMORY_BYTES)


def _at_most(what: int, most: int) -> None:
    """Bound a resource; a bound that is tighter already stays."""
    _, hard = resource.getrlimit(what)
    bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with suppress(ValueError):  # macOS lets nobody bound the address space
        resource.setrlimit(what, (bound, bound))


def tried(folder: Path) -> int:
    """Exit status of a trial in this process; the code of a refusal is printed."""
    _bound()
    from churn_value.scoring.bundle import load_bundle  # noqa: PLC0415 - parsers are loaded inside the bounds
    from churn_value.service.proof import prove  # noqa: PLC0415

    try:
        prove(load_bundle(folder), folder)
    except ChurnValueError as error:
        os.write(sys.stdout.fileno(), error.code.encode())
        return REFUSED
    return PASSED


def _load(known: Path) -> None:
    """Load libraries and compiled loops; in a thread of its own, as its priority cannot be raised again."""
    os.nice(LOADING_NICENESS)
    from churn_value.scoring.bundle import load_bundle  # noqa: PLC0415 - the time this takes is why it is done once
    from churn_value.service.proof import prove  # noqa: PLC0415

    with suppress(ChurnValueError):  # gone since, it is not what is asked about
        prove(load_bundle(known), known)


def ready_for_trials(known: Path) -> None:
    """Try each folder that standard input names, in a fork; ends with the worker's end of the pipe."""
    loading = Thread(target=_load, args=(known,))
    loading.start()
    loading.join()
    os.write(sys.stdout.fileno(), END)
    asked = b""
    while part := os.read(sys.stdin.fileno(), 4_096):
        *folders, asked = (asked + part).split(END)
        for folder in folders:
            status = _in_fork(Path(os.fsdecode(folder)))
            os.write(sys.stdout.fileno(), b" %d%s" % (status, END))


def _in_fork(folder: Path) -> int:
    """Exit status of a trial in a fork of this process, which has one thread of Python's."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = tried(folder)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(arguments: list[str]) -> int:
    """Try one folder, or be ready to."""
    with suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    *known, folder = arguments
    if known:
        ready_for_trials(Path(folder))
        return PASSED
    os.nice(NICENESS)
    return tried(Path(folder))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
