"""Python's cyclic collector where answers are made in great numbers: they have no cycles, and it would look at each.

By default it looks after every 700 new objects, an answer has some hundred, and each look at the older ones goes over
everything that is loaded: a quarter to a third of the time of scoring a base.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = (100_000, 20, 20)


def collect_rarely() -> None:
    """Leave what is loaded alone for good, and look at new objects now and then; until this process ends."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*RARELY)


@contextmanager
def collecting_rarely() -> Iterator[None]:
    """Look at new objects now and then, while the context lasts."""
    before = gc.get_threshold()
    gc.set_threshold(*RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
