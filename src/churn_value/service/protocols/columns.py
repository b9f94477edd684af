"""Answers as flat columns, and items from flat rows: what the adapters for other servers' clients share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

KEYS = ("customer_id", "as_of")
Result = Mapping[str, Any]


class Column(NamedTuple):
    """One flat column of an answer: its type in KServe's words, and where it stands."""

    datatype: Literal["BYTES", "FP64", "INT64"]
    read: Callable[[Result], Any]


def _at(*path: str) -> Callable[[Result], Any]:
    """Reader of one place of an answer; None when a part on the way is unknown."""

    def read(result: Result) -> Any:
        found: Any = result
        for name in path:
            if found is None:
                return None
            found = found[name]
        return found

    return read


COLUMNS: Mapping[str, Column] = {
    "customer_id": Column("BYTES", _at("customer_id")),
    "status": Column("BYTES", _at("status")),
    "as_of": Column("BYTES", _at("as_of")),
    "churn_probability": Column("FP64", _at("churn", "probability")),
    "expected_value": Column("FP64", _at("value", "expected")),
    "value_lower": Column("FP64", _at("value", "interval", "lower")),
    "value_upper": Column("FP64", _at("value", "interval", "upper")),
    "value_if_retained": Column("FP64", _at("value", "if_retained")),
    "value_at_risk": Column("FP64", _at("value_at_risk", "amount")),
    "overall_score": Column("FP64", _at("scores", "overall")),
    "tier": Column("BYTES", _at("tier", "code")),
    "tier_rank": Column("INT64", _at("tier", "rank")),
    "error": Column("BYTES", _at("error", "code")),
}


def flat(result: Result) -> dict[str, Any]:
    """One answer as a flat record."""
    return {name: column.read(result) for name, column in COLUMNS.items()}


def item(row: Mapping[str, Any]) -> dict[str, Any]:
    """Item of a request from a flat row: its keys, and every other column as a feature."""
    keys = {name: row[name] for name in KEYS if row.get(name) is not None}
    features = {name: value for name, value in row.items() if name not in KEYS}
    return {**keys, "features": features} if features else keys
