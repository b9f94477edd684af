"""The one scoring path: a bundle and feature rows in, one answer per row out.

Pure: no clock, no network, no random numbers. A row's answer has the same bits whether it is scored alone, in a batch
or in another order, because everything it is compared with is frozen in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import RequestError
from churn_value.estimators.feature_rows import FeatureRows
from churn_value.scoring.actions import Judged
from churn_value.scoring.answer_tiers import Levers
from churn_value.scoring.answers import Answers
from churn_value.scoring.assembly import Assembler, Batch, Told, cells_of
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.cohort import eligible
from churn_value.scoring.habits_told import Habits, naming
from churn_value.scoring.inputs import Inputs, checked
from churn_value.scoring.levers import LeverTeller, Tried
from churn_value.scoring.offered import Offered
from churn_value.scoring.overrides import Override, TierOverrides
from churn_value.scoring.portrait import Portraits, Subjects
from churn_value.scoring.previous import Previous, previous_of
from churn_value.scoring.quantities import TIER_STEPS, Floats, Predicted, facts
from churn_value.scoring.standing import coded, standing
from churn_value.scoring.tier_answers import TierTeller, shown_places
from churn_value.scoring.tiers import Placed, place
from churn_value.scoring.wording import Language, language_of, minor_units
from churn_value.timeline import EPOCH

MOST_REASONS = 20


def score(
    bundle: Bundle,
    features: pd.DataFrame | Offered,
    *,
    locale: str = "en",
    explain: bool = True,
    top: int = 5,
    previous: pd.DataFrame | Mapping[str, Mapping[str, Any]] | None = None,
    overrides: TierOverrides | None = None,
    levers: bool = False,
    now: date | None = None,
    threads: int = 1,
) -> Answers:
    """Answers for feature rows, in their order.

    Parameters
    ----------
    bundle
        The model with its policy and reference population.
    features
        One row per customer: ``customer_id`` (text), ``as_of`` (date) and the catalog's features. Habits beside them
        (see `recommendation.habits.with_habits`) go into portrait and actions, other columns are ignored. A missing
        feature is read as null, with a warning, and the answer's status is ``partial``. Or the same as `Offered`.
    locale
        ``en`` or ``zh``, with or without a region.
    explain
        Whether to give reasons; they cost most of the time.
    top
        Reasons per head, 0 to 20.
    previous
        Customers' previous answers: ``customer_id``, ``tier``, ``since``, and if known ``own_tier``, ``own_since``,
        ``history`` and ``lifecycle`` (see `previous`); a table, or by customer_id. Without them no tier is held and no
        stage depends on the one before.
    overrides
        Tiers set by hand; one that has expired by `now` (else by the row's as_of) is left aside.
    levers
        Whether to say what would move the tier: each customer is scored again with every change, some dozen times.
    now
        Today, for warnings about stale features; None gives none.
    threads
        Of the boosters; the bits do not depend on it.

    Returns
    -------
    Answers
        Each is made when it is asked for; `answers_to_frame` makes a table without any. Their status is ``ok``,
        ``partial``, ``ineligible`` (not in the cohort the model was trained for) or ``invalid``.

    Raises
    ------
    RequestError
        When the locale or `top` is out of range.
    SchemaError, FingerprintMismatch
        When the table has no keys, or none of the features.
    DataContractError
        ``OVERRIDE_TIER_UNKNOWN``, when an override names no tier of the policy.
    """
    if not 0 <= top <= MOST_REASONS:
        raise RequestError("top must be 0 to 20", code="TOP_OUT_OF_RANGE", where="top", received=str(top))
    language = language_of(locale)
    offered = features if isinstance(features, Offered) else Offered.of(features, bundle.expected)
    inputs = checked(offered, bundle.expected, undated=EPOCH if bundle.config.is_snapshot else None)
    if overrides is not None:
        overrides.check(bundle.policy.tiers.codes)
    prior = previous_of(previous, inputs, bundle.policy)
    rows = np.flatnonzero(inputs.valid & eligible(offered, bundle.config))
    assembler = Assembler(bundle, inputs, now)
    if not rows.size:
        return Answers(assembler, len(inputs.ids))
    habits = [Habits(offered.habits[row]) for row in rows.tolist()]
    taken = _Rows.taken(inputs, prior, rows, overrides or TierOverrides(), now=now, habits=habits)
    batch = _batch(bundle, taken, language=language, levers=levers, threads=threads)
    told = Told(batch, bundle, language=language, top=top, threads=threads) if explain else None
    return Answers(assembler, len(inputs.ids), rows.tolist(), batch, told)


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows that can be scored."""

    features: FeatureRows
    as_of: list[date | None]
    before: Previous
    set_by_hand: list[Override | None]
    habits: list[Habits]

    @classmethod
    def taken(
        cls,
        inputs: Inputs,
        prior: Previous,
        rows: npt.NDArray[np.int64],
        overrides: TierOverrides,
        *,
        now: date | None,
        habits: list[Habits],
    ) -> _Rows:
        picked = rows.tolist()
        as_of = [inputs.as_of[row] for row in picked]
        by_hand = [overrides.at(inputs.ids[row], now or inputs.as_of[row]) for row in picked]
        return cls(
            inputs.rows if len(rows) == len(inputs.rows) else inputs.rows.taken(rows),
            as_of,
            prior.taken(rows),
            by_hand,
            habits,
        )


@dataclass(frozen=True, slots=True)
class _Scored:
    """Rows predicted and placed, all columns at once."""

    prediction: Predicted
    facts: dict[str, Floats]
    quantities: dict[str, npt.NDArray[Any]]
    placed: Placed

    @classmethod
    def of(cls, bundle: Bundle, frame: pd.DataFrame | FeatureRows, before: Previous, threads: int) -> _Scored:
        prediction = bundle.model.predict(frame, threads=threads)
        known = facts(frame, prediction, bundle.fact_columns)
        quantities = standing(known, bundle.frozen, before.lifecycle)
        placed = place(quantities, bundle.policy, before.before)
        return cls(prediction, known, quantities | {TIER_STEPS: placed.steps_apart}, placed)


def _batch(bundle: Bundle, rows: _Rows, *, language: Language, levers: bool, threads: int) -> Batch:
    """Everything about the rows but reasons."""
    policy, words, size = bundle.policy, bundle.words[language], len(rows.features)
    scored = _Scored.of(bundle, rows.features, rows.before, threads)
    shown = shown_places(scored.placed, rows.set_by_hand, policy.tiers.codes)
    quantities = scored.quantities | {"tier": coded(shown, policy.tiers.codes)}
    judged = Judged.of(policy, quantities, size, words)
    subjects = Subjects(rows.features, scored.facts, quantities, rows.as_of, rows.habits)
    tiers = TierTeller(scored.placed, policy.tiers.codes, rows.before, words.tiers)
    return Batch(
        rows=rows.features,
        prediction=scored.prediction,
        cells=cells_of(quantities, scored.prediction, minor_units(bundle.config.currency)),
        tiers=tiers.tiers(shown, rows.set_by_hand, rows.as_of),
        portraits=Portraits(subjects, judged.tags, shown=bundle.shown, words=words),
        actions=naming(judged.actions, rows.habits, words),
        disagreements=judged.disagreements,
        levers=_levers(bundle, rows, language, threads) if levers else None,
    )


def _levers(bundle: Bundle, rows: _Rows, language: Language, threads: int) -> list[Levers]:
    """What would move each tier: the changed customers are scored as the rows themselves were."""
    free = rows.before.without_dwell()

    def again(frame: pd.DataFrame, whose: npt.NDArray[np.int64]) -> Tried:
        scored = _Scored.of(bundle, frame, free.taken(whose), threads)
        found = scored.quantities
        return Tried(scored.placed.tier, found["overall"], found["churn_probability"], found["expected_value"])

    teller = LeverTeller(rows.features.frame, rows.as_of, again)
    levels, currency = bundle.policy.tiers.levels, bundle.config.currency
    return [teller.told(row, levels, currency=currency, language=language) for row in range(len(rows.features))]
