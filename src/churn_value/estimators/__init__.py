"""Two heads, their baselines, and the measures they are judged by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

__all__ = ["FloatArray", "IntArray"]
