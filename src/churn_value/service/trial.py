"""A bundle's first load happens in a process that may die: ``python -m churn_value.service.trial [KNOWN]``.

Hashes prove that a bundle is the one promoted, not that it is a good one: it may ask for more memory or time than there
is, or answer its golden rows otherwise on this machine. Whatever goes wrong here costs a child process, bounded in
memory, processor time and patience, and not the worker that is answering callers.

Libraries and compiled loops take a child seconds to load, a bundle a fraction of one. So a child waits ready beside
each worker, and a new champion is met by callers as soon as it is written. The one that waits is what the system ends
first when memory runs out; a trial without it starts its own child and takes longer.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import churn_value
from churn_value.errors import BundleError, ChurnValueError

LONGEST_S = 120.0
CPU_S = 60
MEMORY_BYTES = 8 << 30
NICENESS = 5
REFUSED = 3
FIRST_TO_GO = "1000"


class Trials:
    """Tries bundles, each in a child process of its own.

    A child is a new interpreter, never a fork: a fork has the locks of threads that it does not have.

    Parameters
    ----------
    longest_s
        Longest wait for a verdict [s].
    """

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._waiting: subprocess.Popen[bytes] | None = None
        self._gave_up = False

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
        ready, self._waiting, self._gave_up = self._waiting, None, False
        child = ready if ready is not None and ready.poll() is None else _child(None)
        try:
            told, _ = child.communicate(os.fsencode(folder), timeout=self._longest_s)
        except subprocess.TimeoutExpired:
            raise _failed(f"no end within {self._longest_s:.0f} s") from None
        finally:
            _ended(child)
        if child.returncode == REFUSED:
            code = told.decode("ascii", "replace").strip()
            raise BundleError("the bundle was refused when it was tried", code=code)
        if child.returncode:
            raise _failed(f"exit status {child.returncode}")

    def prepare(self, known: Path) -> None:
        """Have a child wait for the next trial, with everything loaded that a good bundle needs.

        One that died waiting is not replaced before a trial was asked for: there may be no memory for it.

        Parameters
        ----------
        known
            Folder of a bundle that has passed.
        """
        if self._waiting is not None and self._waiting.poll() is not None:
            self._gave_up = True
            self.close()
        if self._waiting is None and not self._gave_up:
            self._waiting = _child(known)

    def close(self) -> None:
        """End the child that waits."""
        if self._waiting is not None:
            _ended(self._waiting)
            self._waiting = None


def _child(known: Path | None) -> subprocess.Popen[bytes]:
    source = str(Path(churn_value.__file__).parents[1])
    paths = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "churn_value.service.trial", *([str(known)] if known else [])]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and a folder we resolved
        command,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _ended(child: subprocess.Popen[bytes]) -> None:
    """Leave neither a process nor a pipe behind."""
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.close()


def _failed(received: str) -> BundleError:
    rule = "a bundle must load in a process of its own before it is served"
    return BundleError(rule, code="TRIAL_FAILED", received=received)


def _bound() -> None:
    """Give up what a trial does not need."""
    os.nice(NICENESS)
    with suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_GO, encoding="ascii")
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main(known: str | None) -> int:
    """Exit status of a trial: 0 loaded or not asked, `REFUSED` refused by the code printed."""
    _bound()
    from churn_value.scoring.bundle import load_bundle  # noqa: PLC0415 - parsers are loaded inside the bounds
    from churn_value.service.proof import prove  # noqa: PLC0415

    if known is not None:
        with suppress(ChurnValueError):  # gone since, it is not what is asked about
            prove(load_bundle(Path(known)), Path(known))
    folder = os.fsdecode(sys.stdin.buffer.read())  # ends with the worker's pipe, so no child outlives its worker
    try:
        if folder:
            prove(load_bundle(Path(folder)), Path(folder))
    except ChurnValueError as error:
        sys.stdout.write(error.code)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
