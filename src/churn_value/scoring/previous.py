"""Customers' previous answers, looked up for the rows that are scored now.

A table of them has ``customer_id``, ``tier`` and ``since``; it may have ``own_tier`` and ``own_since`` (what the policy
gave where `tier` was set by hand: hysteresis and dwell look at these), ``history`` (JSON text, ``[["A",
"2025-01-01"], …]``, the oldest first) and ``lifecycle``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import SchemaError
from churn_value.scoring.answer_tiers import TierEntered
from churn_value.scoring.inputs import Inputs
from churn_value.scoring.policy import Policy
from churn_value.scoring.tiers import NOWHERE, Before

COLUMNS = ("tier", "since", "own_tier", "own_since", "history", "lifecycle")


@dataclass(frozen=True, slots=True)
class Previous:
    """Previous answers of the rows; None where there was none."""

    codes: tuple[str | None, ...]
    since: tuple[date | None, ...]
    own_since: tuple[date | None, ...]
    history: tuple[tuple[TierEntered, ...], ...]
    lifecycle: npt.NDArray[np.object_]
    before: Before

    def without_dwell(self) -> Self:
        """The same, as if nobody knew when the tiers were entered."""
        before = Before(self.before.tier, np.full(len(self.before.tier), np.nan))
        return type(self)(self.codes, self.since, self.own_since, self.history, self.lifecycle, before)

    def taken(self, rows: npt.NDArray[np.int64]) -> Self:
        """Previous answers of some of the rows."""
        picked = rows.tolist()
        return type(self)(
            tuple(self.codes[row] for row in picked),
            tuple(self.since[row] for row in picked),
            tuple(self.own_since[row] for row in picked),
            tuple(self.history[row] for row in picked),
            self.lifecycle[rows],
            Before(self.before.tier[rows], self.before.days_in_tier[rows]),
        )


def previous_of(
    previous: pd.DataFrame | Mapping[str, Mapping[str, Any]] | None, inputs: Inputs, policy: Policy
) -> Previous:
    """Line up previous answers, in a table or by customer, with the rows to score.

    Raises
    ------
    SchemaError
        When a column is missing or a customer stands there twice.
    """
    known = _by_customer(previous, inputs.ids) if isinstance(previous, pd.DataFrame) else previous or {}
    found = [known.get(customer or "", {}) for customer in inputs.ids]
    codes = tuple(_text(entry.get("tier")) for entry in found)
    since = tuple(_day(entry.get("since")) for entry in found)
    own = [_text(entry.get("own_tier")) or code for entry, code in zip(found, codes, strict=True)]
    own_since = tuple(_day(entry.get("own_since", entry.get("since"))) for entry in found)
    stages = np.array([*(_text(entry.get("lifecycle")) for entry in found), None], dtype=object)[:-1]
    places = {code: place for place, code in enumerate(policy.tiers.codes)}
    tier = np.array([places.get(code or "", NOWHERE) for code in own], dtype=np.int64)
    days = [(as_of - day).days if as_of and day else np.nan for as_of, day in zip(inputs.as_of, own_since, strict=True)]
    history = tuple(_history(entry.get("history")) for entry in found)
    return Previous(codes, since, own_since, history, stages, Before(tier, np.array(days, dtype=np.float64)))


def _by_customer(previous: pd.DataFrame, ids: Sequence[str | None]) -> Mapping[str, Mapping[str, Any]]:
    for key in ("customer_id", "tier", "since"):
        if key not in previous.columns:
            raise SchemaError(
                f"previous answers need a column {key}", where="previous", received=list(previous.columns)
            )
    previous = previous[previous["customer_id"].isin([one for one in ids if one])]  # a chunk of a large base
    if previous["customer_id"].duplicated().any():
        raise SchemaError("a customer has one previous answer", where="previous", received="a customer twice")
    columns = [name for name in COLUMNS if name in previous.columns]
    rows = zip(*(previous[name].tolist() for name in columns), strict=True)
    return {
        str(customer): dict(zip(columns, row, strict=True))
        for customer, row in zip(previous["customer_id"].tolist(), rows, strict=True)
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _history(value: object) -> tuple[TierEntered, ...]:
    if not isinstance(value, str):
        return ()
    try:
        entries = [(str(code), since) for code, since in json.loads(value)]
        return tuple(TierEntered(code, since and date.fromisoformat(since)) for code, since in entries)
    except (TypeError, ValueError):
        raise SchemaError('a tier history is JSON, as in [["A", "2025-01-01"]]', where="previous") from None


def _day(value: object) -> date | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()  # type: ignore[arg-type,call-overload]
