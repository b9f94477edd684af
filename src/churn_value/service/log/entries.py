"""What an entry of the score log holds: everything an answer was made from, and the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd

from churn_value.scoring.offered import HABITS, Offered
from churn_value.scoring.overrides import Override, TierOverrides
from churn_value.service.strict_json import dump

# Told by the entry itself, or of one request only.
APART = ("customer_id", "index", "error")
NO_NUMBERS = ("as_of", *HABITS)


@dataclass(frozen=True, slots=True)
class Asked:
    """How answers were asked for, and by what they were made.

    Parameters
    ----------
    at, request_id
        When, UTC, and in which request.
    version, bundle, policy
        Version of the model, its bundle, and the policy's hash.
    locale, explain, top, levers
        As `score` takes them.
    """

    at: datetime
    request_id: str
    version: str
    bundle: str
    policy: str
    locale: str
    explain: bool
    top: int
    levers: bool


@dataclass(frozen=True, slots=True)
class Pending:
    """Answers on their way into the log, with what `score` was given. Nothing of it may change any more."""

    asked: Sequence[Asked]
    """By row."""
    offered: Offered
    previous: Mapping[str, Mapping[str, Any]]
    overrides: TierOverrides
    results: Sequence[Mapping[str, Any]]
    """As they were sent: JSON-ready."""

    def __len__(self) -> int:
        """Number of answers."""
        return len(self.results)


def plain(value: Any) -> Any:
    """JSON-ready form of a cell; infinite numbers become texts."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if value is None or value is pd.NaT or value is pd.NA:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(value)
    return value.isoformat() if isinstance(value, date) else value


def _told(asked: Asked) -> dict[str, Any]:
    return {field.name: getattr(asked, field.name) for field in fields(asked)} | {"at": asked.at.isoformat()}


def entries_of(pending: Pending, name: Callable[[str], str]) -> Iterator[bytes]:
    """Entries of answers as JSON objects, customers under the name that `name` gives them."""
    told = {one: _told(one) for one in frozenset(pending.asked)}
    offered = pending.offered
    # Most rows have nothing but finite numbers in the features that are numbers, and there are a hundred of them.
    is_odd = not (offered.null | np.isfinite(offered.rows.block)).all()
    for asked, one, cells, result in zip(pending.asked, offered.ids, offered.records(), pending.results, strict=True):
        customer_id = str(one)
        override = pending.overrides.by_customer.get(customer_id)
        before = pending.previous.get(customer_id)
        others = cells if is_odd else [column for column in NO_NUMBERS if column in cells]
        features = cells | {column: plain(cells[column]) for column in others}
        yield dump(
            {
                "kind": "answer",
                **told[asked],
                "customer": name(customer_id),
                "features": features,
                "previous": plain(before) if before else None,
                "override": None if override is None else plain({**asdict(override), "customer_id": None}),
                "answer": {key: value for key, value in result.items() if key not in APART},
            }
        )


def frame_of(entry: Mapping[str, Any], numbers: frozenset[str]) -> pd.DataFrame:
    """The feature row of an entry; `numbers` names the columns that are numbers."""
    columns: dict[str, Any] = {"customer_id": [entry["customer"]]}
    for name, value in entry["features"].items():
        if name in numbers:
            columns[name] = np.array([np.nan if value is None else float(value)])
        else:
            columns[name] = pd.Series([date.fromisoformat(value[:10]) if name == "as_of" else value], dtype="object")
    return pd.DataFrame(columns)


def previous_in(entry: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The previous answer an entry was made with, by customer."""
    before = entry["previous"]
    return {} if before is None else {entry["customer"]: before}


def overrides_in(entry: Mapping[str, Any]) -> TierOverrides:
    """The tier set by hand that an entry was made with."""
    found = entry["override"]
    if found is None:
        return TierOverrides()
    own = {**found, "customer_id": entry["customer"], "expires": date.fromisoformat(found["expires"])}
    return TierOverrides({entry["customer"]: Override(**own)})
