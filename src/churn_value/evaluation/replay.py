"""What a replay of the past found, date by date, and whether calibration and total drift."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from churn_value.estimators import FloatArray
from churn_value.evaluation.results import MODEL, Evaluation

MONTH_DAYS = 30
KEPT = (
    "churn_auc",
    "churn_log_loss",
    "churn_calibration_error",
    "value_normalised_gini",
    "value_total_bias",
    "value_interval_coverage",
)
LEAST_FOR_TREND = 3


@dataclass(frozen=True, slots=True)
class Point:
    """What was found at one date.

    Attributes
    ----------
    as_of
        ISO day.
    customers, churn_rate
        Of the test rows.
    mean_probability
        Mean predicted churn: beside `churn_rate` it is calibration in the large.
    metrics
        The model's, by the names of `MEASURES`.
    best_baseline
        The best baseline's log-loss and normalised Gini; absent where there is none.
    """

    as_of: str
    customers: int
    churn_rate: float
    mean_probability: float
    metrics: Mapping[str, float]
    best_baseline: Mapping[str, float]

    @property
    def calibration_gap(self) -> float:
        """Mean probability minus churn rate: above 0 the model cried wolf."""
        return self.mean_probability - self.churn_rate


def point_of(evaluation: Evaluation, churn_probability: FloatArray) -> Point:
    """Summary of one date's evaluation."""
    losses = _of_baselines(evaluation, "churn_log_loss")
    ginis = _of_baselines(evaluation, "value_normalised_gini")
    best = {"churn_log_loss": min(losses)} if losses else {}
    best |= {"value_normalised_gini": max(ginis)} if ginis else {}
    metrics = {name: found.value for name in KEPT if (found := evaluation.of(name)) is not None}
    return Point(
        as_of=evaluation.as_of[0],
        customers=evaluation.customers,
        churn_rate=evaluation.churners / evaluation.rows,
        mean_probability=float(churn_probability.mean()),
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
        best_baseline=best,
    )


def _of_baselines(evaluation: Evaluation, metric: str) -> list[float]:
    found = [evaluation.of(metric, name) for name in evaluation.systems if name != MODEL]
    return [estimate.value for estimate in found if estimate is not None and math.isfinite(estimate.value)]


@dataclass(frozen=True, slots=True)
class Drift:
    """How a figure moved over the dates.

    Attributes
    ----------
    name
        ``calibration_gap`` (points of share) or ``value_total_bias`` (predicted over actual).
    mean, worst
        Over the dates; `worst` is the figure farthest from its ideal.
    per_month
        Slope of a least-squares line; NaN below three dates.
    en, zh
        One sentence.
    """

    name: str
    mean: float
    worst: float
    per_month: float
    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Replay:
    """A model's past performance, date by date.

    Attributes
    ----------
    name
        Of the company.
    horizon_days
        Length of the outcome windows.
    points
        Oldest first.
    skipped
        Dates that could not be trained at, with the reason.
    """

    name: str
    horizon_days: int
    points: tuple[Point, ...]
    skipped: Mapping[str, str]

    def frame(self) -> pd.DataFrame:
        """One row per date: counts, calibration in the large, the model's figures, the best baselines'."""
        rows = [
            {
                "as_of": point.as_of,
                "customers": point.customers,
                "churn_rate": point.churn_rate,
                "mean_probability": point.mean_probability,
                "calibration_gap": point.calibration_gap,
                **point.metrics,
                **{f"best_baseline_{name}": value for name, value in point.best_baseline.items()},
            }
            for point in self.points
        ]
        return pd.DataFrame(rows)

    def rows(self) -> tuple[list[str], list[list[object]]]:
        """Measures that any date has, and one row per date: as_of, customers, churned, predicted, those measures."""
        names = [name for name in KEPT if any(name in point.metrics for point in self.points)]
        return names, [
            [p.as_of, p.customers, p.churn_rate, p.mean_probability, *(p.metrics.get(name) for name in names)]
            for p in self.points
        ]

    def drift(self) -> tuple[Drift, ...]:
        """Drift of calibration and, where there is value, of the total."""
        days = [date.fromisoformat(point.as_of).toordinal() for point in self.points]
        found = [_drift("calibration_gap", days, [point.calibration_gap for point in self.points], 0.0)]
        if all("value_total_bias" in point.metrics for point in self.points):
            bias = [point.metrics["value_total_bias"] for point in self.points]
            found.append(_drift("value_total_bias", days, bias, 1.0))
        return tuple(found)

    def to_json(self) -> str:
        """Points and drift as canonical text."""
        content = {
            "name": self.name,
            "horizon_days": self.horizon_days,
            "points": [asdict(point) for point in self.points],
            "drift": [{k: _number(v) for k, v in asdict(drift).items()} for drift in self.drift()],
            "skipped": dict(self.skipped),
        }
        return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _number(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _drift(name: str, days: Sequence[int], figures: Sequence[float], ideal: float) -> Drift:
    values = np.asarray(figures, dtype=np.float64)
    worst = float(values[np.argmax(np.abs(values - ideal))])
    slope = float("nan")
    if len(values) >= LEAST_FOR_TREND:
        slope = float(np.polyfit(np.asarray(days, dtype=np.float64) - days[0], values, 1)[0]) * MONTH_DAYS
    mean = float(values.mean())
    return Drift(name, mean, worst, slope, *_said(name, mean, worst, slope))


def _said(name: str, mean: float, worst: float, slope: float) -> tuple[str, str]:
    if name == "calibration_gap":
        en = f"Predicted churn was {mean:+.1%} points from actual on average, {worst:+.1%} at worst"
        zh = f"预测流失率与实际平均相差 {mean:+.1%}，最大相差 {worst:+.1%}"
        trend_en, trend_zh = f"moving {slope:+.2%} a month", f"每月变动 {slope:+.2%}"
    else:
        en = f"Predicted total was {mean:.0%} of actual on average, {worst:.0%} at worst"
        zh = f"预测总额平均为实际的 {mean:.0%}，最差时为 {worst:.0%}"
        trend_en, trend_zh = f"moving {slope:+.1%} a month", f"每月变动 {slope:+.1%}"
    if math.isnan(slope):
        return f"{en}.", f"{zh}。"
    return f"{en}, {trend_en}.", f"{zh}，{trend_zh}。"
