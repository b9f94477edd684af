"""A bundle's first load happens in a process that may die: ``python -m churn_value.service.trial FOLDER``.

Hashes prove that a bundle is the one promoted, not that it is a good one: it may ask for more memory or time than there
is, or answer its golden rows otherwise on this machine. Whatever goes wrong here costs a child process, bounded in
memory, processor time and patience, and not the worker that is answering callers.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import churn_value
from churn_value.errors import BundleError, ChurnValueError

LONGEST_S = 120.0
CPU_S = 60
MEMORY_BYTES = 8 << 30
NICENESS = 5
REFUSED = 3


def try_in_child(folder: Path, *, longest_s: float = LONGEST_S) -> None:
    """Load a bundle and answer for its golden rows in a child process, and forget it.

    The child is a new interpreter, never a fork: a fork has the locks of threads that it does not have.

    Parameters
    ----------
    folder
        The bundle's folder.
    longest_s
        Longest wait [s].

    Raises
    ------
    BundleError
        With the code of the refusal when the bundle was refused by name; ``TRIAL_FAILED`` when the child died, ran out
        of its bounds, or met an error without a name.
    """
    source = str(Path(churn_value.__file__).parents[1])
    paths = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "churn_value.service.trial", str(folder)]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and a folder we resolved
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=longest_s, check=False
        )
    except subprocess.TimeoutExpired:
        raise _failed(f"no end within {longest_s:.0f} s") from None
    if done.returncode == REFUSED:
        code = done.stdout.decode("ascii", "replace").strip()
        raise BundleError("the bundle was refused when it was tried", code=code)
    if done.returncode:
        raise _failed(f"exit status {done.returncode}")


def _failed(received: str) -> BundleError:
    rule = "a bundle must load in a process of its own before it is served"
    return BundleError(rule, code="TRIAL_FAILED", received=received)


def _bound() -> None:
    """Give up what a trial does not need."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main(folder: str) -> int:
    """Exit status of a trial: 0 loaded, `REFUSED` refused by the code printed."""
    _bound()
    from churn_value.scoring.bundle import load_bundle  # noqa: PLC0415 - parsers are loaded inside the bounds
    from churn_value.service.proof import prove  # noqa: PLC0415

    try:
        prove(load_bundle(Path(folder)), Path(folder))
    except ChurnValueError as error:
        sys.stdout.write(error.code)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
