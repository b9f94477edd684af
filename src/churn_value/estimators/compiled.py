"""Loops in machine code: where array operations on a single row would each cost more than the row."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from inspect import signature
from typing import ParamSpec, TypeVar, cast

import numba
import numpy as np

from churn_value.estimators import FloatArray

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """Machine code, kept on disk where there is a place to keep it; a division by 0 is infinite, as in numpy."""
    try:
        made = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:  # a read-only installation and no home: compiled again in each process
        made = numba.njit(nogil=True, error_model="numpy")(function)
    return cast(Callable[P, R], made)


def rowwise(formula: Callable[..., float]) -> Callable[..., FloatArray]:
    """A formula of numbers as one of columns, row by row; a number in place of a column holds for all rows.

    A formula reads as it is written down, `if` for a missing number included, and costs a row what a single array
    operation costs. It is compiled when it is first asked; a division by 0 is infinite or nan, without a warning.
    """

    @cache
    def made() -> Callable[..., FloatArray]:
        shape = numba.float64(*[numba.float64] * len(signature(formula).parameters))
        try:
            ufunc = numba.vectorize([shape], nopython=True, cache=True)(formula)  # type: ignore[no-untyped-call]
        except RuntimeError:  # as in `compiled`
            ufunc = numba.vectorize([shape], nopython=True)(formula)  # type: ignore[no-untyped-call]
        return cast(Callable[..., FloatArray], ufunc.ufunc)  # numpy's own: numba's looks at each argument in Python

    @wraps(formula)
    def of_columns(*columns: FloatArray | float) -> FloatArray:
        with np.errstate(all="ignore"):
            return made()(*columns)

    return of_columns
