"""One letter for people: how a model stands against the baselines, with the sentence that explains it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from churn_value.estimators.bootstrap import Estimate
from churn_value.evaluation.results import MODEL, Evaluation, has_interval
from churn_value.evaluation.systems import listed

LOG_LOSS, GINI, TOTAL = "churn_log_loss", "value_normalised_gini", "value_total_bias"
WELL_CALIBRATED = 0.05
WELL_SUMMED = 0.1


@dataclass(frozen=True, slots=True)
class Grade:
    """A letter and why: A beats every baseline beyond chance and is calibrated, B beats them, C does not."""

    letter: Literal["A", "B", "C"]
    en: str
    zh: str


def grade(evaluation: Evaluation) -> Grade:
    """Grade of the model of an evaluation.

    Notes
    -----
    A: against each baseline the whole paired interval of the log-loss difference is below 0 and, where there is value,
    the normalised Gini is not lower; calibration error at most 0.05; predicted amounts sum to within 10 % of the actual
    ones. B: the log-loss is lower than each baseline's. C otherwise, or without a baseline.
    """
    gaps = {name: gap for name in evaluation.baselines if (gap := evaluation.difference(LOG_LOSS, name)) is not None}
    lost = [name for name, gap in gaps.items() if gap.value >= 0]
    if not gaps or lost:
        return _poor(lost)
    close = [name for name, gap in gaps.items() if not _is_clear(gap)]
    behind = [name for name in evaluation.baselines if _is_lower(evaluation.difference(GINI, name))]
    off = evaluation.of("churn_calibration_error", MODEL)
    rough = off is None or off.value > WELL_CALIBRATED
    summed = evaluation.of(TOTAL, MODEL)
    total = None if summed is None or abs(summed.value - 1) <= WELL_SUMMED else summed.value
    if not (close or behind or rough or total is not None):
        return _good(evaluation, len(gaps))
    return _fair(close, behind, rough=rough, total=total)


def _is_clear(gap: Estimate) -> bool:
    return has_interval(gap) and gap.upper < 0


def _is_lower(gap: Estimate | None) -> bool:
    return gap is not None and gap.value < 0


def _good(evaluation: Evaluation, compared: int) -> Grade:
    level = f"{evaluation.confidence:.0%}"
    return Grade(
        "A",
        f"Better than all {compared} baselines on the same customers beyond chance ({level} intervals), "
        "and probabilities can be taken at their word.",
        f"在相同客户上优于全部 {compared} 个基线，且差异超出随机波动（{level} 区间）；概率可直接采信。",
    )


def _fair(close: list[str], behind: list[str], *, rough: bool, total: float | None) -> Grade:
    en, zh = [], []
    if close:
        en.append(f"the lead over {listed(close)} may be chance")
        zh.append(f"相对{listed(close, 'zh')}的优势可能出于偶然")
    if behind:
        en.append(f"{listed(behind)} {'rank' if len(behind) > 1 else 'ranks'} value at least as well")
        zh.append(f"{listed(behind, 'zh')}的价值排序不逊于模型")
    if rough:
        en.append("probabilities are only roughly calibrated")
        zh.append("概率校准较粗略")
    if total is not None:
        en.append(f"predicted amounts sum to {total:.0%} of the actual ones")
        zh.append(f"预测金额合计为实际的 {total:.0%}")
    return Grade("B", f"Better than every baseline, but {'; '.join(en)}.", f"优于所有基线，但{'；'.join(zh)}。")


def _poor(lost: list[str]) -> Grade:
    if not lost:
        return Grade(
            "C",
            "No baseline was compared, so nothing shows that the model is needed.",
            "没有可比较的基线，无法说明模型的必要性。",
        )
    return Grade(
        "C",
        f"Not better than {listed(lost)}: use the simpler rule until the data or the model improve.",
        f"未优于{listed(lost, 'zh')}：在数据或模型改进之前，请使用更简单的规则。",
    )
