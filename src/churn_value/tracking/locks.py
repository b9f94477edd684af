"""File locks that end with their process, however it ends.

The kernel releases an ``flock`` when the holder dies, also by ``kill -9``, so a lock that is held proves a living
holder: no stale locks, no guesses from process ids.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POLL_S = 0.02


class LockBusy(Exception):  # noqa: N818 - says what it is; callers turn it into their own named error
    """Another process holds the lock."""


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def held(path: Path, *, wait_s: float) -> Iterator[None]:
    """Exclusive hold of the lock file `path` while the block runs.

    Parameters
    ----------
    path
        File to lock; created when absent and never removed, since removing a locked file lets two holders in.
    wait_s
        Longest wait in seconds; 0 tries once.

    Raises
    ------
    LockBusy
        When another process still holds it after `wait_s`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        deadline = time.monotonic() + wait_s
        while not _taken(descriptor):
            if time.monotonic() >= deadline:
                raise LockBusy(str(path))
            time.sleep(POLL_S)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock file `path`; a file that is absent is not held."""
    if not path.exists():
        return False
    try:
        with held(path, wait_s=0):
            return False
    except LockBusy:
        return True
