"""Whether there is enough to learn from and to judge by, before anything is fitted.

======  =========================================================  ==================  ==================
code    needed, in each fold                                       error below         warning below
======  =========================================================  ==================  ==================
CV010   customers of the rarer class, to know an AUC of 0.75       within ±0.15        within ±0.05
CV011   customers, to know the churn rate                          within ±15 points   within ±5 points
CV012   as_of dates of the train fold, to tell a season            –                   2 dates
======  =========================================================  ==================  ==================

"Within" is half of a 95 % interval. Customers count, not rows: one customer at twelve dates is nearly one witness.
Below the first line a fold cannot tell a useful model from chance, nor set the level of its probabilities, and the run
ends by name; between the lines it goes on and the card says how rough the figures are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import pandas as pd

from churn_value.config import Config
from churn_value.errors import TooLittleData
from churn_value.evaluation.checks import Check, Severity

Z = 1.959964
ASSUMED_AUC = 0.75
AUC_REFUSED, AUC_WANTED = 0.15, 0.05
RATE_REFUSED, RATE_WANTED = 0.15, 0.05
WANTED_DATES = 2
MOST_SEARCHED = 10_000_000
MORE_HISTORY = "bring a longer history or more customers, or choose another horizon_days or churn.definition"
MORE_ROWS = "bring rows of more customers with a label, and check that churn.positive is the text of those who left"
FOLDS = {"train": "训练", "calibration": "校准", "test": "测试"}


def auc_standard_error(auc: float, churners: float, stayers: float) -> float:
    """Standard error of an AUC estimated from independent churners and stayers.

    Parameters
    ----------
    auc
        0.5 to 1.
    churners, stayers
        Numbers, at least 1.

    Notes
    -----
    ``sqrt((A (1 - A) + (m - 1) (A / (2 - A) - A²) + (n - 1) (2 A² / (1 + A) - A²)) / (m n))`` for m churners and n
    stayers, whose scores are taken to be exponential.

    References
    ----------
    Hanley & McNeil (1982), Radiology 143(1), 29-36, doi:10.1148/radiology.143.1.7063747.

    Examples
    --------
    >>> round(auc_standard_error(0.75, 50, 50), 4)
    0.0486
    """
    of_churners = auc / (2 - auc) - auc**2
    of_stayers = 2 * auc**2 / (1 + auc) - auc**2
    spread = auc * (1 - auc) + (churners - 1) * of_churners + (stayers - 1) * of_stayers
    return math.sqrt(spread / (churners * stayers))


def least_of_rarer(half_width: float, stayers_per_churner: float, auc: float = ASSUMED_AUC) -> int:
    """Fewest customers of the rarer class for a 95 % interval of the AUC of at most ``± half_width``.

    Parameters
    ----------
    half_width
        Above 0.
    stayers_per_churner
        Ratio of the classes, above 0; the other class grows with the rarer one.
    auc
        That is expected; a lower one needs more.

    Examples
    --------
    >>> least_of_rarer(0.15, 1.0)
    21
    """
    is_churn_rarer = stayers_per_churner >= 1
    more = stayers_per_churner if is_churn_rarer else 1 / stayers_per_churner

    def reached(rarer: int) -> bool:
        churners, stayers = (rarer, rarer * more) if is_churn_rarer else (rarer * more, rarer)
        return Z * auc_standard_error(auc, churners, stayers) <= half_width

    low, high = 1, 1
    while not reached(high) and high < MOST_SEARCHED:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return low


def least_customers(half_width: float, churn_rate: float) -> int:
    """Fewest customers for a 95 % interval of the churn rate of at most ``± half_width`` (calibration in the large).

    Parameters
    ----------
    half_width
        Share above 0.
    churn_rate
        That is expected, 0 to 1.

    Notes
    -----
    ``(1.96 / half_width)² rate (1 - rate)``, rounded up.

    References
    ----------
    Riley et al. (2020), BMJ 368:m441, step 1, doi:10.1136/bmj.m441.

    Examples
    --------
    >>> least_customers(0.05, 0.5)
    385
    """
    return math.ceil((Z / half_width) ** 2 * churn_rate * (1 - churn_rate))


def sufficiency(frame: pd.DataFrame) -> tuple[Check, ...]:
    """Checks CV010 to CV012 of a data set's rows.

    Parameters
    ----------
    frame
        ``customer_id``, ``as_of``, ``fold`` and ``churned`` (0.0, 1.0; NaN while incomplete).
    """
    known = frame[frame["churned"].notna()]
    folds = {name: known[known["fold"] == name] for name in FOLDS}
    return _classes(folds), _rates(folds), _dates(folds["train"])


def refuse_too_little(checks: Iterable[Check], config: Config) -> None:
    """End the run where data are too few to learn or to judge.

    Parameters
    ----------
    checks
        Of `sufficiency`, among others.
    config
        Of the run: where the data are named, and whether they are events or ready-made rows.

    Raises
    ------
    TooLittleData
        With the first such check's code and what was needed and found.
    """
    for check in checks:
        if check.is_fatal and check.code in {"CV010", "CV011"}:
            raise TooLittleData(
                check.text_en.rstrip("."),
                code=f"TOO_LITTLE_DATA_{check.code}",
                where=f"{config.source_file or config.name}: {'tables.snapshots' if config.is_snapshot else 'tables'}",
                remedy=MORE_ROWS if config.is_snapshot else MORE_HISTORY,
            )


def _customers(rows: pd.DataFrame, churned: float) -> int:
    return int(rows.loc[rows["churned"] == churned, "customer_id"].nunique())


def _verdict(code: str, severity: Severity, lacking: list[tuple[str, str]], passed: tuple[str, str]) -> Check:
    """A check that lists what each fold lacks; passed when nothing does."""
    if not lacking:
        return Check(code, "passed", "warning", *passed)
    return Check(
        code, "issue", severity, "; ".join(en for en, _ in lacking) + ".", ";".join(zh for _, zh in lacking) + "。"
    )


def _classes(folds: dict[str, pd.DataFrame]) -> Check:
    for severity, half_width in (("error", AUC_REFUSED), ("warning", AUC_WANTED)):
        lacking = [text for name, rows in folds.items() if (text := _lacking_class(name, rows, half_width))]
        if lacking:
            return _verdict("CV010", "error" if severity == "error" else "warning", lacking, ("", ""))
    en = f"Every fold has the churners and stayers that an AUC within ±{AUC_WANTED:.2f} needs."
    return _verdict(
        "CV010", "warning", [], (en, f"各数据折的流失与留存客户数足以将 AUC 估计到 ±{AUC_WANTED:.2f} 以内。")
    )


def _lacking_class(name: str, rows: pd.DataFrame, half_width: float) -> tuple[str, str] | None:
    churners, stayers = _customers(rows, 1.0), _customers(rows, 0.0)
    ratio = max(stayers, 1) / max(churners, 1)
    needed, found = least_of_rarer(half_width, ratio), min(churners, stayers)
    if found >= needed:
        return None
    en, zh = ("churners", "流失客户") if churners <= stayers else ("stayers", "留存客户")
    return (
        (
            f"needs at least {needed:,} {en} in the {name} fold to know an AUC of {ASSUMED_AUC} within "
            f"±{half_width:.2f}; found {found:,} (beside {max(churners, stayers):,} others)"
        ),
        (
            f"{FOLDS[name]}折至少需要 {needed:,} 位{zh}，才能将 {ASSUMED_AUC} 的 AUC 估计到 ±{half_width:.2f} 以内；"
            f"实有 {found:,} 位（另一类 {max(churners, stayers):,} 位）"
        ),
    )


def _rates(folds: dict[str, pd.DataFrame]) -> Check:
    for severity, half_width in (("error", RATE_REFUSED), ("warning", RATE_WANTED)):
        lacking = [text for name, rows in folds.items() if (text := _lacking_customers(name, rows, half_width))]
        if lacking:
            return _verdict("CV011", "error" if severity == "error" else "warning", lacking, ("", ""))
    points = f"{RATE_WANTED * 100:.0f}"
    en = f"Every fold has the customers that a churn rate within ±{points} points needs."
    return _verdict("CV011", "warning", [], (en, f"各数据折的客户数足以将流失率估计到 ±{points} 个百分点以内。"))


def _lacking_customers(name: str, rows: pd.DataFrame, half_width: float) -> tuple[str, str] | None:
    found = int(rows["customer_id"].nunique())
    needed = least_customers(half_width, float(rows["churned"].mean()) if len(rows) else 0.5)
    if found >= needed:
        return None
    points = f"±{half_width * 100:.0f}"
    return (
        (
            f"needs at least {needed:,} customers in the {name} fold to know its churn rate within {points} points; "
            f"found {found:,}"
        ),
        f"{FOLDS[name]}折至少需要 {needed:,} 位客户，才能将流失率估计到 {points} 个百分点以内；实有 {found:,} 位",
    )


def _dates(train: pd.DataFrame) -> Check:
    found = int(train["as_of"].nunique())
    en = f"The train fold has {found} as_of dates"
    zh = f"训练折有 {found} 个 as_of 日期"
    if found >= WANTED_DATES:
        return Check("CV012", "passed", "warning", f"{en}.", f"{zh}。")
    return Check(
        "CV012",
        "issue",
        "warning",
        f"{en}; needs at least {WANTED_DATES} to tell what holds from what one season did.",
        f"{zh}；至少需要 {WANTED_DATES} 个，才能区分长期规律与一时的季节影响。",
    )
