"""Answers as a flat table: what a batch job writes to Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np
import pandas as pd
from pydantic import TypeAdapter

from churn_value.scoring.answer import Action, Disagreement, InputWarning
from churn_value.scoring.answer_tiers import TierEntered
from churn_value.scoring.answers import Answers
from churn_value.scoring.assembly import Batch, Cells
from churn_value.scoring.portrait_parts import Labelled
from churn_value.scoring.sections import SUB_SCORES

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
# Columns that are cells of a batch, and the cells' names.
_CELLS = {
    **{
        name: name
        for name, (part, *_) in PATHS.items()
        if part in ("value", "churn", "value_at_risk") and name != "currency"
    },
    "overall_score": "overall",
    **{f"{name}_score": name for name in SUB_SCORES},
}
_ACTIONS: TypeAdapter[tuple[Action, ...]] = TypeAdapter(tuple[Action, ...])
_DISAGREEMENTS: TypeAdapter[tuple[Disagreement, ...]] = TypeAdapter(tuple[Disagreement, ...])
_WARNINGS: TypeAdapter[tuple[InputWarning, ...]] = TypeAdapter(tuple[InputWarning, ...])


class _Parts:
    """Parts of answers by their path, each looked up once however many columns lie below it."""

    def __init__(self, answers: Answers) -> None:
        self._found = _known(answers)

    def at(self, path: tuple[str, ...]) -> Sequence[Any]:
        """What each answer has at a path, None where a part on the way is None."""
        found = self._found.get(path)
        if found is None:
            part_of = attrgetter(path[-1])
            found = [None if part is None else part_of(part) for part in self.at(path[:-1])]
            self._found[path] = found
        return found


def _known(answers: Answers) -> dict[tuple[str, ...], Sequence[Any]]:
    """What is known of the answers before any is made, by its path in them."""
    about, rows, spread = answers.assembler, range(len(answers)), answers.spread
    return {
        ("customer_id",): about.inputs.ids,
        ("as_of",): about.inputs.as_of,
        ("expires_at",): [about.expires(row) for row in rows],
        ("status",): [about.status(row, scored=row in answers.places) for row in rows],
        ("model",): [about.model] * len(rows),
        ("policy",): [about.policy] * len(rows),
        ("value", "currency"): spread(lambda batch: _priced(batch.cells, about.currency)),
        **{PATHS[name]: spread(_cells(cell)) for name, cell in _CELLS.items()},
        ("tier",): spread(attrgetter("tiers")),
        ("portrait", "lifecycle"): spread(attrgetter("portraits.lifecycles")),
        ("portrait", "rfm"): spread(attrgetter("portraits.rfm")),
        ("portrait", "rhythm"): spread(attrgetter("portraits.rhythms")),
    }


def _cells(name: str) -> Callable[[Batch], list[Any] | None]:
    return lambda batch: batch.cells.get(name)


def _priced(cells: Cells, currency: str) -> list[str] | None:
    return [currency] * len(ends) if (ends := cells.get("value_lower")) is not None else None


def answers_to_frame(answers: Answers) -> pd.DataFrame:
    """One row per answer: flat columns (see `PATHS`), and JSON texts of what has several parts.

    No answer is made for it: a table is made of columns, and the objects would take longer than the model.

    Returns
    -------
    DataFrame
        Dates as ``datetime64[us]``, whole numbers as nullable ``Int64``, other numbers as float64, texts as objects;
        null where the answer has null.
    """
    parts = _Parts(answers)
    frame = pd.DataFrame({name: _column(name, parts.at(path)) for name, path in PATHS.items()})
    told, warnings = answers.told, answers.assembler.warnings
    texts: dict[str, Sequence[str | None]] = {
        "tags": [_tags(own) for own in answers.spread(attrgetter("portraits.tags"), ())],
        "tier_history": [None if tier is None else _history(tier.history) for tier in parts.at(("tier",))],
        "reasons": answers.spread(lambda _: told.written() if told else None),
        "actions": _texts(_ACTIONS, answers.spread(attrgetter("actions"), ())),
        "disagreements": _texts(_DISAGREEMENTS, answers.spread(attrgetter("disagreements"), ())),
        "warnings": _texts(_WARNINGS, [warnings(row, scored=row in answers.places) for row in range(len(answers))]),
    }
    return frame.assign(**{name: pd.Series(list(cells), dtype=object) for name, cells in texts.items()})


def _column(name: str, cells: Sequence[Any]) -> pd.Series:
    if name in NUMBERS:
        return pd.Series(np.array(cells, dtype=np.float64))
    found = pd.Series(cells, dtype=object)
    if name in DATES:
        return pd.to_datetime(found).astype("datetime64[us]")
    return found.astype("Int64") if name in WHOLE else found


@lru_cache(maxsize=1024)
def _history(entered: tuple[TierEntered, ...]) -> str:
    return json.dumps([[one.code, one.since and one.since.isoformat()] for one in entered])


def _tags(worn: Sequence[Labelled]) -> str:
    return _list_of(tuple([tag.code for tag in worn]))


@lru_cache(maxsize=1024)
def _list_of(codes: tuple[str, ...]) -> str:
    return json.dumps(codes, ensure_ascii=False)


def _texts(adapter: TypeAdapter[Any], parts: Sequence[object]) -> list[str]:
    """JSON of the parts of each row; many rows have the very same: those of a play, or none at all."""
    made: dict[int, str] = {}
    return [made.get(id(own)) or made.setdefault(id(own), adapter.dump_json(own).decode()) for own in parts]
