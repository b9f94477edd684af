"""The fitted churn head: a weighted mean of raw log-odds, and the map to a probability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count, islice
from typing import Any, Self

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.calibration import Calibration
from churn_value.estimators.linear.regression import Linear
from churn_value.estimators.silence import Silence
from churn_value.estimators.trees import Trees

Part = Trees | Linear | Silence


@dataclass(frozen=True)
class ChurnHead:
    """P(churn within the horizon).

    Attributes
    ----------
    trees, linear, silence
        The parts: boosters of one setting or of several (see `crossfit`), a regression, and a Pareto/NBD; there is no
        silence where churn is something else, or nothing was bought.
    weights
        Of the parts that are there, in this order; they sum to 1.
    calibration
        Monotone map of the weighted mean to the probability.
    """

    trees: tuple[Trees, ...]
    linear: Linear
    silence: Silence | None
    weights: tuple[float, ...]
    calibration: Calibration

    @property
    def parts(self) -> tuple[Part, ...]:
        """Parts that are there, in the order of their weights."""
        known: tuple[Part, ...] = (*self.trees, self.linear)
        return known if self.silence is None else (*known, self.silence)

    @property
    def texts(self) -> tuple[str, ...]:
        """LightGBM's text of every booster."""
        return tuple(text for trees in self.trees for text in trees.texts)

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Log-odds before calibration, shape (n,)."""
        return self._mean([part.raw(matrix, threads=threads) for part in self.parts])

    def probability(self, raw: FloatArray) -> FloatArray:
        """Calibrated probability of raw log-odds, shape (n,), strictly between 0 and 1."""
        return self.calibration.probability(raw)

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to the raw log-odds, shape (n, k + 1), base last."""
        return self._mean([part.contributions(matrix, threads=threads) for part in self.parts])

    def _mean(self, scores: list[FloatArray]) -> FloatArray:
        # Added one by one: a matrix product may add in another order for one row than for many.
        total = np.zeros(1)
        for weight, score in zip(self.weights, scores, strict=True):
            total = total + weight * score
        return total

    def to_files(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """JSON content, and the boosters' texts by file name."""
        files = {f"churn_{place}.txt": text.encode() for place, text in enumerate(self.texts)}
        content = {
            "rounds": [list(trees.rounds) for trees in self.trees],
            "linear": self.linear.to_json(),
            "silence": None if self.silence is None else self.silence.to_json(),
            "weights": list(self.weights),
            "calibration": self.calibration.to_json(),
        }
        return content, files

    @classmethod
    def from_files(cls, content: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Head that `to_files` described."""
        texts = (files[f"churn_{place}.txt"].decode() for place in count())
        trees = tuple(Trees(tuple(islice(texts, len(rounds))), tuple(rounds)) for rounds in content["rounds"])
        silence = None if content["silence"] is None else Silence.from_json(content["silence"])
        calibration = Calibration.from_json(content["calibration"])
        weights = tuple(float(weight) for weight in content["weights"])
        return cls(trees, Linear.from_json(content["linear"]), silence, weights, calibration)
