"""Answers as a flat table: what a batch job writes to Parquet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import pandas as pd
from pydantic import TypeAdapter

from churn_value.scoring.answer import Action, Answer, Disagreement, InputWarning, Reasons

# Flat columns by their path in the answer's JSON.
PATHS: dict[str, tuple[str, ...]] = {
    "customer_id": ("customer_id",),
    "as_of": ("as_of",),
    "expires_at": ("expires_at",),
    "status": ("status",),
    "expected_value": ("value", "expected"),
    "value_if_retained": ("value", "if_retained"),
    "value_lower": ("value", "interval", "lower"),
    "value_upper": ("value", "interval", "upper"),
    "value_percentile": ("value", "percentile"),
    "value_band": ("value", "band"),
    "currency": ("value", "currency"),
    "churn_probability": ("churn", "probability"),
    "churn_percentile": ("churn", "percentile"),
    "churn_band": ("churn", "band"),
    "value_at_risk": ("value_at_risk", "amount"),
    "overall_score": ("scores", "overall"),
    "value_score": ("scores", "value"),
    "behaviour_score": ("scores", "behaviour"),
    "satisfaction_score": ("scores", "satisfaction"),
    "payment_score": ("scores", "payment"),
    "need_score": ("scores", "need"),
    "tier": ("tier", "code"),
    "tier_rank": ("tier", "rank"),
    "tier_label": ("tier", "label"),
    "tier_previous": ("tier", "previous"),
    "tier_since": ("tier", "since"),
    "tier_source": ("tier", "source"),
    "tier_own": ("tier", "own_code"),
    "tier_own_since": ("tier", "own_since"),
    "override_reason": ("tier", "override", "reason"),
    "override_owner": ("tier", "override", "owner"),
    "override_expires": ("tier", "override", "expires"),
    "lifecycle": ("portrait", "lifecycle", "code"),
    "segment": ("portrait", "rfm", "segment"),
    "expected_next_purchase": ("portrait", "rhythm", "expected_next_purchase"),
    "model_version": ("model", "version"),
    "policy_id": ("policy", "id"),
    "policy_version": ("policy", "version"),
}
DATES = ("as_of", "expires_at", "tier_since", "tier_own_since", "override_expires", "expected_next_purchase")
WHOLE = ("value_percentile", "churn_percentile", "tier_rank", "policy_version")
NUMBERS = (
    "expected_value",
    "value_if_retained",
    "value_lower",
    "value_upper",
    "churn_probability",
    "value_at_risk",
    *(name for name in PATHS if name.endswith("_score")),
)
# Parts with an inner life of their own, kept whole as JSON text.
NESTED: dict[str, TypeAdapter[Any]] = {
    "reasons": TypeAdapter(Reasons | None),
    "actions": TypeAdapter(tuple[Action, ...]),
    "disagreements": TypeAdapter(tuple[Disagreement, ...]),
    "warnings": TypeAdapter(tuple[InputWarning, ...]),
}


class _Parts:
    """Parts of answers by their path, each looked up once however many columns lie below it."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._found: dict[tuple[str, ...], Sequence[Any]] = {(): answers}

    def at(self, path: tuple[str, ...]) -> Sequence[Any]:
        """What each answer has at a path, None where a part on the way is None."""
        found = self._found.get(path)
        if found is None:
            part_of = attrgetter(path[-1])
            found = [None if part is None else part_of(part) for part in self.at(path[:-1])]
            self._found[path] = found
        return found


def answers_to_frame(answers: Sequence[Answer]) -> pd.DataFrame:
    """One row per answer: flat columns (see `PATHS`), and JSON texts of what has several parts.

    Returns
    -------
    DataFrame
        Dates as ``datetime64[us]``, whole numbers as nullable ``Int64``, other numbers as float64, texts as objects;
        null where the answer has null.
    """
    parts = _Parts(answers)
    frame = pd.DataFrame({name: pd.Series(parts.at(path), dtype=object) for name, path in PATHS.items()})
    for name in DATES:
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    for name in WHOLE:
        frame[name] = frame[name].astype("Int64")
    for name in NUMBERS:
        frame[name] = frame[name].astype("float64")
    frame["tags"] = pd.Series([json.dumps(_tags(answer), ensure_ascii=False) for answer in answers], dtype=object)
    frame["tier_history"] = pd.Series([_history(answer) for answer in answers], dtype=object)
    for name, adapter in NESTED.items():
        texts = [adapter.dump_json(getattr(answer, name)).decode() for answer in answers]
        frame[name] = pd.Series([None if text == "null" else text for text in texts], dtype=object)
    return frame


def _history(answer: Answer) -> str | None:
    if answer.tier is None:
        return None
    return json.dumps([[one.code, one.since and one.since.isoformat()] for one in answer.tier.history])


def _tags(answer: Answer) -> list[str]:
    return [] if answer.portrait is None else [tag.code for tag in answer.portrait.tags]
