"""The portrait within an answer. Shares are 0 to 1, sub-scores 0 to 100, durations in days."""

from __future__ import annotations

from datetime import date

from churn_value.scoring.part import part


@part
class Labelled:
    """A code and its text in the language asked for."""

    code: str
    label: str


@part
class RfmScores:
    """Recency, frequency, monetary, each 1 to 5, and the segment they make."""

    r: int
    f: int
    m: int | None
    segment: str
    label: str


@part
class Rhythm:
    """The customer's own pace of purchases."""

    typical_gap_days: float | None
    days_since_last_purchase: int | None
    expected_next_purchase: date | None
    overdue_days: int | None


@part
class Attribute:
    """What is on record about the customer: an attribute's name, its label and its value."""

    code: str
    label: str
    value: float | str


@part
class Profile:
    """How long the customer is known, and the attributes that are known."""

    tenure_days: int | None
    attributes: tuple[Attribute, ...]


@part
class Preferred:
    """A category or channel and its share of all lines bought, 0 to 1."""

    name: str
    share: float


@part
class NextBest:
    """An item the customer is likely to buy soon: probability, and whether it would be a repeat purchase."""

    name: str
    probability: float
    bought_before: bool


@part
class Satisfaction:
    """How content the customer is: index 0 to 100, where it is heading, and what is unresolved; null is not known."""

    level: float | None
    trend: Labelled | None
    open_issues: int | None
    never_asked: bool | None


@part
class PaymentDiscipline:
    """How bills are paid: sub-score 0 to 100, shares late and overdue 0 to 1, mean days late."""

    level: float | None
    late_share: float | None
    overdue_share: float | None
    days_late_mean: float | None


@part
class Portrait:
    """Who the customer is, in a few words; parts that cannot be known are null, not empty."""

    profile: Profile
    lifecycle: Labelled
    rfm: RfmScores | None
    rhythm: Rhythm | None
    preferred_categories: tuple[Preferred, ...] | None
    preferred_channels: tuple[Preferred, ...] | None
    next_best: tuple[NextBest, ...] | None
    satisfaction: Satisfaction | None
    payment: PaymentDiscipline | None
    tags: tuple[Labelled, ...]
