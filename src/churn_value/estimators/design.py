"""From named features to the numbers a booster sees, the same at fit and at score, one row or a million."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import FingerprintMismatch
from churn_value.estimators import FloatArray
from churn_value.estimators.feature_rows import FeatureRows

MOST_CATEGORIES = 200
Places = npt.NDArray[np.int64]


class FeatureLike(Protocol):
    """What the design needs to know of a feature."""

    @property
    def name(self) -> str:
        """Column of the frame."""
        ...

    @property
    def dtype(self) -> str:
        """``number`` or ``category``."""
        ...


class CatalogLike(Protocol):
    """An ordered list of features."""

    @property
    def features(self) -> Sequence[FeatureLike]:
        """In the order of the columns."""
        ...


def _texts(column: pd.Series) -> pd.Series:
    """Values as text, missing ones kept missing."""
    return column.astype(object).where(column.notna(), None)


def _known_categories(column: pd.Series) -> tuple[str, ...]:
    """The most frequent texts of a column (at most 200), in alphabetical order."""
    counts = _texts(column).dropna().map(str).value_counts()
    ranked = sorted(counts.items(), key=lambda item: (-int(item[1]), str(item[0])))
    return tuple(sorted(str(text) for text, _ in ranked[:MOST_CATEGORIES]))


@dataclass(frozen=True)
class Design:
    """Order of the features and the categories known at fit.

    Attributes
    ----------
    names
        Features in the order of the matrix's columns.
    categories
        Category features: their known texts; a text's place is its code.
    """

    names: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, frame: pd.DataFrame, catalog: CatalogLike) -> Self:
        """Design of a catalog's features, with the categories seen in `frame`.

        Raises
        ------
        FingerprintMismatch
            When a feature of the catalog is not a column of the frame.
        """
        names = tuple(feature.name for feature in catalog.features)
        _refuse_missing(names, frame)
        texts = [feature.name for feature in catalog.features if feature.dtype == "category"]
        return cls(names, {name: _known_categories(frame[name]) for name in texts})

    @property
    def category_places(self) -> tuple[int, ...]:
        """Columns of the matrix that hold codes."""
        return tuple(place for place, name in enumerate(self.names) if name in self.categories)

    def matrix(self, frame: pd.DataFrame | FeatureRows) -> FloatArray:
        """Numbers of the features of some rows.

        Parameters
        ----------
        frame
            Any rows, with a column for each name; other columns are ignored.

        Returns
        -------
        ndarray of shape (n, k)
            Missing, infinite and never-seen category values are ``nan``.

        Raises
        ------
        FingerprintMismatch
            When a feature is not a column of the frame.
        """
        if isinstance(frame, FeatureRows):
            return self._of_rows(frame)
        _refuse_missing(self.names, frame)
        matrix = np.full((len(frame), len(self.names)), np.nan)
        # Doubles as one block: column by column, pandas takes 10 ms for a hundred columns of one row.
        plain = frame.select_dtypes(np.float64)
        found = plain.columns.get_indexer(pd.Index(self.names))
        block = plain.to_numpy()
        for place, name in enumerate(self.names):
            if found[place] < 0 or name in self.categories:
                matrix[:, place] = self._column(name, frame[name])
            else:
                matrix[:, place] = block[:, found[place]]
        matrix[~np.isfinite(matrix)] = np.nan
        return matrix

    def _of_rows(self, rows: FeatureRows) -> FloatArray:
        """Matrix of rows that are a block already."""
        taken, others = self._taken(rows)
        matrix: FloatArray = rows.block[:, taken] if rows.names else np.empty((len(rows), len(self.names)))
        for place in others:
            matrix[:, place] = self._coded(self.names[place], rows)
        matrix[~np.isfinite(matrix)] = np.nan
        return matrix

    def _taken(self, rows: FeatureRows) -> tuple[Places, tuple[int, ...]]:
        """Place in the block of each column, and the columns that are made from texts; kept for rows of one kind."""
        kept = self._blocks.get(rows.names)
        if kept is None:
            _refuse_missing(self.names, rows)
            found = [-1 if name in self.categories else rows.places.get(name, -1) for name in self.names]
            kept = np.maximum(found, 0), tuple(place for place, at in enumerate(found) if at < 0)
            self._blocks[rows.names] = kept
        return kept

    @cached_property
    def _blocks(self) -> dict[tuple[str, ...], tuple[Places, tuple[int, ...]]]:
        return {}

    @cached_property
    def _codes(self) -> Mapping[str, Mapping[str, float]]:
        return {name: {text: float(code) for code, text in enumerate(found)} for name, found in self.categories.items()}

    def _coded(self, name: str, rows: FeatureRows) -> list[float]:
        codes = self._codes.get(name)
        if codes is None or name not in rows.texts:
            return list(self._column(name, rows.cells(name)))
        return [codes.get(text, np.nan) for text in rows.texts[name].tolist()]

    def _column(self, name: str, column: pd.Series | npt.NDArray[Any]) -> FloatArray:
        if name not in self.categories:
            numbers: FloatArray = pd.to_numeric(pd.Series(column)).to_numpy(dtype=np.float64, na_value=np.nan)
            return numbers
        codes = self._codes[name]
        cells = np.asarray(column, dtype=object)
        known = ~np.asarray(pd.isna(cells), dtype=np.bool_)
        return np.asarray(
            [codes.get(str(cell), np.nan) if is_known else np.nan for cell, is_known in zip(cells, known, strict=True)],
            dtype=np.float64,
        )

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return {"names": list(self.names), "categories": {name: list(texts) for name, texts in self.categories.items()}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Design that `to_json` described."""
        categories = {str(name): tuple(texts) for name, texts in content["categories"].items()}
        return cls(tuple(content["names"]), categories)


def _refuse_missing(names: Sequence[str], frame: pd.DataFrame | FeatureRows) -> None:
    there = frame.columns
    missing = [name for name in names if name not in there]
    if missing:
        raise FingerprintMismatch(
            "every feature the model was fitted on must be a column of the frame",
            where="features",
            received=f"{len(missing)} missing, the first {missing[:3]}",
            remedy="build the features with the catalog of the model's bundle",
        )
