"""The boosters of a bundle as each alternative serves them: pandas, LightGBM and shap; a row in, an answer out.

The environment variable ``PEER_FOLDER`` names the folder that `benchmarks.serving` prepared.
"""

from __future__ import annotations

import importlib
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FOLDER = "PEER_FOLDER"
TOP = 5


def folder() -> Path:
    """Where the boosters are."""
    return Path(os.environ[FOLDER])


class Explained:
    """Both heads, read once.

    Parameters
    ----------
    place
        Folder with ``peer.json``: texts of the boosters by head, names of the features in order, categories.
    """

    def __init__(self, place: Path) -> None:
        lightgbm, shap = importlib.import_module("lightgbm"), importlib.import_module("shap")
        told = json.loads((place / "peer.json").read_text())
        self.names: list[str] = told["names"]
        self._codes = {
            name: {text: code for code, text in enumerate(texts)} for name, texts in told["categories"].items()
        }
        self._heads: dict[str, Any] = {}
        for head, texts in told["heads"].items():
            boosters = [lightgbm.Booster(model_str=text) for text in texts]
            self._heads[head] = [(booster, shap.TreeExplainer(booster)) for booster in boosters]

    def answers(self, rows: pd.DataFrame, *, explain: bool) -> list[dict[str, Any]]:
        """Churn probability and relative value of each row, and the five largest contributions to each."""
        matrix = self._matrix(rows)
        found: list[dict[str, Any]] = [{} for _ in range(len(rows))]
        for head, pairs in self._heads.items():
            raw = np.mean([booster.predict(matrix, raw_score=True, num_threads=1) for booster, _ in pairs], axis=0)
            for answer, value in zip(found, raw.tolist(), strict=True):
                answer[head] = 1 / (1 + math.exp(-value)) if head == "churn" else math.exp(value)
            if explain:
                values = np.mean([explainer.shap_values(matrix) for _, explainer in pairs], axis=0)
                for answer, reasons in zip(found, self._reasons(values), strict=True):
                    answer.setdefault("reasons", {})[head] = reasons
        return found

    def _matrix(self, rows: pd.DataFrame) -> Any:
        coded = {name: rows[name].map(codes) for name, codes in self._codes.items()}
        return rows.assign(**coded)[self.names].to_numpy(dtype=np.float64)

    def _reasons(self, values: Any) -> list[list[dict[str, Any]]]:
        order = np.argsort(-np.abs(values), axis=1)[:, :TOP]
        sizes = np.take_along_axis(values, order, axis=1)
        return [
            [{"feature": self.names[place], "contribution": size} for place, size in zip(row, own, strict=True)]
            for row, own in zip(order.tolist(), sizes.tolist(), strict=True)
        ]
