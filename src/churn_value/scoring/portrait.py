"""The portrait: who each customer is, from features, quantities and habits, in the language asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.estimators.feature_rows import FeatureRows
from churn_value.scoring.habits_told import Habits
from churn_value.scoring.lifecycle import expected_next_purchase
from churn_value.scoring.policy_words import PolicyWords
from churn_value.scoring.portrait_parts import (
    Attribute,
    Labelled,
    PaymentDiscipline,
    Portrait,
    Profile,
    RfmScores,
    Rhythm,
    Satisfaction,
)
from churn_value.scoring.quantities import Described, Floats, column, windowed
from churn_value.scoring.wording import Language

# A change of the mean score by less than five points of a hundred is noise of a few answers.
STEADY_SHARE = 0.05
_TRENDS = {
    "en": {code: Labelled(code, code) for code in ("rising", "steady", "falling")},
    "zh": {code: Labelled(code, text) for code, text in (("rising", "上升"), ("steady", "平稳"), ("falling", "下降"))},
}


def whole(value: float) -> int | None:
    """A whole number, or None for NaN."""
    return None if np.isnan(value) else int(value)


def known(value: float) -> float | None:
    """The number, or None for NaN."""
    return None if np.isnan(value) else float(value)


def _rfm(scores: tuple[float, float, float], segment: str | None, labels: Mapping[str, str]) -> RfmScores | None:
    r, f, m = scores
    if segment is None or np.isnan(r) or np.isnan(f):
        return None
    return RfmScores(int(r), int(f), whole(m), segment, labels[segment])


def _rhythm(as_of: date | None, since: float, gap: float, due: float) -> Rhythm | None:
    """Own rhythm; the next purchase is expected only of who has bought on two days at least."""
    if as_of is None or np.isnan(since):
        return None
    if np.isnan(gap):
        return Rhythm(None, int(since), None, None)
    return Rhythm(round(gap, 1), int(since), as_of + timedelta(days=int(due)), max(0, -int(due)))


def _cells(frame: pd.DataFrame | FeatureRows, name: str) -> npt.NDArray[Any]:
    if isinstance(frame, FeatureRows):
        return frame.cells(name)
    found: npt.NDArray[Any] = frame[name].to_numpy()
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """What a portrait shows of a catalog's features, worked out once.

    Attributes
    ----------
    attributes
        Features of what is on record about a customer.
    changes
        Features of the change of satisfaction, the shortest window first.
    has_feedback, has_payments
        Whether the tables have any.
    """

    attributes: tuple[Described, ...]
    changes: tuple[str, ...]
    has_feedback: bool
    has_payments: bool

    @classmethod
    def of(cls, features: Sequence[Described]) -> Self:
        """Of these features."""
        sources = {feature.source for feature in features}
        return cls(
            tuple(feature for feature in features if feature.name.startswith("attr_")),
            tuple(name for _, name in windowed(features, "satisfaction_change")),
            "feedback" in sources,
            "payments" in sources,
        )


def profiles(
    frame: pd.DataFrame | FeatureRows, tenure: Floats, shown: Sequence[Described], language: Language
) -> list[Profile]:
    """Tenure and known attributes of each customer."""
    labels = [(f.name.removeprefix("attr_"), f.en if language == "en" else f.zh) for f in shown]
    columns = [_cells(frame, f.name).tolist() for f in shown]
    rows = zip(*columns, strict=True) if columns else ((),) * len(frame)
    return [
        Profile(
            whole(days),
            tuple(
                Attribute(code, label, cell)
                for (code, label), cell in zip(labels, row, strict=True)
                if cell is not None and cell == cell  # noqa: PLR0124 - only NaN differs from itself
            ),
        )
        for days, row in zip(tenure.tolist(), rows, strict=True)
    ]


def satisfaction_of(
    facts: Mapping[str, Floats],
    level: Floats,
    frame: pd.DataFrame | FeatureRows,
    shown: Shown,
    language: Language,
) -> list[Satisfaction | None]:
    """Satisfaction index, trend and open issues; None for everybody where the tables have no feedback.

    The trend is the mean score within the shortest window that has one minus the mean of all time before: rising or
    falling from five points of a hundred on.
    """
    if not shown.has_feedback:
        return [None] * len(frame)
    change = np.full(len(frame), np.nan)
    for name in shown.changes:
        change = np.where(np.isnan(change), column(frame, name), change)
    asked = column(frame, "never_asked")
    trends = _TRENDS[language]
    rows = zip(level.tolist(), change.tolist(), facts["open_tickets"].tolist(), asked.tolist(), strict=True)
    return [
        Satisfaction(known(index), _trend(moved, trends), whole(issues), None if np.isnan(never) else never > 0)
        for index, moved, issues, never in rows
    ]


def _trend(moved: float, trends: Mapping[str, Labelled]) -> Labelled | None:
    if np.isnan(moved):
        return None
    return trends["steady" if abs(moved) < STEADY_SHARE else "rising" if moved > 0 else "falling"]


def payment_of(facts: Mapping[str, Floats], level: Floats, shown: Shown) -> list[PaymentDiscipline | None]:
    """Payment discipline; None where nothing is known, for everybody where the tables have no payments."""
    if not shown.has_payments:
        return [None] * len(level)
    cells = (level, *(facts[name] for name in ("late_share", "overdue_share", "days_late_mean")))
    rows = ([known(cell) for cell in row] for row in zip(*(c.tolist() for c in cells), strict=True))
    return [PaymentDiscipline(*row) if any(cell is not None for cell in row) else None for row in rows]


@dataclass(frozen=True, slots=True)
class Subjects:
    """Who portraits are made of: feature rows, what is known of them, and the date; in the same order."""

    frame: pd.DataFrame | FeatureRows
    facts: Mapping[str, Floats]
    quantities: Mapping[str, npt.NDArray[Any]]
    as_of: Sequence[date | None]
    habits: Sequence[Habits]


class Portraits:
    """Portraits of rows, in their order; nothing is made before it is asked for: a table shows only parts of them.

    Parameters
    ----------
    subjects
        The rows.
    tags
        Of each row.
    shown
        Of the bundle's features: without any of a table its part of the portrait is null.
    words
        Of the policy, in the language of the portraits.
    """

    def __init__(
        self, subjects: Subjects, tags: Sequence[tuple[Labelled, ...]], *, shown: Shown, words: PolicyWords
    ) -> None:
        self._subjects, self.tags = subjects, tags
        self._shown, self._words = shown, words

    @cached_property
    def lifecycles(self) -> list[Labelled]:
        """Stages of life."""
        return [self._words.stages[stage] for stage in self._subjects.quantities["lifecycle"].tolist()]

    @cached_property
    def rfm(self) -> list[RfmScores | None]:
        """Recency, frequency, monetary and segments."""
        quantities, labels = self._subjects.quantities, self._words.segments
        scores = zip(*(quantities[name].tolist() for name in "rfm"), strict=True)
        return [_rfm(cell, own, labels) for cell, own in zip(scores, quantities["segment"].tolist(), strict=True)]

    @cached_property
    def rhythms(self) -> list[Rhythm | None]:
        """Paces of purchases."""
        since, gap = (self._subjects.facts[name] for name in ("days_since_last_purchase", "mean_gap_days"))
        due = expected_next_purchase(since, gap).tolist()
        return list(map(_rhythm, self._subjects.as_of, since.tolist(), gap.tolist(), due))

    @cached_property
    def all(self) -> list[Portrait]:
        """The whole portraits."""
        subjects, shown, language = self._subjects, self._shown, self._words.language
        frame, facts, quantities = subjects.frame, subjects.facts, subjects.quantities
        parts = zip(
            profiles(frame, facts["tenure_days"], shown.attributes, language),
            self.lifecycles,
            self.rfm,
            self.rhythms,
            subjects.habits,
            satisfaction_of(facts, quantities["satisfaction"], frame, shown, language),
            payment_of(facts, quantities["payment"], shown),
            self.tags,
            strict=True,
        )
        return [
            Portrait(
                profile=profile,
                lifecycle=stage,
                rfm=rfm,
                rhythm=rhythm,
                preferred_categories=own.categories,
                preferred_channels=own.channels,
                next_best=own.next_best,
                satisfaction=satisfaction,
                payment=payment,
                tags=worn,
            )
            for profile, stage, rfm, rhythm, own, satisfaction, payment, worn in parts
        ]
