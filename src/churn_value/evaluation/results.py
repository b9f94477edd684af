"""What a comparison found: metrics per system on the same rows, with intervals and paired differences."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from churn_value.errors import RegistryError
from churn_value.estimators.bootstrap import Estimate

MODEL = "model"
CHAMPION = "champion"
FORMAT = 1
Head = Literal["churn", "value"]
Better = Literal["higher", "lower", "nearer_one", "nearer_level"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric as it is named everywhere: in runs, tables, cards and the gate.

    Parameters
    ----------
    name
        Stable name, the head first: ``churn_auc``.
    head
        Which prediction it judges.
    better
        Which values are better; ``nearer_level`` means nearer the interval's nominal level.
    label_en, label_zh
        Heading for people.
    unit
        ``minor`` for money, ``share`` for 0 to 1, ``""`` for a plain number.
    """

    name: str
    head: Head
    better: Better
    label_en: str
    label_zh: str
    unit: str = ""


MEASURES: tuple[Measure, ...] = (
    Measure("churn_auc", "churn", "higher", "AUC", "AUC"),
    Measure("churn_average_precision", "churn", "higher", "Average precision", "平均精确率"),
    Measure("churn_log_loss", "churn", "lower", "Log-loss", "对数损失"),
    Measure("churn_brier", "churn", "lower", "Brier score", "Brier 分数"),
    Measure("churn_calibration_error", "churn", "lower", "Calibration error", "校准误差", "share"),
    Measure("value_mae_minor", "value", "lower", "Mean absolute error", "平均绝对误差", "minor"),
    Measure("value_rmse_minor", "value", "lower", "Root mean squared error", "均方根误差", "minor"),
    Measure("value_spearman", "value", "higher", "Spearman correlation", "Spearman 相关系数"),
    Measure("value_normalised_gini", "value", "higher", "Normalised Gini", "标准化基尼系数"),
    Measure("value_top10_capture", "value", "higher", "Value held by the top tenth", "前 10% 客户的价值占比", "share"),
    Measure("value_top20_capture", "value", "higher", "Value held by the top fifth", "前 20% 客户的价值占比", "share"),
    Measure("value_decile_error", "value", "lower", "Error of the decile means", "十分位均值误差", "share"),
    Measure("value_total_bias", "value", "nearer_one", "Predicted over actual total", "预测总额与实际总额之比"),
    Measure("value_tweedie_deviance", "value", "lower", "Tweedie deviance", "Tweedie 偏差"),
    Measure("value_interval_coverage", "value", "nearer_level", "Coverage of the interval", "区间覆盖率", "share"),
)
BY_NAME: Mapping[str, Measure] = {measure.name: measure for measure in MEASURES}


def has_interval(estimate: Estimate) -> bool:
    """Whether both ends of an estimate's interval are known."""
    return math.isfinite(estimate.lower) and math.isfinite(estimate.upper)


Table = Mapping[str, Mapping[str, Estimate]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Several systems judged on the same rows.

    Parameters
    ----------
    rows, customers, churners
        Counts of test rows with a complete label, of the customers on them, and of the rows that churned.
    as_of
        Test dates as ISO days, oldest first.
    confidence
        Level of the bootstrap intervals, 0 to 1.
    metrics
        System, then metric, to its estimate; a metric that does not apply is absent.
    differences
        System, then metric, to *model minus system* on the same resamples; negative is better where lower is.
    champion
        Bundle id of the system named ``champion``; None when there was none.
    interval_level
        Nominal level of the value head's interval; None without one.
    outdated_champion
        Bundle id of the champion in place when this version of the code cannot use it; None otherwise.
    """

    rows: int
    customers: int
    churners: int
    as_of: tuple[str, ...]
    confidence: float
    metrics: Table
    differences: Table
    champion: str | None = None
    interval_level: float | None = None
    outdated_champion: str | None = None

    @property
    def systems(self) -> tuple[str, ...]:
        """Names, the model first, as they were given."""
        return tuple(self.metrics)

    @property
    def baselines(self) -> tuple[str, ...]:
        """Systems that are neither the model nor the champion."""
        return tuple(name for name in self.metrics if name not in {MODEL, CHAMPION})

    @property
    def has_value(self) -> bool:
        """Whether the model predicts value as well as churn."""
        return any(name.startswith("value_") for name in self.metrics[MODEL])

    def of(self, metric: str, system: str = MODEL) -> Estimate | None:
        """Estimate of one metric, None where it does not apply."""
        return self.metrics.get(system, {}).get(metric)

    def difference(self, metric: str, system: str) -> Estimate | None:
        """Model minus `system`, None where either lacks the metric."""
        return self.differences.get(system, {}).get(metric)

    def frame(self) -> pd.DataFrame:
        """One row per system and metric: columns system, metric, value, low, high, difference, difference_low, …."""
        return pd.DataFrame(list(_rows(self)), columns=list(_COLUMNS))

    def to_json(self) -> str:
        """Canonical text; NaN is written as null."""
        content = {
            "format": FORMAT,
            "rows": self.rows,
            "customers": self.customers,
            "churners": self.churners,
            "as_of": list(self.as_of),
            "confidence": self.confidence,
            "champion": self.champion,
            "interval_level": self.interval_level,
            "outdated_champion": self.outdated_champion,
            "metrics": _plain(self.metrics),
            "differences": _plain(self.differences),
        }
        return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """Inverse of `to_json`.

        Raises
        ------
        RegistryError
            ``EVALUATION_UNREADABLE`` when the text is not such a document.
        """
        try:
            content = json.loads(text)
            if content.pop("format") != FORMAT:
                msg = "another format"
                raise ValueError(msg)  # noqa: TRY301 - one message for every way to be unreadable
            content |= {key: _estimates(content[key]) for key in ("metrics", "differences")}
            return cls(**{**content, "as_of": tuple(content["as_of"])})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise RegistryError(
                f"an evaluation is JSON of format {FORMAT}, as written by a training run",
                code="EVALUATION_UNREADABLE",
                received=error,
                remedy="train again",
            ) from None


_COLUMNS = ("system", "metric", "value", "low", "high", "difference", "difference_low", "difference_high")


def _rows(evaluation: Evaluation) -> Iterator[tuple[Any, ...]]:
    nothing = Estimate(math.nan, math.nan, math.nan)
    for system, metrics in evaluation.metrics.items():
        for name, found in metrics.items():
            gap = evaluation.difference(name, system) or nothing
            yield (system, name, found.value, found.lower, found.upper, gap.value, gap.lower, gap.upper)


def or_null(value: float) -> float | None:
    """The number, or None where it is undefined."""
    return value if math.isfinite(value) else None


def _plain(table: Table) -> dict[str, dict[str, list[float | None]]]:
    return {
        system: {name: [or_null(e.value), or_null(e.lower), or_null(e.upper)] for name, e in metrics.items()}
        for system, metrics in table.items()
    }


def _estimates(table: Mapping[str, Mapping[str, list[float | None]]]) -> Table:
    return {
        system: {name: Estimate(*(math.nan if x is None else x for x in ends)) for name, ends in metrics.items()}
        for system, metrics in table.items()
    }
