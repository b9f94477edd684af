"""From columns to answers: the only per-row work, and no decision is taken here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import repeat
from typing import Any

import numpy.typing as npt

from churn_value.estimators.feature_rows import FeatureRows
from churn_value.scoring.answer import (
    Action,
    Answer,
    Churn,
    Disagreement,
    Explain,
    InputWarning,
    Interval,
    Reasons,
    Scores,
    Status,
    Value,
    ValueAtRisk,
)
from churn_value.scoring.answer_tiers import Levers, Tier
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.inputs import Inputs
from churn_value.scoring.portrait import Portraits
from churn_value.scoring.quantities import Predicted, column
from churn_value.scoring.reasons import Teller, explained, values_of
from churn_value.scoring.sections import SUB_SCORES
from churn_value.scoring.wording import Language

AT_RISK_BASIS = "churn.probability × value.if_retained"
_OUTSIDE = (InputWarning("NOT_IN_COHORT", None),)
_STALE = (InputWarning("STALE", "as_of"),)
_SHOWN = (
    "overall",
    *SUB_SCORES,
    "expected_value",
    "value_if_retained",
    "value_at_risk",
    "value_percentile",
    "value_band",
    "churn_probability",
    "churn_percentile",
    "churn_band",
)
Cells = Mapping[str, list[Any]]
"""What answers show of the quantities and the prediction: a cell for each row, None where nothing is known."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything known about the rows that are scored, column by column."""

    rows: FeatureRows
    prediction: Predicted
    cells: Cells
    tiers: Sequence[Tier | None]
    portraits: Portraits
    actions: Sequence[tuple[Action, ...]]
    disagreements: Sequence[tuple[Disagreement, ...]]
    levers: Sequence[Levers] | None


def cells_of(quantities: Mapping[str, npt.NDArray[Any]], prediction: Predicted, units: int) -> Cells:
    """Cells by name, in currency units of so many minor ones; without a value head there are no ends of intervals."""
    found = {name: quantities[name] for name in _SHOWN}
    ends = {"value_lower": prediction.value_lower_minor, "value_upper": prediction.value_upper_minor}
    found |= {name: minor / units for name, minor in ends.items() if minor is not None}
    return {name: _without_nan(values) for name, values in found.items()}


def _without_nan(values: npt.NDArray[Any]) -> list[Any]:
    if values.dtype == object:
        return list(values)
    return [None if cell != cell else cell for cell in values.tolist()]  # noqa: PLR0124 - only NaN differs from itself


def scores_of(cells: Cells, row: int, weighty: Sequence[str]) -> Scores:
    """Sub-scores of a row, and which of those that carry weight are missing."""
    overall, *parts = (cells[name][row] for name in ("overall", *SUB_SCORES))
    missing = tuple(name for name in weighty if cells[name][row] is None)
    value, behaviour, satisfaction, payment, need = parts
    return Scores(overall, value, behaviour, satisfaction, payment, need, weight_shared_out=missing)


class Told:
    """Reasons and books of the rows of a batch."""

    def __init__(self, batch: Batch, bundle: Bundle, *, language: Language, top: int, threads: int) -> None:
        values, groups = values_of(batch.rows, bundle.model_features), bundle.grouping
        churn, value = bundle.model.contributions(batch.rows, threads=threads)
        self._heads = [explained("churn", churn, batch.prediction.churn_raw, values, groups)]
        if value is not None and batch.prediction.value_raw is not None:
            self._heads.append(explained("value", value, batch.prediction.value_raw, values, groups))
        typical, currency, peers = bundle.reference.typical, bundle.config.currency, bundle.reference.peers
        alike = peers.groups(column(batch.rows, "purchase_days"), column(batch.rows, "mean_gap_days"))
        self._tellers = [
            Teller(
                head,
                values,
                typical,
                currency=currency,
                language=language,
                top=top,
                peers=peers,
                alike=alike,
                phrasebook=bundle.phrasebook,
            )
            for head in self._heads
        ]

    def reasons(self, row: int) -> Reasons:
        """Reasons of both heads."""
        churn, *value = (teller.reasons(row) for teller in self._tellers)
        return Reasons(churn, value[0] if value else ())

    def written(self) -> list[str]:
        """The JSON of the reasons of both heads, of every row."""
        churn, *value = (teller.written() for teller in self._tellers)
        return [
            f'{{"churn":{one},"value":{other}}}'
            for one, other in zip(churn, value[0] if value else repeat("[]"), strict=False)
        ]

    def books(self, row: int) -> Explain:
        """Base, contributions and raw score of both heads."""
        churn, *value = (head.books(row) for head in self._heads)
        return Explain(churn, value[0] if value else None)


class Assembler:
    """Builds answers that carry the names of the bundle's model and policy."""

    def __init__(self, bundle: Bundle, inputs: Inputs, now: date | None) -> None:
        self.inputs, self._now, self._config = inputs, now, bundle.config
        self.model, self.policy = bundle.named
        self._weighty = [name for name in SUB_SCORES if getattr(bundle.policy.weights, name) > 0]
        self._lifetime = timedelta(days=bundle.config.expires_after_days)

    @property
    def currency(self) -> str:
        """Currency of the values."""
        return self._config.currency

    def status(self, row: int, *, scored: bool) -> Status:
        """What came of a row."""
        if scored:
            return "partial" if self.inputs.partial[row] else "ok"
        return "ineligible" if self.inputs.valid[row] else "invalid"

    def warnings(self, row: int, *, scored: bool) -> tuple[InputWarning, ...]:
        """What makes the answer of a row weaker, or impossible."""
        expires = self.expires(row)
        outside = () if scored or not self.inputs.valid[row] else _OUTSIDE
        stale = _STALE if self._now and expires and self._now > expires else ()
        return (*self.inputs.warnings[row], *outside, *stale)

    def expires(self, row: int) -> date | None:
        """The last day on which the answer of a row is good."""
        as_of = self.inputs.as_of[row]
        return None if as_of is None else as_of + self._lifetime

    def unscored(self, row: int) -> Answer:
        """An answer without scores: the row is invalid, or the customer is not of the model's cohort."""
        return self._answer(row, scored=False)

    def scored(self, row: int, batch: Batch, place: int, told: Told | None) -> Answer:
        """An answer with everything that can be known; `place` is the row's place in the batch."""
        at_risk = batch.cells["value_at_risk"][place]
        return self._answer(
            row,
            scored=True,
            value=self._value(batch.cells, place),
            churn=self._churn(batch.cells, place),
            scores=scores_of(batch.cells, place, self._weighty),
            tier=batch.tiers[place],
            portrait=batch.portraits.all[place],
            value_at_risk=None if at_risk is None else ValueAtRisk(at_risk, AT_RISK_BASIS),
            reasons=told.reasons(place) if told else None,
            explain=told.books(place) if told else None,
            actions=batch.actions[place],
            disagreements=batch.disagreements[place],
            levers=batch.levers[place] if batch.levers else None,
        )

    def _answer(self, row: int, *, scored: bool, **parts: Any) -> Answer:
        return Answer(
            index=row,
            customer_id=self.inputs.ids[row],
            status=self.status(row, scored=scored),
            as_of=self.inputs.as_of[row],
            expires_at=self.expires(row),
            model=self.model,
            policy=self.policy,
            warnings=self.warnings(row, scored=scored),
            **parts,
        )

    def _value(self, cells: Cells, row: int) -> Value | None:
        if "value_lower" not in cells:
            return None
        return Value(
            horizon_days=self._config.horizon_days,
            currency=self._config.currency,
            expected=cells["expected_value"][row],
            if_retained=cells["value_if_retained"][row],
            interval=Interval(self._config.interval.level, cells["value_lower"][row], cells["value_upper"][row]),
            percentile=int(cells["value_percentile"][row]),
            band=cells["value_band"][row],
        )

    def _churn(self, cells: Cells, row: int) -> Churn:
        return Churn(
            horizon_days=self._config.horizon_days,
            definition=self._config.churn.definition,
            probability=cells["churn_probability"][row],
            calibrated=True,
            percentile=int(cells["churn_percentile"][row]),
            band=cells["churn_band"][row],
        )
