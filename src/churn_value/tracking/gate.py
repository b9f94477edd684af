"""The written conditions under which a challenger becomes champion: pure, and explained in two languages.

Every condition is judged on the test rows of one evaluation, where the model, the baselines and the champion were
scored on the same customers at the same dates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from churn_value.config import GateConfig
from churn_value.errors import GateRefused
from churn_value.estimators.bootstrap import Estimate
from churn_value.evaluation.checks import Check
from churn_value.evaluation.results import CHAMPION, MODEL, Evaluation, has_interval
from churn_value.evaluation.systems import named

LOG_LOSS = "churn_log_loss"
GINI = "value_normalised_gini"


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition and what was found.

    Parameters
    ----------
    code
        Stable name, for example ``BEATS_BASELINE``.
    subject
        Baseline, metric or check it is about; empty for the whole model.
    passed
        Whether it holds.
    measured, limit
        The number found and the number it was held against; NaN where there is none.
    text_en, text_zh
        One sentence each.
    """

    code: str
    subject: str
    passed: bool
    measured: float
    limit: float
    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All conditions of one decision."""

    conditions: tuple[Condition, ...]

    @property
    def passed(self) -> bool:
        """Whether every condition holds."""
        return all(condition.passed for condition in self.conditions)

    @property
    def failed(self) -> tuple[Condition, ...]:
        """Conditions that do not hold."""
        return tuple(condition for condition in self.conditions if not condition.passed)

    def reasons(self, locale: str = "en") -> list[str]:
        """Sentences of the conditions that do not hold."""
        return [c.text_zh if locale.startswith("zh") else c.text_en for c in self.failed]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for logs; NaN becomes None."""
        plain = [
            {key: None if isinstance(v, float) and math.isnan(v) else v for key, v in asdict(c).items()}
            for c in self.conditions
        ]
        return {"passed": self.passed, "conditions": plain}

    def raise_if_refused(self, where: str) -> None:
        """Turn a failed verdict into the error a pipeline ends with.

        Raises
        ------
        GateRefused
            With every reason in its message.
        """
        if not self.passed:
            raise GateRefused(
                f"{len(self.failed)} of {len(self.conditions)} conditions of the gate do not hold",
                where=where,
                received=" | ".join(reason.rstrip(".") for reason in self.reasons()),
                remedy="the champion stays; improve the data or the model and train again",
            )


def decide(
    evaluation: Evaluation, gate: GateConfig, *, champion: str | None = None, checks: Iterable[Check] = ()
) -> Verdict:
    """Verdict on a challenger.

    Parameters
    ----------
    evaluation
        Of the challenger on the test rows.
    gate
        Limits from the configuration.
    champion
        Bundle id of the champion in place; None when there is none yet, and then only the baselines count.
    checks
        Results of the evaluation checks; an issue that fails a run also fails the gate.
    """
    found = [
        *_about_checks(checks),
        *_about_rows(evaluation, gate),
        *_about_baselines(evaluation),
        *_about_champion(evaluation, champion),
        *_about_calibration(evaluation, gate),
    ]
    return Verdict(tuple(found))


def _about_checks(checks: Iterable[Check]) -> Iterator[Condition]:
    for check in checks:
        if check.is_fatal:
            yield Condition(
                "CHECKS_CLEAN",
                check.code,
                passed=False,
                measured=math.nan,
                limit=math.nan,
                text_en=f"Check {check.code} found an issue: {check.text_en}",
                text_zh=f"检查 {check.code} 发现问题：{check.text_zh}",
            )


def _about_rows(evaluation: Evaluation, gate: GateConfig) -> Iterator[Condition]:
    yield Condition(
        "ENOUGH_ROWS",
        "",
        passed=evaluation.rows >= gate.min_test_rows,
        measured=evaluation.rows,
        limit=gate.min_test_rows,
        text_en=f"{evaluation.rows} test rows, at least {gate.min_test_rows} are needed.",
        text_zh=f"测试行数 {evaluation.rows}，至少需要 {gate.min_test_rows}。",
    )
    fewer = min(evaluation.churners, evaluation.rows - evaluation.churners)
    yield Condition(
        "ENOUGH_CHURNERS",
        "",
        passed=fewer >= gate.min_churners,
        measured=fewer,
        limit=gate.min_churners,
        text_en=(
            f"{evaluation.churners} of {evaluation.rows} test rows churned; "
            f"at least {gate.min_churners} churned and {gate.min_churners} stayed are needed."
        ),
        text_zh=(
            f"{evaluation.rows} 个测试行中 {evaluation.churners} 个流失；流失与留存各至少需要 {gate.min_churners} 个。"
        ),
    )


def _about_baselines(evaluation: Evaluation) -> Iterator[Condition]:
    compared = 0
    for name in evaluation.baselines:
        loss = evaluation.difference(LOG_LOSS, name)
        if loss is not None:
            compared += 1
            yield _beats(name, loss, evaluation)
        gini = evaluation.difference(GINI, name)
        if gini is not None:
            yield _not_behind(name, gini, evaluation)
    yield Condition(
        "HAS_BASELINE",
        "",
        passed=compared > 0,
        measured=compared,
        limit=1,
        text_en=f"{compared} baselines were compared on log-loss; at least one is needed.",
        text_zh=f"有 {compared} 个基线参与对数损失比较；至少需要一个。",
    )


def _beats(system: str, gap: Estimate, evaluation: Evaluation) -> Condition:
    """Pass when the log-loss is lower."""
    model, theirs = _value(evaluation, LOG_LOSS, MODEL), _value(evaluation, LOG_LOSS, system)
    passed, (whom_en, whom_zh) = gap.value < 0, _whom(system)
    return Condition(
        "BEATS_CHAMPION" if system == CHAMPION else "BEATS_BASELINE",
        system,
        passed=passed,
        measured=gap.value,
        limit=0.0,
        text_en=(
            f"Log-loss {model:.4f} is {'lower than' if passed else 'not lower than'} that of the {whom_en}, "
            f"{theirs:.4f} (difference {_interval(gap)})."
        ),
        text_zh=(
            f"对数损失 {model:.4f} {'低于' if passed else '不低于'}{whom_zh}的 {theirs:.4f}（差值 {_interval(gap)}）。"
        ),
    )


def _not_behind(system: str, gap: Estimate, evaluation: Evaluation) -> Condition:
    """Pass unless the whole interval of the Gini's paired difference lies below 0."""
    passed = (gap.upper if has_interval(gap) else gap.value) >= 0
    ours, theirs = _value(evaluation, GINI, MODEL), _value(evaluation, GINI, system)
    whom_en, whom_zh = _whom(system)
    return Condition(
        "NOT_BEHIND_CHAMPION" if system == CHAMPION else "NOT_BEHIND_BASELINE",
        system,
        passed=passed,
        measured=gap.value,
        limit=0.0,
        text_en=(
            f"On normalised Gini the model ({ours:.4f}) is {'not behind' if passed else 'behind'} the {whom_en} "
            f"({theirs:.4f}; difference {_interval(gap)})."
        ),
        text_zh=(
            f"在标准化基尼上，模型（{ours:.4f}）{'不落后于' if passed else '落后于'}{whom_zh}"
            f"（{theirs:.4f}；差值 {_interval(gap)}）。"
        ),
    )


def _whom(system: str) -> tuple[str, str]:
    english, chinese = named(system), named(system, "zh")
    return (english, chinese) if system == CHAMPION else (f"{english} baseline", f"基线“{chinese}”")


def _about_champion(evaluation: Evaluation, champion: str | None) -> Iterator[Condition]:
    if champion is None:
        return
    if evaluation.outdated_champion == champion:
        yield Condition(
            "CHAMPION_OUTDATED",
            champion,
            passed=True,
            measured=math.nan,
            limit=math.nan,
            text_en=(
                f"The champion in place ({champion}) was made by another version of churn_value, which this one can "
                "neither serve nor compare with; the baselines alone decide."
            ),
            text_zh=(
                f"现任冠军（{champion}）由另一版本的 churn_value 生成，当前版本既无法提供服务也无法与之比较；"
                "仅由基线决定。"
            ),
        )
        return
    if evaluation.champion != champion or CHAMPION not in evaluation.metrics:
        yield Condition(
            "CHAMPION_COMPARED",
            champion,
            passed=False,
            measured=math.nan,
            limit=math.nan,
            text_en=f"The champion in place ({champion}) was not scored on these test rows; train again to compare.",
            text_zh=f"现任冠军（{champion}）未在这些测试行上评分；请重新训练后再比较。",
        )
        return
    loss, gini = evaluation.difference(LOG_LOSS, CHAMPION), evaluation.difference(GINI, CHAMPION)
    if loss is not None:
        yield _beats(CHAMPION, loss, evaluation)
    if gini is not None:
        yield _not_behind(CHAMPION, gini, evaluation)


def _about_calibration(evaluation: Evaluation, gate: GateConfig) -> Iterator[Condition]:
    error = _value(evaluation, "churn_calibration_error", MODEL)
    yield Condition(
        "CALIBRATED",
        "churn_calibration_error",
        passed=error <= gate.max_calibration_error,
        measured=error,
        limit=gate.max_calibration_error,
        text_en=f"Calibration error {error:.4f}, at most {gate.max_calibration_error:.4f} is allowed.",
        text_zh=f"校准误差 {error:.4f}，上限 {gate.max_calibration_error:.4f}。",
    )
    if evaluation.has_value:
        yield _about_total(_value(evaluation, "value_total_bias", MODEL) - 1, gate.max_total_bias)


def _about_total(bias: float, limit: float) -> Condition:
    """Undefined, and so not within the limit, where customers returned as much as they bought."""
    text_en = f"The predicted total is off by {bias:+.1%}, at most ±{limit:.0%} is allowed."
    text_zh = f"预测总额偏差 {bias:+.1%}，允许范围 ±{limit:.0%}。"
    if math.isnan(bias):
        text_en = "The test rows spent nothing in total, net of returns, so no predicted total can be compared with it."
        text_zh = "测试客户扣除退货后的消费总额不为正，无法与预测总额比较。"
    return Condition(
        "TOTAL_UNBIASED",
        "value_total_bias",
        passed=abs(bias) <= limit,
        measured=bias,
        limit=limit,
        text_en=text_en,
        text_zh=text_zh,
    )


def _value(evaluation: Evaluation, metric: str, system: str) -> float:
    found = evaluation.of(metric, system)
    return math.nan if found is None else found.value


def _interval(gap: Estimate) -> str:
    return f"{gap.value:+.4f} [{gap.lower:+.4f}, {gap.upper:+.4f}]" if has_interval(gap) else f"{gap.value:+.4f}"
