"""The sections of a policy, each a frozen model that refuses unknown keys.

`policy.Policy` puts them together and checks the rules that run across sections.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from churn_value.scoring.wording import Language

Code = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,30}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Points = Annotated[float, Field(ge=0, le=100)]
Written = dict[str, str | float | list[str]]
SUB_SCORES = ("value", "behaviour", "satisfaction", "payment", "need")


class Strict(BaseModel):
    """A part of a policy: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Text(Strict):
    """One text in both languages."""

    en: Annotated[str, Field(min_length=1)]
    zh: Annotated[str, Field(min_length=1)]

    def said(self, language: Language) -> str:
        """The text in `language`."""
        return self.en if language == "en" else self.zh


class Weights(Strict):
    """Weight of each sub-score in the overall score; only their proportions matter.

    Where a customer has no sub-score of a kind, its weight is shared out among the others in proportion.
    """

    value: Points
    behaviour: Points
    satisfaction: Points
    payment: Points
    need: Points

    @model_validator(mode="after")
    def _some_weight(self) -> Self:
        if self.value + self.behaviour <= 0:
            msg = "value and behaviour may not both weigh nothing: the other three may be unknown"
            raise ValueError(msg)
        return self


class SatisfactionRule(Strict):
    """How the satisfaction sub-score is made; see `subscores.satisfaction`."""

    shrink_answers: Annotated[float, Field(gt=0)] = 3.0
    points_per_complaint: Points = 5.0
    points_per_open_ticket: Points = 10.0
    max_penalty_points: Points = 40.0


class PaymentRule(Strict):
    """How the payment sub-score is made; see `subscores.payment`."""

    halved_at_days_late: Annotated[float, Field(gt=0)] = 30.0


class Band(Strict):
    """A named range of a quantity, from a lower end up to the next band."""

    code: Code
    label: Text
    from_: Annotated[float, Field(alias="from", ge=0)]


class Bands(Strict):
    """Ranges of the value percentile (1 to 100) and of the churn probability (0 to 1), highest first."""

    value: tuple[Band, ...] = Field(min_length=1)
    churn: tuple[Band, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _descending(self) -> Self:
        for name in ("value", "churn"):
            ends = [band.from_ for band in getattr(self, name)]
            if ends[-1] != 0 or any(high <= low for high, low in pairwise(ends)):
                msg = f"bands.{name} must go from high to low and end with `from: 0`, received {ends}"
                raise ValueError(msg)
        return self


class Ruled(Strict):
    """Anything with a condition; see `rules` for the language of ``when``."""

    when: Written = Field(default_factory=dict)


class Level(Strict):
    """A tier; `from_percentile` is where it begins by percentile, `to_value_share` where it ends by share of value."""

    code: Code
    label: Text
    from_percentile: Points | None = None
    to_value_share: Annotated[float, Field(ge=0.01, le=1)] | None = None


class TierRule(Ruled):
    """A condition that puts a customer into a tier; `immediate` ones do not wait for the minimum dwell."""

    tier: Code
    immediate: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class RulePlaces:
    """Rules of tiers as arrays, of shape (rules + 1,); the last entry is for who meets none.

    Compared by identity, as pydantic compares what a model keeps, and arrays have no one answer.

    Attributes
    ----------
    tier
        Place of the tier that each rule gives; -1 for none.
    immediate
        Whether it moves a customer at once.
    """

    tier: npt.NDArray[np.int64]
    immediate: npt.NDArray[np.bool_]


class Tiers(Strict):
    """Tiers, best first, and how a customer gets into one.

    ``percentile``: by the reference percentile of the quantity `by`; or, by ``value_share``, by how much of all
    expected value is held by customers worth as much or more: a first tier up to 0.8 is the 80 of 80/20. ``rule``: by
    the first rule that holds. ``both``: `precedence` says which is taken – ``rule`` (a rule that holds decides, the
    percentile decides for all others), or the ``higher`` or ``lower`` tier of the two.
    """

    mode: Literal["percentile", "rule", "both"]
    by: Literal["overall", "expected_value", "value_share"] = "overall"
    precedence: Literal["rule", "higher", "lower"] | None = None
    levels: tuple[Level, ...] = Field(min_length=2)
    rules: tuple[TierRule, ...] = ()

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Codes of the tiers, best first."""
        return tuple(level.code for level in self.levels)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(set(self.codes)) < len(self.codes):
            msg = f"tier codes must differ, received {list(self.codes)}"
            raise ValueError(msg)
        if (self.mode == "both") != (self.precedence is not None):
            msg = "precedence (rule, higher or lower) must be stated with mode `both`, and only there"
            raise ValueError(msg)
        if (self.mode != "percentile") != bool(self.rules):
            msg = "modes `rule` and `both` need rules, mode `percentile` has none"
            raise ValueError(msg)
        for rule in self.rules:
            if rule.tier not in self.codes:
                msg = f"a rule names the tier {rule.tier}; the tiers are {', '.join(self.codes)}"
                raise ValueError(msg)
        return self._with_cuts()

    @cached_property
    def cuts(self) -> tuple[float, ...]:
        """Where each tier begins, on a scale from 1 to 100: of the percentile, or of 101 less the percent of value."""
        if self.by != "value_share":
            return tuple(level.from_percentile or 0.0 for level in self.levels)
        shares = [level.to_value_share for level in self.levels]
        return tuple(0.0 if share in (None, 1) else 101.0 - round(100 * share) for share in shares)

    @cached_property
    def rule_places(self) -> RulePlaces:
        """Its rules as arrays."""
        return RulePlaces(
            np.array([*(self.codes.index(rule.tier) for rule in self.rules), -1], dtype=np.int64),
            np.array([*(rule.immediate for rule in self.rules), False], dtype=np.bool_),
        )

    @property
    def by_percentile(self) -> frozenset[str]:
        """Tiers that some whole percentile from 1 to 100 leads to."""
        if self.mode == "rule":
            return frozenset()
        starts = list(zip(self.codes, self.cuts, strict=True))
        return frozenset(next(code for code, cut in starts if place >= cut) for place in range(1, 101))

    def _with_cuts(self) -> Self:
        if self.mode == "rule":
            return self
        if self.by == "value_share":
            return self._with_shares()
        cuts = [level.from_percentile for level in self.levels]
        known_cuts = [cut for cut in cuts if cut is not None]
        falling = all(high > low for high, low in pairwise(known_cuts))
        if len(known_cuts) < len(cuts) or not falling or cuts[-1] != 0:
            msg = f"from_percentile must fall from tier to tier and end with 0, received {cuts}"
            raise ValueError(msg)
        return self

    def _with_shares(self) -> Self:
        """Shares of value rise to the whole; only tiers that rules give may come after."""
        shares = [level.to_value_share for level in self.levels]
        known_shares = [share for share in shares if share is not None]
        rising = all(low < high and low == round(low, 2) for low, high in pairwise(known_shares))
        if not rising or known_shares != shares[: len(known_shares)] or 1 not in known_shares:
            msg = f"to_value_share must rise in whole percents from tier to tier and end with 1, received {shares}"
            raise ValueError(msg)
        if any(level.from_percentile is not None for level in self.levels):
            msg = "tiers by value_share have to_value_share, and no from_percentile"
            raise ValueError(msg)
        return self


class Stability(Strict):
    """What keeps noise from flipping tiers when the customer's previous tier is known."""

    hysteresis_points: Points = 0.0
    min_dwell_days: Annotated[int, Field(ge=0, le=3650)] = 0


class SegmentRule(Ruled):
    """A cell, or several, of the recency × frequency × monetary cube."""

    code: Code
    label: Text


Cuts = Annotated[tuple[float, ...], Field(min_length=4, max_length=4)]


class Rfm(Strict):
    """Scores 1 to 5 by quintile of the reference population or by four given cuts, and the segments they make."""

    recency_days: Literal["quintiles"] | Cuts = "quintiles"
    frequency: Literal["quintiles"] | Cuts = "quintiles"
    monetary: Literal["quintiles"] | Cuts = "quintiles"
    segments: tuple[SegmentRule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for name in ("recency_days", "frequency", "monetary"):
            cuts = getattr(self, name)
            if cuts != "quintiles" and list(cuts) != sorted(set(cuts)):
                msg = f"rfm.{name} must be four rising numbers, received {list(cuts)}"
                raise ValueError(msg)
        return self


class Stage(Ruled):
    """A stage of the customer's life with the company."""

    code: Code
    label: Text


class Disagreement(Ruled):
    """Two judgements of a customer that point apart, as a sentence for whoever has to decide."""

    code: Code
    text: Text


class Tag(Ruled):
    """A label that a customer has or has not; not exclusive."""

    code: Code
    label: Text


class Action(Strict):
    """Something to do for a customer; `about` lets its text name what the customer is likely to buy next."""

    channel: Literal["phone", "email", "message", "visit", "app", "post", "none"]
    owner: Code
    sla_days: Annotated[int, Field(ge=0, le=365)]
    text: Text
    about: Literal["next_best"] | None = None


class Play(Ruled):
    """Who gets which actions, most urgent first."""

    actions: tuple[Code, ...]
