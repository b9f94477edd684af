"""Feature rows as somebody offers them to be scored: a data frame of a batch, or a request's few rows, in one form.

A data frame takes ten microseconds for each column that is looked at, which for one row of a hundred columns is more
than the model takes. So rows become one block of doubles as soon as they come in, and everything after reads the block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import FingerprintMismatch, SchemaError
from churn_value.estimators.feature_rows import FeatureRows, Texts
from churn_value.recommendation.habits import COLUMNS, PREFIX
from churn_value.scoring.quantities import Described, Floats, column
from churn_value.scoring.reference import Reference

Mask = npt.NDArray[np.bool_]
KEYS = ("customer_id", "as_of")
# A value is out of range when it lies further outside than this share of the reference population's whole range.
MARGIN_SHARE = 0.5
FEW_ROWS = 8
HABITS = tuple(PREFIX + name for name in COLUMNS)
HabitTexts = tuple[object, ...]
"""Cells of the columns `HABITS`."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a bundle expects of feature rows, worked out once for all of them.

    Attributes
    ----------
    features
        In the order of the catalog.
    names, places
        Numeric features, and the place of each.
    low, high
        What lies outside of them is out of range, shape (k,).
    null_is_odd
        Numeric features whose meaning of empty is a number, so that a null is a lack, shape (k,).
    seen
        By category feature: texts that the model met, and None.
    known
        Names of all features.
    unread
        Features that the model leaves out and no rule reads: a portrait shows them where they are there, and nothing
        about them makes an answer weaker.
    order
        Place of each feature in the catalog.
    """

    features: tuple[Described, ...]
    names: tuple[str, ...]
    places: Mapping[str, int]
    low: Floats
    high: Floats
    null_is_odd: Mask
    seen: Mapping[str, frozenset[str | None]]
    known: frozenset[str]
    unread: frozenset[str]
    order: Mapping[str, int]

    @classmethod
    def of(
        cls,
        features: Sequence[Described],
        *,
        categories: Mapping[str, Sequence[str]],
        reference: Reference,
        unread: Collection[str] = (),
    ) -> Self:
        """Expectations of a model with these categories and this reference population."""
        numbers = [feature for feature in features if feature.dtype == "number"]
        names = tuple(feature.name for feature in numbers)
        low, high = (
            np.array([reference.ranges.get(name, (-np.inf, np.inf))[end] for name in names], dtype=np.float64)
            for end in (0, 1)
        )
        any_will_do = [name in unread for name in names]
        low[any_will_do], high[any_will_do] = -np.inf, np.inf
        finite = np.isfinite(low)
        margin = np.zeros(len(names))
        margin[finite] = MARGIN_SHARE * (high[finite] - low[finite])
        odd = np.array([one.empty is not None and one.name not in unread for one in numbers], dtype=np.bool_)
        seen = {f.name: frozenset({*categories.get(f.name, ()), None}) for f in features if f.dtype != "number"}
        places = {name: place for place, name in enumerate(names)}
        known = frozenset(feature.name for feature in features)
        order = {feature.name: place for place, feature in enumerate(features)}
        ends = low - margin, high + margin
        return cls(tuple(features), names, places, *ends, odd, seen, known, frozenset(unread), order)


@dataclass(frozen=True, slots=True)
class Offered:
    """Rows as they were offered, in their order.

    Attributes
    ----------
    ids, days
        Customer ids as they came, and dates; None where there is no date.
    there
        Features that were offered at all.
    rows
        All features a bundle expects; those not offered are null, infinite numbers still in it.
    null
        Numeric cells that were null or not offered, shape (n, k); what is nan elsewhere could not be read.
    habits
        Cells of `HABITS`; None where the rows were made without them.
    """

    ids: tuple[object, ...]
    days: tuple[date | None, ...]
    there: frozenset[str]
    rows: FeatureRows
    null: Mask
    habits: tuple[HabitTexts | None, ...]

    def __len__(self) -> int:
        """Rows."""
        return len(self.ids)

    @classmethod
    def of(cls, frame: pd.DataFrame, expected: Expected) -> Self:
        """Rows of a feature table; columns that are not expected are ignored.

        Raises
        ------
        SchemaError
            When the table has no customer_id or as_of.
        FingerprintMismatch
            When the table has none of the features at all.
        """
        there = _columns_of(frame, expected)
        cells, null = _matrix(frame, expected.names)
        nothing = np.full(len(frame), None, dtype=object)
        texts = {name: _texts(frame[name]) if name in there else nothing for name in expected.seen}
        rows = FeatureRows(expected.names, cells, texts, expected.places)
        return cls(tuple(frame["customer_id"].tolist()), _days(frame), there, rows, null, _habits(frame))

    @classmethod
    def one(
        cls,
        customer_id: str,
        day: date,
        cells: Mapping[str, float | str | None],
        expected: Expected,
    ) -> Self:
        """A single row of expected features: numbers, or texts of categories; None or NaN where null."""
        block = np.array([list(map(cells.get, expected.names))], dtype=np.float64)
        texts = {name: np.array([cells.get(name)], dtype=object) for name in expected.seen}
        rows = FeatureRows(expected.names, block, texts, expected.places)
        # Rows that offer everything share one set, so that to compare them costs nothing.
        there = expected.known if len(cells) == len(expected.known) else frozenset(cells)
        return cls((customer_id,), (day,), there, rows, np.isnan(block), (None,))

    @classmethod
    def made(
        cls,
        whose: Sequence[tuple[str, date]],
        cells: tuple[Floats, Mapping[str, Texts]],
        habits: tuple[HabitTexts | None, ...],
        expected: Expected,
    ) -> Self:
        """Rows of all features that are expected, made for (customer_id, as_of) in their order.

        `cells` are numbers in the order of ``expected.names``, shape (n, k), nan is null, and categories by name.
        """
        customers, days = zip(*whose, strict=True)
        rows = FeatureRows(expected.names, *cells, expected.places)
        return cls(customers, days, expected.known, rows, np.isnan(rows.block), habits)

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Rows of several parts that were offered the same features, one part after the other."""
        first = parts[0]
        if len(parts) == 1:
            return first
        texts = {name: np.concatenate([part.rows.texts[name] for part in parts]) for name in first.rows.texts}
        block = np.concatenate([part.rows.block for part in parts])
        rows = FeatureRows(first.rows.names, block, texts, first.rows.places)
        return cls(
            tuple(one for part in parts for one in part.ids),
            tuple(day for part in parts for day in part.days),
            first.there,
            rows,
            np.concatenate([part.null for part in parts]),
            tuple(one for part in parts for one in part.habits),
        )

    def row(self, place: int, customer_id: str | None = None) -> Self:
        """One of the rows, under another id if one is given."""
        rows = self.rows
        own = slice(place, place + 1)
        taken = FeatureRows(
            rows.names, rows.block[own], {name: cells[own] for name, cells in rows.texts.items()}, rows.places
        )
        name = self.ids[place] if customer_id is None else customer_id
        return type(self)((name,), (self.days[place],), self.there, taken, self.null[own], (self.habits[place],))

    def records(self) -> Iterator[dict[str, Any]]:
        """What was offered of each row, by column name: as_of, the features, and habits where there are any."""
        taken, names = _among(self.rows.names, self.there)
        numbers = self.rows.block[:, taken].astype(object)
        numbers[self.null[:, taken]] = None
        texts = {name: cells.tolist() for name, cells in self.rows.texts.items() if name in self.there}
        for row, (day, cells, habits) in enumerate(zip(self.days, numbers.tolist(), self.habits, strict=True)):
            own = {"as_of": day, **dict(zip(names, cells, strict=True))}
            own |= {name: column[row] for name, column in texts.items()}
            yield own if habits is None else own | dict(zip(HABITS, habits, strict=True))


@lru_cache(maxsize=64)
def _among(names: tuple[str, ...], there: frozenset[str]) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Places of the names that are there, and these names."""
    taken = [place for place, name in enumerate(names) if name in there]
    return np.array(taken, dtype=np.int64), tuple(names[place] for place in taken)


def _columns_of(frame: pd.DataFrame, expected: Expected) -> frozenset[str]:
    """Features among the columns, after those columns were asked for without which nothing can be said."""
    columns = frozenset(frame.columns)
    for key in KEYS:
        if key not in columns:
            raise SchemaError(f"features need a column {key}", where="features", received=list(frame.columns)[:5])
    there = columns & expected.known
    if expected.features and not there:
        raise FingerprintMismatch(
            "none of the model's features is a column of the table",
            where="features",
            received=list(frame.columns)[:5],
            remedy="build the features with the catalog of the bundle",
        )
    return there


def _texts(series: pd.Series) -> Texts:
    """Categories as text, None where null."""
    found = series.to_numpy(dtype=object)
    null = np.asarray(pd.isna(found), dtype=np.bool_)
    texts = np.empty(len(found), dtype=object)
    texts[:] = [None if gone else str(text) for text, gone in zip(found, null.tolist(), strict=True)]
    return texts


def _days(frame: pd.DataFrame) -> tuple[date | None, ...]:
    column = frame["as_of"]
    if column.dtype == object:
        cells = column.tolist()
        if all(type(cell) is date for cell in cells):
            return tuple(cells)
    found = pd.to_datetime(column, errors="coerce")
    return tuple(None if pd.isna(day) else day.date() for day in found)


def _habits(frame: pd.DataFrame) -> tuple[HabitTexts | None, ...]:
    if not frozenset(HABITS) <= frozenset(frame.columns):
        return (None,) * len(frame)
    return tuple(zip(*(frame[name].tolist() for name in HABITS), strict=True))


def _doubles(frame: pd.DataFrame, taken: Sequence[int], *, simple: bool) -> Floats:
    """Columns of numbers at some places; `simple` ones are not of pandas' nullable types."""
    if not simple:
        return frame.take(taken, axis=1).to_numpy(np.float64, na_value=np.nan)
    if len(frame) <= FEW_ROWS:  # boxing some cells takes less than choosing among a hundred columns
        return frame.to_numpy(dtype=object)[:, taken].astype(np.float64)
    return frame.take(taken, axis=1).to_numpy(np.float64)


def _matrix(frame: pd.DataFrame, names: Sequence[str]) -> tuple[Floats, Mask]:
    """Cells as float64 of shape (n, k), and where they were null as offered; absent columns are null."""
    cells: Floats = np.full((len(frame), len(names)), np.nan)
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
