"""The one scoring path: a bundle and feature rows in, one answer per row out.

Pure: no clock, no network, no random numbers. A row's answer has the same bits whether it is scored alone, in a batch
or in another order, because everything it is compared with is frozen in the bundle.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import RequestError
from churn_value.scoring.actions import actions, disagreements, tags
from churn_value.scoring.answer import Answer
from churn_value.scoring.assembly import Assembler, Batch, Told, cells_of
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.cohort import eligible
from churn_value.scoring.inputs import Inputs, checked
from churn_value.scoring.overrides import Override, TierOverrides
from churn_value.scoring.portrait import portraits
from churn_value.scoring.previous import Previous, previous_of
from churn_value.scoring.quantities import TIER_STEPS, facts
from churn_value.scoring.standing import coded, standing
from churn_value.scoring.tier_answers import TierTeller, shown_places
from churn_value.scoring.tiers import place
from churn_value.scoring.wording import Language, language_of
from churn_value.timeline import EPOCH

MOST_REASONS = 20


def score(
    bundle: Bundle,
    features: pd.DataFrame,
    *,
    locale: str = "en",
    explain: bool = True,
    top: int = 5,
    previous: pd.DataFrame | None = None,
    overrides: TierOverrides | None = None,
    now: date | None = None,
    threads: int = 1,
) -> list[Answer]:
    """Answers for feature rows, in their order.

    Parameters
    ----------
    bundle
        The model with its policy and reference population.
    features
        One row per customer: ``customer_id`` (text), ``as_of`` (date) and the catalog's features. Other columns are
        ignored; a missing feature is read as null, with a warning, and the answer's status is ``partial``.
    locale
        ``en`` or ``zh``, with or without a region.
    explain
        Whether to give reasons; they cost most of the time.
    top
        Reasons per head, 0 to 20.
    previous
        Customers' previous answers: ``customer_id``, ``tier``, ``since``, and if known ``own_tier``, ``own_since``,
        ``history`` and ``lifecycle`` (see `previous`). Without them no tier is held and no stage depends on the one
        before.
    overrides
        Tiers set by hand; one that has expired by `now` (else by the row's as_of) is left aside.
    now
        Today, for warnings about stale features; None gives none.
    threads
        Of the boosters; the bits do not depend on it.

    Returns
    -------
    list of Answer
        ``ok``, ``partial``, ``ineligible`` (not in the cohort the model was trained for) or ``invalid``.

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
    inputs = checked(
        features,
        bundle.catalog.features,
        categories=bundle.model.design.categories,
        reference=bundle.reference,
        undated=EPOCH if bundle.config.is_snapshot else None,
    )
    if overrides is not None:
        overrides.check(bundle.policy.tiers.codes)
    prior = previous_of(previous, inputs, bundle.policy)
    rows = np.flatnonzero(inputs.valid & eligible(features, bundle.config))
    assembler = Assembler(bundle, inputs, now)
    if not rows.size:
        return [assembler.unscored(row) for row in range(len(inputs.ids))]
    taken = _Rows.taken(inputs, prior, rows, overrides or TierOverrides(), now)
    batch = _batch(bundle, taken, language=language, threads=threads)
    told = Told(batch, bundle, language=language, top=top, threads=threads) if explain else None
    places = {row: at for at, row in enumerate(rows.tolist())}
    return [
        assembler.scored(row, batch, places[row], told) if row in places else assembler.unscored(row)
        for row in range(len(inputs.ids))
    ]


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows that can be scored."""

    frame: pd.DataFrame
    as_of: list[date | None]
    before: Previous
    set_by_hand: list[Override | None]

    @classmethod
    def taken(
        cls, inputs: Inputs, prior: Previous, rows: npt.NDArray[np.int64], overrides: TierOverrides, now: date | None
    ) -> _Rows:
        picked = rows.tolist()
        as_of = [inputs.as_of[row] for row in picked]
        by_hand = [overrides.at(inputs.ids[row], now or inputs.as_of[row]) for row in picked]
        return cls(inputs.frame.iloc[rows].reset_index(drop=True), as_of, prior.taken(rows), by_hand)


def _batch(bundle: Bundle, rows: _Rows, *, language: Language, threads: int) -> Batch:
    """Predict and place the rows, all columns at once."""
    policy, size = bundle.policy, len(rows.frame)
    prediction = bundle.model.predict(rows.frame, threads=threads)
    known = facts(rows.frame, prediction, bundle.catalog.features)
    quantities = standing(known, bundle.frozen, rows.before.lifecycle)
    placed = place(quantities, policy, rows.before.before)
    quantities[TIER_STEPS] = placed.steps_apart
    shown = shown_places(placed, rows.set_by_hand, policy.tiers.levels)
    quantities["tier"] = coded(shown, policy.tiers.codes)
    worn = tags(policy, quantities, size, language)
    return Batch(
        frame=rows.frame,
        prediction=prediction,
        cells=cells_of(quantities, prediction),
        tiers=TierTeller(placed, policy.tiers.levels, rows.before, language).tiers(shown, rows.set_by_hand, rows.as_of),
        portraits=portraits(known, quantities, rows.as_of, worn, policy=policy, language=language),
        actions=actions(policy, quantities, size, language),
        disagreements=disagreements(policy, quantities, size, language),
    )
