"""The parts of an answer that are about tiers: where the customer stands, stood and could stand."""

from __future__ import annotations

from datetime import date
from typing import Literal

from churn_value.scoring.part import part


@part
class NextTier:
    """The next better tier and the points missing to it: of the percentile, or of the share of value."""

    code: str
    gap: float


@part
class TierEntered:
    """A tier of the past, or the present one, and the day it was entered."""

    code: str
    since: date | None


@part
class TierOverride:
    """Why, by whom and until when (last day included) a tier was set by hand."""

    reason: str
    owner: str
    expires: date


@part
class Tier:
    """The tier; `rank` 1 is best, `since` the day it was entered, `held_by` what kept it from changing.

    `own_code` and `own_since` are what the policy gave by itself: another tier only where `source` is ``override``.
    `history` has the tiers entered, the oldest first and the present one last.
    """

    code: str
    rank: int
    label: str
    previous: str | None
    since: date | None
    source: Literal["model", "rule", "override"]
    held_by: Literal["hysteresis", "min_dwell"] | None
    to_next: NextTier | None
    own_code: str | None
    own_since: date | None
    override: TierOverride | None
    history: tuple[TierEntered, ...]


@part
class Move:
    """Something that would lead into a better tier, and what the changed customer was scored with.

    `spend` is what the purchase among the levers costs the customer [currency units]; null without one.
    """

    levers: tuple[str, ...]
    text: str
    spend: float | None
    tier: str
    label: str
    overall: float | None
    churn_probability: float
    expected_value: float | None


@part
class Levers:
    """What would move the tier, the least first; `text` says so too when nothing within reach does."""

    text: str
    moves: tuple[Move, ...]
