"""What is checked before anything is scored: row by row, so that one bad row never fails its batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import FingerprintMismatch, SchemaError
from churn_value.estimators.feature_rows import FeatureRows
from churn_value.scoring.answer import InputWarning, WarningCode
from churn_value.scoring.quantities import Described, column
from churn_value.scoring.reference import Reference

Mask = npt.NDArray[np.bool_]
# A value is out of range when it lies further outside than this share of the reference population's whole range.
MARGIN_SHARE = 0.5
FEW_ROWS = 8


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows as they will be scored, and what was found about them. All in the order of the rows offered."""

    ids: tuple[str | None, ...]
    as_of: tuple[date | None, ...]
    rows: FeatureRows
    """The features only, all of them; unreadable ones are null."""
    valid: Mask
    partial: Mask
    warnings: tuple[tuple[InputWarning, ...], ...]


def _texts(series: pd.Series) -> npt.NDArray[np.object_]:
    """Categories as text, None where null."""
    found = series.to_numpy(dtype=object)
    null = np.asarray(pd.isna(found), dtype=np.bool_)
    texts = np.empty(len(found), dtype=object)
    texts[:] = [None if gone else str(text) for text, gone in zip(found, null.tolist(), strict=True)]
    return texts


def _ids(frame: pd.DataFrame) -> tuple[str | None, ...]:
    """Opaque ids: only texts count, nothing is trimmed or parsed."""
    return tuple(one if isinstance(one, str) and one else None for one in frame["customer_id"].tolist())


def _days(frame: pd.DataFrame) -> tuple[date | None, ...]:
    column = frame["as_of"]
    if column.dtype == object:
        cells = column.tolist()
        if all(type(cell) is date for cell in cells):
            return tuple(cells)
    found = pd.to_datetime(column, errors="coerce")
    return tuple(None if pd.isna(day) else day.date() for day in found)


@dataclass(frozen=True, slots=True)
class Expected:
    """What a bundle expects of a feature table, worked out once for all tables.

    Attributes
    ----------
    features
        In the order of the catalog.
    names, places
        Numeric features, and the place of each.
    low, high
        What lies outside of them is out of range, shape (k,).
    seen
        By category feature: texts that the model met, and None.
    """

    features: tuple[Described, ...]
    names: tuple[str, ...]
    places: Mapping[str, int]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]
    seen: Mapping[str, frozenset[str | None]]

    @classmethod
    def of(
        cls, features: Sequence[Described], *, categories: Mapping[str, Sequence[str]], reference: Reference
    ) -> Self:
        """Expectations of a model with these categories and this reference population."""
        names = tuple(feature.name for feature in features if feature.dtype == "number")
        low, high = (
            np.array([reference.ranges.get(name, (-np.inf, np.inf))[end] for name in names], dtype=np.float64)
            for end in (0, 1)
        )
        known = np.isfinite(low)
        margin = np.zeros(len(names))
        margin[known] = MARGIN_SHARE * (high[known] - low[known])
        seen = {f.name: frozenset({*categories.get(f.name, ()), None}) for f in features if f.dtype != "number"}
        places = {name: place for place, name in enumerate(names)}
        return cls(tuple(features), names, places, low - margin, high + margin, seen)


def checked(frame: pd.DataFrame, expected: Expected, *, undated: date | None = None) -> Inputs:
    """Look at each row of a feature table; an as_of of `undated` means that the row has none, rightly.

    ``FEATURE_MISSING``: the table lacks the feature, or it is null although its meaning of empty is a number.
    ``UNSEEN_CATEGORY``: a text that the model never met; it is read as missing. ``OUT_OF_RANGE``: further outside the
    reference population's range than half of that range. ``INVALID_INPUT``: no id, no as_of, an infinite number, or a
    text where a number belongs; such a row gets no scores.

    Raises
    ------
    SchemaError
        When the table has no customer_id or as_of.
    FingerprintMismatch
        When the table has none of the features at all.
    """
    there = _columns_of(frame, expected)
    found = _Findings(len(frame))
    ids, days = _ids(frame), _days(frame)
    found.invalid("customer_id", np.array([one is None for one in ids], dtype=np.bool_))
    found.invalid("as_of", np.array([day is None for day in days], dtype=np.bool_))
    days = tuple(None if day == undated else day for day in days)
    absent = np.ones(len(frame), dtype=np.bool_)
    numbers = _Numbers(frame, expected)
    texts: dict[str, npt.NDArray[np.object_]] = {}
    for feature in expected.features:
        name = feature.name
        if name not in there:
            found.missing(name, absent)
        elif name in expected.places:
            numbers.report(feature, found)
        if name in expected.seen:
            texts[name] = _category(frame, name, expected.seen[name], found)
    rows = FeatureRows(expected.names, numbers.cells, texts, expected.places)
    return Inputs(ids, days, rows, found.valid, found.partial, tuple(tuple(row) for row in found.rows))


def _columns_of(frame: pd.DataFrame, expected: Expected) -> frozenset[str]:
    """Columns of the table, after those were asked for without which nothing can be said."""
    there = frozenset(frame.columns)
    for key in ("customer_id", "as_of"):
        if key not in there:
            raise SchemaError(f"features need a column {key}", where="features", received=list(frame.columns)[:5])
    if expected.features and there.isdisjoint(feature.name for feature in expected.features):
        raise FingerprintMismatch(
            "none of the model's features is a column of the table",
            where="features",
            received=list(frame.columns)[:5],
            remedy="build the features with the catalog of the bundle",
        )
    return there


def _category(frame: pd.DataFrame, name: str, seen: frozenset[str | None], found: _Findings) -> npt.NDArray[np.object_]:
    """Texts of a category feature, null where the table has no such column."""
    if name not in frame.columns:
        return np.full(len(frame), None, dtype=object)
    texts = _texts(frame[name])
    found.warn("UNSEEN_CATEGORY", name, np.array([text not in seen for text in texts], dtype=np.bool_))
    return texts


class _Numbers:
    """Numeric features as one matrix: looked at as a whole, because one row must take milliseconds too."""

    def __init__(self, frame: pd.DataFrame, expected: Expected) -> None:
        self._places = expected.places
        self.cells, self._null = _matrix(frame, expected.names)
        infinite = np.isinf(self.cells)
        self._unreadable: Mask = infinite | (np.isnan(self.cells) & ~self._null)
        self._outside: Mask = ((self.cells < expected.low) | (self.cells > expected.high)) & ~infinite
        self.cells[infinite] = np.nan
        masks = (self._unreadable, self._null, self._outside)
        self._met: list[list[bool]] = [np.asarray(mask.any(axis=0)).tolist() for mask in masks]

    def report(self, feature: Described, found: _Findings) -> None:
        """Warn of what is wrong with one feature's cells."""
        place = self._places[feature.name]
        unreadable, null, outside = (met[place] for met in self._met)
        if unreadable:
            found.invalid(feature.name, self._unreadable[:, place])
        if null and feature.empty is not None:
            found.missing(feature.name, self._null[:, place])
        if outside:
            found.warn("OUT_OF_RANGE", feature.name, self._outside[:, place])


def _doubles(frame: pd.DataFrame, taken: Sequence[int], *, simple: bool) -> npt.NDArray[np.float64]:
    """Columns of numbers at some places; `simple` ones are not of pandas' nullable types."""
    if not simple:
        return frame.take(taken, axis=1).to_numpy(np.float64, na_value=np.nan)
    if len(frame) <= FEW_ROWS:  # boxing some cells takes less than choosing among a hundred columns
        return frame.to_numpy(dtype=object)[:, taken].astype(np.float64)
    return frame.take(taken, axis=1).to_numpy(np.float64)


def _matrix(frame: pd.DataFrame, names: Sequence[str]) -> tuple[npt.NDArray[np.float64], Mask]:
    """Cells as float64 of shape (n, k), and where they were null as offered; absent columns are null."""
    cells: npt.NDArray[np.float64] = np.full((len(frame), len(names)), np.nan)
    null = np.ones(cells.shape, dtype=np.bool_)
    dtypes = frame.dtypes.tolist()
    kinds = [getattr(dtype, "kind", "O") for dtype in dtypes]
    at = {name: place for place, name in enumerate(frame.columns.tolist())}
    found = [(place, at[name]) for place, name in enumerate(names) if name in at]
    plain = [place for place, column_at in found if kinds[column_at] in "fiub"]
    taken = [column_at for _, column_at in found if kinds[column_at] in "fiub"]
    cells[:, plain] = _doubles(frame, taken, simple=all(isinstance(dtypes[place], np.dtype) for place in taken))
    null[:, plain] = np.isnan(cells[:, plain])
    for place in (place for place, column_at in found if kinds[column_at] not in "fiub"):
        cells[:, place] = column(frame, names[place])
        null[:, place] = frame[names[place]].isna()
    return cells, null


class _Findings:
    """Collects warnings per row while the columns are read."""

    def __init__(self, rows: int) -> None:
        self.rows: list[list[InputWarning]] = [[] for _ in range(rows)]
        self.valid: Mask = np.ones(rows, dtype=np.bool_)
        self.partial: Mask = np.zeros(rows, dtype=np.bool_)

    def warn(self, code: WarningCode, field: str, where: Mask) -> None:
        """Add a warning to the rows of `where`."""
        warning = InputWarning(code, field)
        for row in np.flatnonzero(where).tolist():
            self.rows[row].append(warning)

    def invalid(self, field: str, where: Mask) -> None:
        """Rows that cannot be scored."""
        self.valid &= ~where
        self.warn("INVALID_INPUT", field, where)

    def missing(self, field: str, where: Mask) -> None:
        """Rows that lack a feature."""
        self.partial |= where
        self.warn("FEATURE_MISSING", field, where)
