"""Gauss's continued fraction, compiled: as array operations it is some hundred of them, and one row pays for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

import numba
import numpy as np

from churn_value.estimators import FloatArray

BLOCK = 16
P = ParamSpec("P")
R = TypeVar("R")


def _compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Machine code, kept on disk where there is a place to keep it; a division by 0 is infinite, as in numpy."""
    try:
        made = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # a read-only installation and no home: compiled again in each process
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return cast(Callable[P, R], made)


@_compiled
def fraction(b: FloatArray, c: FloatArray, z: FloatArray, terms: int, out: FloatArray) -> None:
    """F(1, b; c; z) by `terms` pairs of the fraction, into `out`; all of shape (n,).

    Rows go in blocks, so that a pair is a few instructions for all of a block; a row's operations and their order are
    the same in any block.
    """
    tail = np.empty(BLOCK)
    for start in range(0, len(z), BLOCK):
        size = min(BLOCK, len(z) - start)
        for row in range(size):
            tail[row] = 0.5 * (1 + np.sqrt(1 - z[start + row]))
        for k in range(terms, 0, -1):
            for row in range(size):
                x, y, at = b[start + row], c[start + row], z[start + row]
                even = 1 - (x + k) * (y + k - 1) / ((y + 2 * k - 1) * (y + 2 * k)) * at / tail[row]
                tail[row] = 1 - k * (y - x + k - 1) / ((y + 2 * k - 2) * (y + 2 * k - 1)) * at / even
        for row in range(size):
            place = start + row
            out[place] = 1 / (1 - b[place] / c[place] * z[place] / tail[row])
