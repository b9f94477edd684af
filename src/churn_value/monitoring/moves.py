"""Why customers moved between tiers: the largest moves, each with what changed most.

A move is put down to who or what decided it: an override, a rule, or the sub-score whose weighted change says most in
the direction of the move. Beside it stands the reason of the model that changed most in that direction, in the words of
both answers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from churn_value.monitoring.migration import movers

COLUMNS = ["customer_id", "before", "now", "steps", "why", "points", "reason", "said_before", "said_now"]
_READ = ["customer_id", "tier_source", "reasons", "expected_value"]
# A contribution to churn speaks against a customer, one to value for them.
_SIGNS = {"churn": -1.0, "value": 1.0}


def largest_moves(
    before: pd.DataFrame, now: pd.DataFrame, tiers: Sequence[str], weights: Mapping[str, float], *, most: int = 20
) -> pd.DataFrame:
    """The moves over most tiers, of equal ones those of the most valuable customers first.

    Parameters
    ----------
    before, now
        Score tables; see `scoring.table`.
    tiers
        Codes, the best first.
    weights
        Weight of each sub-score in what the tiers go by; see `weights_of`.
    most
        Rows at most.

    Returns
    -------
    DataFrame
        ``customer_id``, ``before``, ``now``, ``steps`` (positive is up), ``why`` (``override``, ``rule`` or a
        sub-score; null where no sub-score went that way: the policy or the population changed), ``points`` (weighted
        change of the score by that sub-score), ``reason`` (code), ``said_before``, ``said_now`` (its sentence in both
        answers; null where it was not among the reasons).
    """
    moved = movers(before, now, tiers)
    scores = [f"{name}_score" for name in weights]
    for table, suffix in ((before, "_before"), (now, "_now")):
        columns = [name for name in (*_READ, *scores) if name in table]
        moved = moved.merge(table[columns].set_index("customer_id").add_suffix(suffix), on="customer_id")
    size = moved["steps"].abs()
    order = pd.DataFrame({"size": -size, "worth": -moved["expected_value_now"].fillna(0.0), "id": moved["customer_id"]})
    moved = moved.loc[order.sort_values(["size", "worth", "id"]).index].head(most)
    rows = [_explained(row, weights) for row in moved.to_dict("records")]
    return pd.DataFrame(rows, columns=COLUMNS)


def _explained(row: Mapping[Any, Any], weights: Mapping[str, float]) -> list[object]:
    why, points = _why(row, weights)
    code, said_before, said_now = _reason(row)
    return [row["customer_id"], row["before"], row["now"], row["steps"], why, points, code, said_before, said_now]


def _why(row: Mapping[Any, Any], weights: Mapping[str, float]) -> tuple[str | None, float]:
    """Who or what decided, and by how many points of the score."""
    sources = {row["tier_source_before"], row["tier_source_now"]}
    for source in ("override", "rule"):
        if source in sources:
            return source, float("nan")
    upward = np.sign(row["steps"])
    total = sum(weights.values()) or 1.0
    changes = {
        name: weight / total * (row[f"{name}_score_now"] - row[f"{name}_score_before"])
        for name, weight in weights.items()
        if pd.notna(row[f"{name}_score_now"]) and pd.notna(row[f"{name}_score_before"])
    }
    name = max(changes, key=lambda one: upward * changes[one], default=None)
    if name is None or upward * changes[name] <= 0:
        return None, float("nan")
    return name, round(float(changes[name]), 1)


def _reason(row: Mapping[Any, Any]) -> tuple[str | None, str | None, str | None]:
    """The reason that changed most in the direction of the move, and its sentences before and now."""
    upward = np.sign(row["steps"])
    earlier, later = (_spoken(row[f"reasons{suffix}"]) for suffix in ("_before", "_now"))
    changes = {
        key: upward * (later.get(key, (0.0, None))[0] - earlier.get(key, (0.0, None))[0]) for key in earlier | later
    }
    key = max(changes, key=lambda one: changes[one], default=None)
    if key is None or changes[key] <= 0:
        return None, None, None
    return key[1], earlier.get(key, (0.0, None))[1], later.get(key, (0.0, None))[1]


def _spoken(text: object) -> dict[tuple[str, str], tuple[float, str]]:
    """Contribution (positive speaks for the customer) and sentence of each reason, by head and code."""
    if not isinstance(text, str):
        return {}
    found: dict[tuple[str, str], tuple[float, str]] = {}
    for head, reasons in json.loads(text).items():
        for one in reasons:
            known = found.get((head, one["code"]), (0.0, one["text"]))
            found[head, one["code"]] = (known[0] + _SIGNS[head] * one["contribution"], known[1])
    return found


def weights_of(weights: Mapping[str, float], by: str) -> dict[str, float]:
    """Weights of the sub-scores in what the tiers go by: the policy's for the overall score, else value alone."""
    return {name: weight for name, weight in weights.items() if weight > 0} if by == "overall" else {"value": 1.0}


def reason_counts(moves: pd.DataFrame) -> pd.DataFrame:
    """How many moves up and down each `why` stands for: columns ``why``, ``up``, ``down``, the most frequent first."""
    named = moves.assign(
        why=moves["why"].fillna("(population or policy)"), up=moves["steps"] > 0, down=moves["steps"] < 0
    )
    counts = named.groupby("why")[["up", "down"]].sum().astype("int64")
    order = (counts["up"] + counts["down"]).sort_values(ascending=False, kind="stable").index
    return counts.loc[order].reset_index()
