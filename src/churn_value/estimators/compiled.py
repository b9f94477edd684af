"""Loops in machine code: where array operations on a single row would each cost more than the row."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Machine code, kept on disk where there is a place to keep it; a division by 0 is infinite, as in numpy."""
    try:
        made = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # a read-only installation and no home: compiled again in each process
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return cast(Callable[P, R], made)
