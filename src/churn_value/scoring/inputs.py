"""What is checked before anything is scored: row by row, so that one bad row never fails its batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import FingerprintMismatch, SchemaError
from churn_value.scoring.answer import InputWarning, WarningCode
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
    absent = np.ones(len(frame), dtype=np.bool_)
    numbers = _Numbers(frame, [f for f in features if f.dtype == "number"], reference)
    texts: dict[str, npt.NDArray[np.object_]] = {}
    for feature in features:
        if feature.name not in frame.columns:
            found.missing(feature.name, absent)
        elif feature.dtype == "number":
            numbers.report(feature, found)
        if feature.dtype != "number":
            texts[feature.name] = _category(frame, feature.name, categories.get(feature.name, ()), found)
    table = pd.concat([numbers.table(), pd.DataFrame(texts, index=pd.RangeIndex(len(frame)))], axis=1)
    return Inputs(ids, days, table, found.valid, found.partial, tuple(tuple(row) for row in found.rows))


def _category(frame: pd.DataFrame, name: str, seen: Sequence[str], found: _Findings) -> npt.NDArray[np.object_]:
    """Texts of a category feature, null where the table has no such column."""
    if name not in frame.columns:
        return np.full(len(frame), None, dtype=object)
    texts, known = _texts(frame[name]), {*seen, None}
    found.warn("UNSEEN_CATEGORY", name, np.array([text not in known for text in texts], dtype=np.bool_))
    return texts


class _Numbers:
    """Numeric features as one matrix: looked at as a whole, because one row must take milliseconds too."""

    def __init__(self, frame: pd.DataFrame, features: Sequence[Described], reference: Reference) -> None:
        self._names = [feature.name for feature in features]
        self._places = {name: place for place, name in enumerate(self._names)}
        self._cells, self._null = _matrix(frame, self._names)
        low = np.array([reference.ranges.get(name, (-np.inf, np.inf))[0] for name in self._names])
        high = np.array([reference.ranges.get(name, (-np.inf, np.inf))[1] for name in self._names])
        margin = np.where(np.isfinite(low), MARGIN_SHARE * (high - low), 0.0)
        infinite = np.isinf(self._cells)
        self._unreadable: Mask = infinite | (np.isnan(self._cells) & ~self._null)
        self._outside: Mask = ((self._cells < low - margin) | (self._cells > high + margin)) & ~infinite
        self._cells[infinite] = np.nan
        faulty: Mask = self._unreadable | self._null | self._outside
        self._faulty: list[bool] = np.asarray(faulty.any(axis=0)).tolist()

    def report(self, feature: Described, found: _Findings) -> None:
        """Warn of what is wrong with one feature's cells."""
        place = self._places[feature.name]
        if not self._faulty[place]:
            return
        found.invalid(feature.name, self._unreadable[:, place])
        if feature.empty is not None:
            found.missing(feature.name, self._null[:, place])
        found.warn("OUT_OF_RANGE", feature.name, self._outside[:, place])

    def table(self) -> pd.DataFrame:
        """The features as float64, unreadable cells null."""
        return pd.DataFrame(self._cells, columns=self._names)


def _matrix(frame: pd.DataFrame, names: Sequence[str]) -> tuple[npt.NDArray[np.float64], Mask]:
    """Cells as float64 of shape (n, k), and where they were null as offered; absent columns are null."""
    cells: npt.NDArray[np.float64] = np.full((len(frame), len(names)), np.nan)
    null = np.ones(cells.shape, dtype=np.bool_)
    dtypes = dict(zip(frame.columns, frame.dtypes, strict=True))
    plain = [place for place, name in enumerate(names) if getattr(dtypes.get(name), "kind", "O") in "fiub"]
    cells[:, plain] = frame[[names[place] for place in plain]].to_numpy(dtype=np.float64, na_value=np.nan)
    null[:, plain] = np.isnan(cells[:, plain])
    for place in sorted(set(range(len(names))) - set(plain)):
        if names[place] in dtypes:
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
