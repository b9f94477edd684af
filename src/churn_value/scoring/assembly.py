"""From columns to answers: the only per-row work, and no decision is taken here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
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
from churn_value.scoring.portrait_parts import Portrait
from churn_value.scoring.quantities import Predicted, column
from churn_value.scoring.reasons import Teller, explained, values_of
from churn_value.scoring.sections import SUB_SCORES
from churn_value.scoring.wording import Language, minor_units

AT_RISK_BASIS = "churn.probability × value.if_retained"
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
_BOUNDS = ("value_lower_minor", "value_upper_minor")


@dataclass(frozen=True, slots=True)
class Batch:
    """Everything known about the rows that are scored, column by column."""

    rows: FeatureRows
    prediction: Predicted
    cells: Mapping[str, list[Any]]
    """What answers show of the quantities and the prediction, by name, as lists."""
    tiers: Sequence[Tier | None]
    portraits: Sequence[Portrait]
    actions: Sequence[tuple[Action, ...]]
    disagreements: Sequence[tuple[Disagreement, ...]]
    levers: Sequence[Levers] | None


def cells_of(quantities: Mapping[str, npt.NDArray[Any]], prediction: Predicted) -> dict[str, list[Any]]:
    """Cells of the columns that answers show, NaN as None."""
    found = {name: quantities[name] for name in _SHOWN}
    found |= {name: values for name in _BOUNDS if (values := getattr(prediction, name)) is not None}
    return {name: _without_nan(values) for name, values in found.items()}


def _without_nan(values: npt.NDArray[Any]) -> list[Any]:
    if values.dtype == object:
        return list(values)
    return [None if cell != cell else cell for cell in values.tolist()]  # noqa: PLR0124 - only NaN differs from itself


def scores_of(cells: Mapping[str, list[Any]], row: int, weighty: Sequence[str]) -> Scores:
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

    def books(self, row: int) -> Explain:
        """Base, contributions and raw score of both heads."""
        churn, *value = (head.books(row) for head in self._heads)
        return Explain(churn, value[0] if value else None)


class Assembler:
    """Builds answers that carry the names of the bundle's model and policy."""

    def __init__(self, bundle: Bundle, inputs: Inputs, now: date | None) -> None:
        self._inputs, self._now, self._config = inputs, now, bundle.config
        self._units = minor_units(bundle.config.currency)
        self._model, self._policy = bundle.named
        self._weighty = [name for name in SUB_SCORES if getattr(bundle.policy.weights, name) > 0]
        self._lifetime = timedelta(days=bundle.config.expires_after_days)

    def unscored(self, row: int) -> Answer:
        """An answer without scores: the row is invalid, or the customer is not of the model's cohort."""
        if not self._inputs.valid[row]:
            return self._answer(row, "invalid", ())
        return self._answer(row, "ineligible", (InputWarning("NOT_IN_COHORT", None),))

    def scored(self, row: int, batch: Batch, place: int, told: Told | None) -> Answer:
        """An answer with everything that can be known; `place` is the row's place in the batch."""
        at_risk = batch.cells["value_at_risk"][place]
        return self._answer(
            row,
            "partial" if self._inputs.partial[row] else "ok",
            (),
            value=self._value(batch.cells, place),
            churn=self._churn(batch.cells, place),
            scores=scores_of(batch.cells, place, self._weighty),
            tier=batch.tiers[place],
            portrait=batch.portraits[place],
            value_at_risk=None if at_risk is None else ValueAtRisk(at_risk, AT_RISK_BASIS),
            reasons=told.reasons(place) if told else None,
            explain=told.books(place) if told else None,
            actions=batch.actions[place],
            disagreements=batch.disagreements[place],
            levers=batch.levers[place] if batch.levers else None,
        )

    def _answer(self, row: int, status: Status, extra: tuple[InputWarning, ...], **parts: Any) -> Answer:
        as_of = self._inputs.as_of[row]
        expires = None if as_of is None else as_of + self._lifetime
        stale = (InputWarning("STALE", "as_of"),) if self._now and expires and self._now > expires else ()
        return Answer(
            index=row,
            customer_id=self._inputs.ids[row],
            status=status,
            as_of=as_of,
            expires_at=expires,
            model=self._model,
            policy=self._policy,
            warnings=(*self._inputs.warnings[row], *extra, *stale),
            **parts,
        )

    def _value(self, cells: Mapping[str, list[Any]], row: int) -> Value | None:
        if "value_lower_minor" not in cells:
            return None
        units = self._units
        lower, upper = cells["value_lower_minor"][row] / units, cells["value_upper_minor"][row] / units
        return Value(
            horizon_days=self._config.horizon_days,
            currency=self._config.currency,
            expected=cells["expected_value"][row],
            if_retained=cells["value_if_retained"][row],
            interval=Interval(self._config.interval.level, lower, upper),
            percentile=int(cells["value_percentile"][row]),
            band=cells["value_band"][row],
        )

    def _churn(self, cells: Mapping[str, list[Any]], row: int) -> Churn:
        return Churn(
            horizon_days=self._config.horizon_days,
            definition=self._config.churn.definition,
            probability=cells["churn_probability"][row],
            calibrated=True,
            percentile=int(cells["churn_percentile"][row]),
            band=cells["churn_band"][row],
        )
