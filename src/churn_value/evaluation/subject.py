"""What a card and a report are about, and how its numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from churn_value.config import Config
from churn_value.estimators.bootstrap import Estimate
from churn_value.evaluation.checks import Check
from churn_value.evaluation.results import MEASURES, Evaluation, Measure, has_interval
from churn_value.timeline import EPOCH

Language = Literal["en", "zh"]
CHURN_TEXTS: Mapping[str, tuple[str, str]] = {
    "no_purchase": ("no purchase within the horizon", "预测期内没有购买"),
    "no_visit": ("no visit within the horizon", "预测期内没有访问"),
    "contract_end": ("the contract ends within the horizon", "预测期内合同终止"),
    "label": ("as given in the label column", "以标签列为准"),
}
COHORT_TEXTS: Mapping[str, tuple[str, str]] = {
    "purchased": ("customers with a purchase before as_of", "as_of 之前有过购买的客户"),
    "visited": ("customers with a visit before as_of", "as_of 之前有过访问的客户"),
    "active_contract": ("customers with a running contract at as_of", "as_of 时合同有效的客户"),
    "everyone": ("every customer known at as_of", "as_of 时已知的所有客户"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A trained model and everything that was found about it.

    Parameters
    ----------
    config
        Of the company.
    manifest
        Of the data set: hashes, spans, counts per fold, table reports.
    evaluation, checks
        Of this training.
    bundle
        Content address of the bundle.
    created_at
        ISO instant of the training.
    trained_through
        Newest as_of learned from, as an ISO day.
    minor_per_major
        Minor units in one unit of the currency.
    params
        Chosen settings by head, for the card.
    left_out
        Attributes that say no more than chance, which the model does not use.
    """

    config: Config
    manifest: Mapping[str, Any]
    evaluation: Evaluation
    checks: tuple[Check, ...]
    bundle: str
    created_at: str
    trained_through: str
    minor_per_major: int = 100
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def measures(self) -> list[Measure]:
        """Measures that at least one system has, in their order."""
        metrics = self.evaluation.metrics
        return [m for m in MEASURES if any(m.name in found for found in metrics.values())]

    def cell(self, measure: Measure, system: str) -> str:
        """One system's figure as text; a dash where it does not apply."""
        found = self.evaluation.of(measure.name, system)
        return "–" if found is None else number(found.value, measure, self.minor_per_major)

    def interval(self, measure: Measure, system: str) -> str:
        """The interval of one system's figure as text; empty where unknown."""
        found = self.evaluation.of(measure.name, system)
        return "" if found is None else _ends(found, measure, self.minor_per_major)

    @property
    def tested_at(self) -> str:
        """Test dates as text; a dash for undated snapshots, which are split by customer."""
        return ", ".join(day for day in self.evaluation.as_of if day != EPOCH.isoformat()) or "–"

    def population(self, language: Language) -> str:
        """Who is scored, in words."""
        text = COHORT_TEXTS[self.config.cohort.rule][language == "zh"]
        days = self.config.cohort.lookback_days
        if days is None:
            return text
        return f"{text}（近 {days} 天内）" if language == "zh" else f"{text}, within {days} days"


def number(value: float, measure: Measure, minor_per_major: int) -> str:
    """A figure in its unit: money in major units, shares in percent, others with four decimals."""
    if not math.isfinite(value):
        return "–"
    if measure.unit == "minor":
        return f"{value / minor_per_major:,.2f}"
    return f"{value:.1%}" if measure.unit == "share" else f"{value:.4f}"


def _ends(found: Estimate, measure: Measure, minor_per_major: int) -> str:
    if not has_interval(found):
        return ""
    return f"{number(found.lower, measure, minor_per_major)} … {number(found.upper, measure, minor_per_major)}"
