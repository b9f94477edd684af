"""The fitted value head: a weighted mean of forms on the log scale, and its amounts; `value` fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.btyd_spend import BtydSpend
from churn_value.estimators.trees import Trees

STAYING_FLOOR = 0.01
LARGEST_RAW = 25.0


@dataclass(frozen=True)
class ValuePart:
    """One form of the head: boosters, and the part's weight 0 to 1."""

    form: str
    weight: float
    trees: Trees

    def raw(self, matrix: FloatArray, *, threads: int) -> FloatArray:
        """Raw score of the form, shape (n,)."""
        return self.trees.raw(matrix, threads=threads)


@dataclass(frozen=True)
class ValueHead:
    """Amount in the horizon, and the same given that the customer stays.

    Attributes
    ----------
    parts
        Forms; their weights and that of `spend` sum to 1.
    scale_minor
        Mean amount that raw scores are relative to [minor units].
    factor
        Correction of the total.
    spend
        Expected spending of the literature's models; null where it would weigh next to nothing.
    """

    parts: tuple[ValuePart, ...]
    scale_minor: float
    factor: float
    spend: BtydSpend | None = None

    @property
    def two_part_share(self) -> float:
        """Weight of the forms that are given staying."""
        return sum(part.weight for part in self.parts if part.form != "tweedie")

    @property
    def spend_weight(self) -> float:
        """Weight of `spend`."""
        return 0.0 if self.spend is None else 1.0 - sum(part.weight for part in self.parts)

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Weighted mean of the forms' raw scores, shape (n,): logs of amounts over `scale_minor`."""
        total = np.zeros(len(matrix))
        for part in self.parts:
            total = total + part.weight * part.raw(matrix, threads=threads)
        return total if self.spend is None else total + self.spend_weight * self.spend.raw(matrix)

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to `raw`, shape (n, k + 1), base last."""
        total = np.zeros((len(matrix), matrix.shape[1] + 1))
        for part in self.parts:
            total = total + part.weight * part.trees.contributions(matrix, threads=threads)
        return total if self.spend is None else total + self.spend_weight * self.spend.contributions(matrix)

    def value_if_retained(self, raw: FloatArray, churn_probability: FloatArray) -> FloatArray:
        """E[amount in the horizon, given staying], shape (n,) [minor units], never negative."""
        staying = np.maximum(1 - churn_probability, STAYING_FLOOR)
        amount = self.scale_minor * self.factor * np.exp(np.clip(raw, -LARGEST_RAW, LARGEST_RAW))
        value: FloatArray = amount * staying ** (self.two_part_share - 1)
        return value

    def to_files(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """JSON content, and the boosters' texts by file name."""
        files = {
            f"value_{part.form}_{place}.txt": text.encode()
            for part in self.parts
            for place, text in enumerate(part.trees.texts)
        }
        parts = [{"form": part.form, "weight": part.weight, "rounds": list(part.trees.rounds)} for part in self.parts]
        spend = None if self.spend is None else self.spend.to_json()
        return {"parts": parts, "scale_minor": self.scale_minor, "factor": self.factor, "spend": spend}, files

    @classmethod
    def from_files(cls, content: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Head that `to_files` described."""
        parts = tuple(_part_of(part, files) for part in content["parts"])
        spend = None if content["spend"] is None else BtydSpend.from_json(content["spend"])
        return cls(parts, float(content["scale_minor"]), float(content["factor"]), spend)


def _part_of(content: Mapping[str, Any], files: Mapping[str, bytes]) -> ValuePart:
    form, rounds = str(content["form"]), tuple(content["rounds"])
    texts = tuple(files[f"value_{form}_{place}.txt"].decode() for place in range(len(rounds)))
    return ValuePart(form, float(content["weight"]), Trees(texts, rounds))
