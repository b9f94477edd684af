"""From places to tiers as answers show them: hand-set ones, dates, the past, the way to the next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt

from churn_value.scoring.answer_tiers import NextTier, Tier, TierEntered, TierOverride
from churn_value.scoring.overrides import Override
from churn_value.scoring.portrait import known
from churn_value.scoring.previous import Previous
from churn_value.scoring.tiers import NOWHERE, Placed

LONGEST_HISTORY = 12


def shown_places(placed: Placed, set_by_hand: Sequence[Override | None], codes: Sequence[str]) -> npt.NDArray[np.int64]:
    """Position of each customer's tier, where an override stands before what the policy gave. Shape (n,)."""
    by_hand = [NOWHERE if one is None else codes.index(one.tier) for one in set_by_hand]
    return np.where(np.array(by_hand, dtype=np.int64) == NOWHERE, placed.tier, by_hand)


class TierTeller:
    """Makes the tiers of a batch, in the order of its rows."""

    def __init__(self, placed: Placed, codes: Sequence[str], before: Previous, labels: Sequence[str]) -> None:
        self._placed, self._before = placed, before
        self._codes, self._labels = codes, labels

    def tiers(
        self,
        shown: npt.NDArray[np.int64],
        set_by_hand: Sequence[Override | None],
        as_of: Sequence[date | None],
    ) -> list[Tier | None]:
        """Tiers of the rows; None where no percentile is known, no rule holds and nobody set one by hand."""
        rows = zip(shown.tolist(), set_by_hand, as_of, strict=True)
        return [
            None if place == NOWHERE else self._tier(row, place, override, day)
            for row, (place, override, day) in enumerate(rows)
        ]

    def _tier(self, row: int, place: int, override: Override | None, day: date | None) -> Tier:
        before, own = self._before, int(self._placed.tier[row])
        code, gap = self._codes[place], known(self._placed.gap[row])
        since = before.since[row] if before.codes[row] == code else day
        return Tier(
            code=code,
            rank=place + 1,
            label=self._labels[place],
            previous=before.codes[row],
            since=since,
            source=self._source(row) if override is None else "override",
            held_by=self._held_by(row) if override is None else None,
            to_next=None if gap is None or override else NextTier(self._codes[place - 1], round(gap, 1)),
            own_code=None if own == NOWHERE else self._codes[own],
            own_since=before.own_since[row] if before.before.tier[row] == own else day,
            override=None if override is None else TierOverride(override.reason, override.owner, override.expires),
            history=_history(before.history[row], before.codes[row], before.since[row], TierEntered(code, since)),
        )

    def _source(self, row: int) -> Literal["model", "rule"]:
        return "rule" if self._placed.by_rule[row] else "model"

    def _held_by(self, row: int) -> Literal["hysteresis", "min_dwell"] | None:
        if self._placed.held_by_dwell[row]:
            return "min_dwell"
        return "hysteresis" if self._placed.held_by_hysteresis[row] else None


def _history(
    past: tuple[TierEntered, ...], code: str | None, since: date | None, now: TierEntered
) -> tuple[TierEntered, ...]:
    """Tiers entered, oldest first, the present one last; at most `LONGEST_HISTORY`."""
    if not past and code is not None:
        past = (TierEntered(code, since),)
    return (past if past and past[-1].code == now.code else (*past, now))[-LONGEST_HISTORY:]
