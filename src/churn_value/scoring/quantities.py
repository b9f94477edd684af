"""The named quantities a policy can ask for, and the raw facts of a customer that they are made from.

``facts`` picks, from a feature table and a prediction, the few columns that everything downstream needs; a sample of
them from the reference population is frozen into the bundle, so that the distribution of the overall score under *any*
policy can be known without the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.estimators.feature_rows import FeatureRows
from churn_value.scoring.reach import Range
from churn_value.scoring.sections import SUB_SCORES

Floats = npt.NDArray[np.float64]

NUMBER_MEANINGS: Mapping[str, str] = {
    "overall": "overall score, 0 to 100",
    "overall_percentile": "percentile of the overall score, 1 to 100",
    "value": "value sub-score, 0 to 100",
    "behaviour": "behaviour sub-score, 0 to 100",
    "satisfaction": "satisfaction sub-score, 0 to 100",
    "payment": "payment sub-score, 0 to 100",
    "need": "need sub-score, 0 to 100",
    "value_percentile": "percentile of the expected value, 1 to 100",
    "value_share": "share of all expected value held by customers worth at least as much, 0.01 to 1",
    "churn_percentile": "percentile of the churn probability, 1 to 100",
    "churn_probability": "probability of churn within the horizon, 0 to 1",
    "expected_value": "expected value [currency units]",
    "value_if_retained": "value if the customer stays [currency units]",
    "value_at_risk": "churn probability × value if retained [currency units]",
    "spend": "net spend so far [currency units]",
    "purchase_days": "days with a purchase so far",
    "days_since_last_purchase": "days since the last purchase",
    "typical_gap_days": "own mean gap between purchase days, else that of the population [days]",
    "rhythm_ratio": "days since the last purchase over the typical gap",
    "days_since_last_visit": "days since the last visit",
    "tenure_days": "days since sign-up, else since the first contract or purchase",
    "complaint_count": "complaints within the longest window",
    "open_tickets": "complaints and tickets not resolved",
    "overdue_share": "share of payments due that are unpaid, 0 to 1",
    "late_share": "share of payments due that came late or are unpaid, 0 to 1",
    "days_late_mean": "mean days a payment came late",
}
NUMBERS = frozenset(NUMBER_MEANINGS)
# Known only after the tier: tiers that its rule lies above (+) or below (-) the percentile.
TIER_STEPS = "tier_steps_apart"
_AMOUNT, _COUNT, _SCORE = Range(low=0), Range(low=0, whole=True), Range(0, 100)
_SHARE, _PERCENTILE = Range(0, 1), Range(1, 100, whole=True)
NUMBER_RANGES: Mapping[str, Range] = {
    **dict.fromkeys(("overall", *SUB_SCORES), _SCORE),
    **dict.fromkeys(("overall_percentile", "value_percentile"), _PERCENTILE),
    **dict.fromkeys(("value_share", "overdue_share", "late_share"), _SHARE),
    **dict.fromkeys(("expected_value", "value_if_retained", "value_at_risk"), _AMOUNT),
    **dict.fromkeys(("typical_gap_days", "rhythm_ratio"), _AMOUNT),
    **dict.fromkeys(("purchase_days", "days_since_last_purchase", "days_since_last_visit"), _COUNT),
    **dict.fromkeys(("complaint_count", "open_tickets"), _COUNT),
    **dict.fromkeys(("spend", "tenure_days", "days_late_mean"), Range()),
    "churn_probability": Range(0, 1, always_known=True),
    "churn_percentile": Range(1, 100, whole=True, always_known=True),
    TIER_STEPS: Range(whole=True),
}
CELLS = frozenset({"r", "f", "m"})

# Facts that are features of the same name, and those that are a window of a feature family.
_PLAIN = (
    "purchase_days",
    "days_since_last_purchase",
    "mean_gap_days",
    "spend_minor",
    "days_since_last_visit",
    "satisfaction_level",
    "open_tickets",
    "overdue_share",
    "late_share",
    "days_late_mean",
)
# Facts that several features can show: the first that a customer has.
_FIRST_OF = {"tenure_days": ("tenure_days", "contract_tenure_days", "T_days"), "answers": ("score_count",)}
_SHORTEST = {"recent_orders": "order_count", "recent_visits": "visit_count"}
_LONGEST = {
    "orders": "order_count",
    "visits": "visit_count",
    "complaint_count": "complaint_count",
    "categories": "category_count",
    "products": "product_count",
}
PREDICTED = ("churn_probability", "expected_value_minor", "value_if_retained_minor", "value_at_risk_minor")
FACT_NAMES = (*PREDICTED, *_PLAIN, *_FIRST_OF, *_SHORTEST, *_LONGEST, "recent_days", "long_days")


class Predicted(Protocol):
    """What this room needs of a prediction; all arrays of shape (n,). Without a value head the amounts are None."""

    @property
    def churn_raw(self) -> Floats:
        """Log-odds before calibration."""
        ...

    @property
    def churn_probability(self) -> Floats:
        """Calibrated, 0 to 1."""
        ...

    @property
    def value_raw(self) -> Floats | None:
        """Log of the amount before debiasing."""
        ...

    @property
    def value_if_retained_minor(self) -> Floats | None:
        """Amount given that the customer stays [minor units]."""
        ...

    @property
    def expected_value_minor(self) -> Floats | None:
        """Amount [minor units]."""
        ...

    @property
    def value_at_risk_minor(self) -> Floats | None:
        """Amount that leaving would cost [minor units]."""
        ...

    @property
    def value_lower_minor(self) -> Floats | None:
        """Lower end of the interval [minor units]."""
        ...

    @property
    def value_upper_minor(self) -> Floats | None:
        """Upper end of the interval [minor units]."""
        ...


class Described(Protocol):
    """What this room needs of a feature."""

    @property
    def source(self) -> str:
        """Table it is computed from."""
        ...

    @property
    def name(self) -> str:
        """Column of the feature table."""
        ...

    @property
    def window_days(self) -> int | None:
        """Window; None is all of history."""
        ...

    @property
    def unit(self) -> str:
        """Unit of the value."""
        ...

    @property
    def dtype(self) -> str:
        """``number`` or ``category``."""
        ...

    @property
    def empty(self) -> object:
        """Value when nothing happened; None is null."""
        ...

    @property
    def en(self) -> str:
        """Meaning in English."""
        ...

    @property
    def zh(self) -> str:
        """Meaning in Chinese."""
        ...

    @property
    def group(self) -> str:
        """Code of the reason it belongs to."""
        ...


def column(frame: pd.DataFrame | FeatureRows, name: str | None) -> Floats:
    """Numeric column as float64, NaN where null or where the table has no such column. Shape (n,)."""
    if name is None:
        return np.full(len(frame), np.nan)
    if isinstance(frame, FeatureRows) and name in frame.places:
        return frame.block[:, frame.places[name]].copy()
    if name not in frame.columns:
        return np.full(len(frame), np.nan)
    cells = frame[name]
    if cells.dtype == np.float64:
        return cells.to_numpy(dtype=np.float64, copy=True)
    return np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=np.float64).copy()


def windowed(features: Sequence[Described], stem: str) -> list[tuple[int, str]]:
    """Windows [days] and names of the features ``<stem>_<window>d``, shortest first."""
    return sorted((f.window_days, f.name) for f in features if f.window_days and f.name == f"{stem}_{f.window_days}d")


@dataclass(frozen=True, slots=True)
class FactColumns:
    """Columns that facts are read from, worked out once for a catalog; by fact, None where no feature shows it."""

    names: Mapping[str, str | None]
    recent_days: float
    long_days: float

    @classmethod
    def of(cls, features: Sequence[Described]) -> Self:
        """Columns among these features."""
        names: dict[str, str | None] = {name: name for name in _PLAIN}
        names |= {fact: _at(windowed(features, stem), 0) for fact, stem in _SHORTEST.items()}
        names |= {fact: _at(windowed(features, stem), -1) for fact, stem in _LONGEST.items()}
        orders = windowed(features, "order_count")
        spans = (float(orders[0][0]), float(orders[-1][0])) if len(orders) > 1 else (np.nan, np.nan)
        return cls(names, *spans)


def facts(frame: pd.DataFrame | FeatureRows, prediction: Predicted, columns: FactColumns) -> dict[str, Floats]:
    """Raw facts of each customer, by the names of `FACT_NAMES`; NaN where not known. Arrays of shape (n,)."""
    found = {name: _predicted(prediction, name, len(frame)) for name in PREDICTED}
    found |= zip(columns.names, _columns(frame, tuple(columns.names.values())), strict=True)
    found |= {fact: _first(frame, names) for fact, names in _FIRST_OF.items()}
    found["recent_days"], found["long_days"] = (
        np.full(len(frame), span) for span in (columns.recent_days, columns.long_days)
    )
    return found


def _columns(frame: pd.DataFrame | FeatureRows, names: tuple[str | None, ...]) -> Iterable[Floats]:
    """Several columns as by `column`, of a block in one piece."""
    if not isinstance(frame, FeatureRows) or not frame.names:
        return [column(frame, name) for name in names]
    taken, absent = places_among(frame.names, names)
    found = frame.block.T[taken]
    found[list(absent)] = np.nan
    return found


@lru_cache(maxsize=64)
def places_among(
    there: tuple[str, ...], names: tuple[str | None, ...]
) -> tuple[npt.NDArray[np.int64], tuple[int, ...]]:
    """Place of each name among those that are there, 0 where it is not, and which of the names are absent."""
    at: dict[str | None, int] = {name: place for place, name in enumerate(there)}
    absent = tuple(number for number, name in enumerate(names) if name not in at)
    return np.array([at.get(name, 0) for name in names], dtype=np.int64), absent


def _first(frame: pd.DataFrame | FeatureRows, names: Sequence[str]) -> Floats:
    found = column(frame, names[0])
    for name in names[1:]:
        found = np.where(np.isnan(found), column(frame, name), found)
    return found


def _at(windows: list[tuple[int, str]], position: int) -> str | None:
    return windows[position][1] if windows else None


def _predicted(prediction: Predicted, name: str, rows: int) -> Floats:
    values = getattr(prediction, name)
    return np.full(rows, np.nan) if values is None else np.asarray(values, dtype=np.float64)
