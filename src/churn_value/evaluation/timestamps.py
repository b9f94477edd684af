"""Dates written among the attributes: recognised in texts, numbers and stamps, and held against as_of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from churn_value.evaluation.leakage import FeatureLike, Finding, is_attribute

# A text of a category is taken for a date when nearly all of them read as one in the same way.
FORMATS = ("ISO8601", "%Y/%m/%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y")
DATE_LIKE = r"^\s*\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
MOSTLY = 0.9
COMPACT_YEARS = (1900, 2100)


def dates_after(frame: pd.DataFrame, features: Sequence[FeatureLike]) -> tuple[Finding, ...]:
    """Attributes that hold dates on or after their row's as_of, with the share of rows that do; the worst first.

    Parameters
    ----------
    frame
        ``as_of`` and the features' columns.
    features
        Only those of customers and snapshots are looked at: features from events are amounts and counts.
    """
    as_of = pd.to_datetime(frame["as_of"]).dt.tz_localize(None)
    found = []
    for feature in features:
        days = read_days(frame[feature.name]) if is_attribute(feature) else None
        if days is not None:
            share = float((days >= as_of).mean())
            found += [Finding(feature.name, share)] if share > 0 else []
    return tuple(sorted(found, key=lambda finding: (-finding.score, finding.column)))


def read_days(column: pd.Series) -> pd.Series | None:
    """Column as naive UTC stamps, null where none; None when its values are not dates."""
    if pd.api.types.is_datetime64_any_dtype(column):
        return _naive(column)
    if pd.api.types.is_numeric_dtype(column):
        return _compact(column)
    texts = column.astype(object)
    known = pd.Series(texts.dropna().map(str).unique(), dtype=str)
    if known.empty or known.str.match(DATE_LIKE).mean() < MOSTLY:
        return None
    for form in FORMATS:
        read = _naive(pd.to_datetime(known, format=form, errors="coerce", utc=True))
        if read.notna().mean() >= MOSTLY:
            return texts.map(dict(zip(known, read, strict=True))).astype("datetime64[us]")
    return None


def _naive(stamps: pd.Series) -> pd.Series:
    utc = stamps if stamps.dt.tz is None else stamps.dt.tz_convert("UTC").dt.tz_localize(None)
    return utc.astype("datetime64[us]")


def _compact(column: pd.Series) -> pd.Series | None:
    """Numbers such as 20250701, when all of them are such days."""
    values = column.to_numpy(dtype=np.float64)
    known = values[~np.isnan(values)]
    first, last = (year * 10_000 for year in COMPACT_YEARS)
    if len(known) == 0 or not ((known == np.floor(known)) & (known > first) & (known < last)).all():
        return None
    texts = pd.Series(values, index=column.index).map(lambda day: "" if np.isnan(day) else f"{day:.0f}")
    read = pd.to_datetime(texts, format="%Y%m%d", errors="coerce").astype("datetime64[us]")
    return read if read.notna().sum() >= MOSTLY * len(known) else None
