"""The answer for one customer: what batch tables hold and the service returns.

Plain dataclasses, because a base of a million customers makes a million of them; their JSON and its schema
come from pydantic. Amounts are in currency units, shares and probabilities 0 to 1, sub-scores 0 to 100, percentiles 1
to 100.
"""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import TypeAdapter

from churn_value.scoring.answer_tiers import Levers, Tier
from churn_value.scoring.part import part
from churn_value.scoring.portrait_parts import Portrait

SCHEMA_VERSION = "1.0"
Status = Literal["ok", "partial", "ineligible", "not_found", "invalid"]
WarningCode = Literal[
    "FEATURE_MISSING", "UNSEEN_CATEGORY", "OUT_OF_RANGE", "STALE", "NOT_IN_COHORT", "NOT_FOUND", "INVALID_INPUT"
]
Importance = Literal["high", "medium", "low"]


@part
class ModelName:
    """Which model answered."""

    name: str
    version: str
    trained_through: str | None


@part
class PolicyName:
    """Which policy placed the customer."""

    id: str
    version: int
    sha256: str


@part
class Interval:
    """Prediction interval of the value [currency units]."""

    level: float
    lower: float
    upper: float


@part
class Value:
    """What the customer will be worth within the horizon [currency units]."""

    horizon_days: int
    currency: str
    expected: float
    if_retained: float
    interval: Interval
    percentile: int
    band: str


@part
class Churn:
    """Whether the customer will leave within the horizon."""

    horizon_days: int
    definition: str
    probability: float
    calibrated: bool
    percentile: int
    band: str


@part
class Scores:
    """Sub-scores 0 to 100; null where nothing is known, and then the weight was shared out."""

    overall: float | None
    value: float | None
    behaviour: float | None
    satisfaction: float | None
    payment: float | None
    need: float | None
    weight_shared_out: tuple[str, ...]


@part
class ValueAtRisk:
    """Churn probability × value if retained, on the value's horizon [currency units]."""

    amount: float
    basis: str


@part
class Reason:
    """One driver of one head: a group of features that belong together, and its sum of exact contributions.

    `feature`, `value` and `typical` are those of the feature of the group that says most; amounts in `value` and
    `typical` are in currency units. `typical_of` names the customers whose median (or most frequent category) `typical`
    is: ``once``, ``every_<from>_<to>_days`` or ``over_<from>_days`` for those who buy in the same rhythm,
    ``repeatedly`` where nearly all have one rhythm, else ``all``.
    """

    code: str
    feature: str
    value: float | str | None
    typical: float | str | None
    typical_of: str | None
    contribution: float
    direction: Literal["up", "down"]
    importance: Importance
    text: str


@part
class Reasons:
    """Reasons of both heads, largest first; `value` is empty for models without a value head."""

    churn: tuple[Reason, ...]
    value: tuple[Reason, ...]


@part
class Sum:
    """The books of a head: ``base + sum_contributions = raw`` on the raw scale, before calibration."""

    scale: str
    base: float
    sum_contributions: float
    raw: float


@part
class Explain:
    """The books of both heads."""

    churn: Sum
    value: Sum | None


@part
class Action:
    """Something to do for the customer; priority 1 comes first, `about` names items that suit the customer."""

    code: str
    priority: int
    channel: str
    owner: str
    sla_days: int
    text: str
    about: tuple[str, ...] = ()


@part
class Disagreement:
    """Two judgements of the customer that point apart: rule and model, or value and satisfaction."""

    code: str
    text: str


@part
class InputWarning:
    """Something about the input that makes the answer weaker, or impossible."""

    code: WarningCode
    field: str | None


@part
class Answer:
    """Everything about one customer; parts that cannot be known are null."""

    index: int
    customer_id: str | None
    status: Status
    as_of: date | None
    expires_at: date | None
    model: ModelName
    policy: PolicyName
    value: Value | None = None
    churn: Churn | None = None
    scores: Scores | None = None
    tier: Tier | None = None
    portrait: Portrait | None = None
    value_at_risk: ValueAtRisk | None = None
    reasons: Reasons | None = None
    explain: Explain | None = None
    actions: tuple[Action, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    levers: Levers | None = None
    warnings: tuple[InputWarning, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON-ready values: dates as ISO text, tuples as lists."""
        dumped: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return dumped

    def to_json(self) -> bytes:
        """The answer as UTF-8 JSON."""
        return _ADAPTER.dump_json(self)


_ADAPTER: TypeAdapter[Answer] = TypeAdapter(Answer)


def json_schema() -> dict[str, Any]:
    """JSON schema of an answer, for the service's OpenAPI document."""
    return _ADAPTER.json_schema(mode="serialization")
