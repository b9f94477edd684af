"""What is checked before anything is scored: row by row, so that one bad row never fails its batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import FingerprintMismatch, SchemaError
from churn_value.scoring.answer import InputWarning
from churn_value.scoring.quantities import Described, column
from churn_value.scoring.reference import Reference

Mask = npt.NDArray[np.bool_]
# A value is out of range when it lies further outside than this share of the reference population's whole range.
MARGIN_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Inputs:
    """Rows as they will be scored, and what was found about them. All in the order of the rows offered."""

    ids: tuple[str | None, ...]
    as_of: tuple[date | None, ...]
    frame: pd.DataFrame
    """The features only, all of them, numbers as float64 and categories as text; unreadable ones are null."""
    valid: Mask
    partial: Mask
    warnings: tuple[tuple[InputWarning, ...], ...]


def _texts(series: pd.Series) -> npt.NDArray[np.object_]:
    """Categories as text, None where null."""
    found = series.to_numpy(dtype=object)
    null = series.isna().to_numpy()
    return np.array([None if gone else str(text) for text, gone in zip(found, null, strict=True)], dtype=object)


def _ids(frame: pd.DataFrame) -> tuple[str | None, ...]:
    """Opaque ids: only texts count, nothing is trimmed or parsed."""
    return tuple(one if isinstance(one, str) and one else None for one in frame["customer_id"].tolist())


def _days(frame: pd.DataFrame) -> tuple[date | None, ...]:
    found = pd.to_datetime(frame["as_of"], errors="coerce")
    return tuple(None if pd.isna(day) else day.date() for day in found)


def checked(
    frame: pd.DataFrame,
    features: Sequence[Described],
    *,
    categories: Mapping[str, Sequence[str]],
    reference: Reference,
    undated: date | None = None,
) -> Inputs:
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
    for key in ("customer_id", "as_of"):
        if key not in frame.columns:
            raise SchemaError(f"features need a column {key}", where="features", received=list(frame.columns)[:5])
    if features and not any(f.name in frame.columns for f in features):
        raise FingerprintMismatch(
            "none of the model's features is a column of the table",
            where="features",
            received=list(frame.columns)[:5],
            remedy="build the features with the catalog of the bundle",
        )
    found = _Findings(len(frame))
    ids, days = _ids(frame), _days(frame)
    found.invalid("customer_id", np.array([one is None for one in ids], dtype=np.bool_))
    found.invalid("as_of", np.array([day is None for day in days], dtype=np.bool_))
    days = tuple(None if day == undated else day for day in days)
    columns: dict[str, npt.NDArray[Any]] = {}
    for feature in features:
        if feature.dtype == "number":
            columns[feature.name] = found.number(frame, feature, reference)
        else:
            columns[feature.name] = found.category(frame, feature, categories.get(feature.name, ()))
    table = pd.DataFrame(columns, index=pd.RangeIndex(len(frame)))
    return Inputs(ids, days, table, found.valid, found.partial, tuple(tuple(row) for row in found.rows))


class _Findings:
    """Collects warnings per row while the columns are read."""

    def __init__(self, rows: int) -> None:
        self.rows: list[list[InputWarning]] = [[] for _ in range(rows)]
        self.valid: Mask = np.ones(rows, dtype=np.bool_)
        self.partial: Mask = np.zeros(rows, dtype=np.bool_)

    def _warn(self, warning: InputWarning, where: Mask) -> None:
        for row in np.flatnonzero(where).tolist():
            self.rows[row].append(warning)

    def invalid(self, field: str, where: Mask) -> None:
        self.valid &= ~where
        self._warn(InputWarning("INVALID_INPUT", field), where)

    def _missing(self, field: str, where: Mask) -> None:
        self.partial |= where
        self._warn(InputWarning("FEATURE_MISSING", field), where)

    def number(self, frame: pd.DataFrame, feature: Described, reference: Reference) -> npt.NDArray[np.float64]:
        name = feature.name
        values = column(frame, name)
        if name not in frame.columns:
            self._missing(name, np.ones(len(frame), dtype=np.bool_))
            return values
        null = frame[name].isna().to_numpy(dtype=np.bool_)
        self.invalid(name, (np.isnan(values) & ~null) | np.isinf(values))
        if feature.empty is not None:
            self._missing(name, null)
        if name in reference.ranges:
            low, high = reference.ranges[name]
            margin = MARGIN_SHARE * (high - low)
            outside = (values < low - margin) | (values > high + margin)
            self._warn(InputWarning("OUT_OF_RANGE", name), outside & np.isfinite(values))
        return np.where(np.isinf(values), np.nan, values)

    def category(self, frame: pd.DataFrame, feature: Described, seen: Sequence[str]) -> npt.NDArray[np.object_]:
        name = feature.name
        if name not in frame.columns:
            self._missing(name, np.ones(len(frame), dtype=np.bool_))
            return np.full(len(frame), None, dtype=object)
        texts = _texts(frame[name])
        known = {*seen, None}
        unseen = np.array([text not in known for text in texts], dtype=np.bool_)
        self._warn(InputWarning("UNSEEN_CATEGORY", name), unseen)
        return texts
