"""Numbered checks of what goes into a model, and the gate that stops a run whose features know the answer.

======  ========  =====================================================================
code    severity  issue
======  ========  =====================================================================
CV001   error     one feature alone tells who churned: the label, a copy, a near copy
CV002   error     one feature alone tells the outcome's amount: it was written afterwards
CV003   error     an attribute holds dates that come after as_of
CV004   error     folds overlap: in outcome windows, or in customers where undated
CV005   error     a (customer_id, as_of) stands on the spine more than once
CV006   warning   the churn rate of the test fold is far from that of the train fold
CV007   info      features that are constant or empty
CV008   warning   the scan of CV001 finds something in shuffled labels too
======  ========  =====================================================================

An error fails the run by name; a warning or an info is for the card.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Literal

import pandas as pd

from churn_value.errors import LeakageError
from churn_value.evaluation.leakage import FeatureLike, Finding, label_copies, shuffled_excess, value_copies
from churn_value.evaluation.timestamps import dates_after

Result = Literal["passed", "issue", "not_applicable"]
Severity = Literal["error", "warning", "info"]
LARGEST_RATE_SHIFT = 0.05
RATE_SHIFT_SE = 4.0
MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class Check:
    """Result of one check.

    Parameters
    ----------
    code
        ``CV001`` and so on; stable.
    result, severity
        What was found, and how much an issue matters.
    text_en, text_zh
        One sentence each, with the figures.
    columns
        Features an issue is about, the worst first.
    """

    code: str
    result: Result
    severity: Severity
    text_en: str
    text_zh: str
    columns: tuple[str, ...] = ()

    @property
    def is_fatal(self) -> bool:
        """Whether a run must not go on."""
        return self.result == "issue" and self.severity == "error"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {**asdict(self), "columns": list(self.columns)}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Check:
        """Inverse of `to_dict`."""
        return cls(**{**content, "columns": tuple(content["columns"])})


def run_checks(
    frame: pd.DataFrame, features: Sequence[FeatureLike], *, horizon_days: int, seed: int, dated: bool = True
) -> tuple[Check, ...]:
    """All checks on the rows of a data set, in the order of their codes.

    Parameters
    ----------
    frame
        ``customer_id``, ``as_of``, ``fold``, ``churned``, ``value_minor`` and one column per feature.
    features
        The catalog's features.
    horizon_days
        Length of the outcome window [days].
    seed
        Of the halves and of the shuffled labels.
    dated
        False for snapshots without an as_of: what needs dates is then not applicable.
    """
    return (
        _label_copy(frame, features, seed),
        _future_value(frame, features),
        _future_dates(frame, features, dated=dated),
        _purged(frame, horizon_days, dated=dated),
        _duplicates(frame),
        _base_rate(frame),
        _uninformative(frame, features),
        _canary(frame, features, seed),
    )


def refuse_leaks(checks: Iterable[Check]) -> None:
    """End the run when a check found an issue of severity error.

    Raises
    ------
    LeakageError
        With the check's code, the columns by name and what to do.
    """
    fatal = [check for check in checks if check.is_fatal]
    if not fatal:
        return
    first = fatal[0]
    others = f" (also {', '.join(check.code for check in fatal[1:])})" if fatal[1:] else ""
    raise LeakageError(
        first.text_en + others,
        code=f"LEAKAGE_{first.code}",
        where=", ".join(first.columns[:MOST_NAMED]) or "the data set",
        remedy=_REMEDY[first.code],
    )


_ATTRIBUTES = "leave it out: list the columns you mean under tables.<table>.attributes"
_REMEDY = {
    "CV001": _ATTRIBUTES,
    "CV002": _ATTRIBUTES,
    "CV003": _ATTRIBUTES + ", or give the table a valid_from",
    "CV004": "give later folds dates at least horizon_days after the earlier ones",
    "CV005": "bring one row per customer and as_of",
}


def _issue(code: str, severity: Severity, en: str, zh: str, columns: Iterable[str] = ()) -> Check:
    return Check(code, "issue", severity, en, zh, tuple(columns))


def _passed(code: str, severity: Severity, en: str, zh: str) -> Check:
    return Check(code, "passed", severity, en, zh)


def _skipped(code: str, severity: Severity, en: str, zh: str) -> Check:
    return Check(code, "not_applicable", severity, en, zh)


def _listed(findings: Sequence[Finding]) -> str:
    named = [f"{finding.column} ({finding.score:.3f})" for finding in findings[:MOST_NAMED]]
    more = f" +{len(findings) - MOST_NAMED}" if len(findings) > MOST_NAMED else ""
    return ", ".join(named) + more


def _label_copy(frame: pd.DataFrame, features: Sequence[FeatureLike], seed: int) -> Check:
    scan = label_copies(frame, features, seed=seed)
    if scan is None:
        return _skipped(
            "CV001", "error", "Too few churners to judge single features.", "流失样本过少，无法判断单个特征。"
        )
    if scan.certain:
        return _issue(
            "CV001",
            "error",
            f"A single feature tells who churned (AUC alone): {_listed(scan.certain)}",
            f"单个特征即可判定流失（单特征 AUC）：{_listed(scan.certain)}",
            (finding.column for finding in scan.certain),
        )
    if scan.suspect:
        return _issue(
            "CV001",
            "warning",
            f"A single feature stands far above all others (AUC alone): {_listed(scan.suspect)}",
            f"单个特征远超其他特征（单特征 AUC）：{_listed(scan.suspect)}",
            (finding.column for finding in scan.suspect),
        )
    best = scan.best
    return _passed(
        "CV001",
        "error",
        f"No feature is a copy of the label; the strongest alone is {best.column} with AUC {best.score:.3f}.",
        f"没有特征是标签的副本；最强的单个特征为 {best.column}，AUC {best.score:.3f}。",
    )


def _future_value(frame: pd.DataFrame, features: Sequence[FeatureLike]) -> Check:
    found = value_copies(frame, features)
    if found is None:
        return _skipped("CV002", "error", "There is no amount to predict.", "没有可预测的金额。")
    if found:
        return _issue(
            "CV002",
            "error",
            f"A single feature tells the amount of the outcome window (rank correlation): {_listed(found)}",
            f"单个特征即可得出结果窗口内的金额（秩相关）：{_listed(found)}",
            (finding.column for finding in found),
        )
    return _passed("CV002", "error", "No feature was written after the outcome.", "没有特征来自结果发生之后。")


def _future_dates(frame: pd.DataFrame, features: Sequence[FeatureLike], *, dated: bool) -> Check:
    if not dated:
        return _skipped("CV003", "error", "The rows have no dates.", "数据行没有日期。")
    found = dates_after(frame, features)
    if found:
        shares = ", ".join(f"{finding.column} ({finding.score:.1%})" for finding in found[:MOST_NAMED])
        return _issue(
            "CV003",
            "error",
            f"An attribute holds dates on or after as_of (share of rows): {shares}",
            f"属性中含有不早于 as_of 的日期（行占比）：{shares}",
            (finding.column for finding in found),
        )
    return _passed("CV003", "error", "No attribute holds a date after as_of.", "没有属性含有 as_of 之后的日期。")


def _purged(frame: pd.DataFrame, horizon_days: int, *, dated: bool) -> Check:
    overlap = _overlap_of_dates(frame, horizon_days) if dated else _overlap_of_customers(frame)
    if overlap:
        return _issue("CV004", "error", f"Folds overlap: {overlap}", f"数据折之间有重叠：{overlap}")
    return _passed("CV004", "error", "Every fold ends before the next begins.", "各数据折互不重叠。")


def _overlap_of_dates(frame: pd.DataFrame, horizon_days: int) -> str | None:
    days = {name: group.unique() for name, group in frame.groupby("fold")["as_of"]}
    for earlier, later in (("train", "calibration"), ("calibration", "test"), ("train", "test")):
        if earlier not in days or later not in days:
            continue
        end = max(days[earlier]) + timedelta(days=horizon_days)
        if end > min(days[later]):
            return f"outcomes of {earlier} end {end.date()}, {later} begins {min(days[later]).date()}"
    return None


def _overlap_of_customers(frame: pd.DataFrame) -> str | None:
    places = frame[["customer_id", "fold"]].drop_duplicates()
    shared = int(places["customer_id"].duplicated().sum())
    return f"{shared} customers stand in several folds" if shared else None


def _duplicates(frame: pd.DataFrame) -> Check:
    extra = int(frame.duplicated(["customer_id", "as_of"]).sum())
    if extra:
        return _issue(
            "CV005",
            "error",
            f"{extra} rows repeat a (customer_id, as_of)",
            f"有 {extra} 行重复了 (customer_id, as_of)",
        )
    return _passed(
        "CV005", "error", "Every (customer_id, as_of) stands once.", "每个 (customer_id, as_of) 只出现一次。"
    )


def _base_rate(frame: pd.DataFrame) -> Check:
    folds = {str(name): churned for name, churned in frame.groupby("fold")["churned"]}
    if not {"train", "test"} <= set(folds):
        return _skipped("CV006", "warning", "There are no two folds to compare.", "没有可比较的两个数据折。")
    before, after = float(folds["train"].mean()), float(folds["test"].mean())
    n, m = len(folds["train"]), len(folds["test"])
    pooled = (before * n + after * m) / (n + m)
    error = math.sqrt(max(pooled * (1 - pooled), 1e-12) * (1 / n + 1 / m))
    en = f"The churn rate is {before:.1%} in train and {after:.1%} in test."
    zh = f"训练折流失率 {before:.1%}，测试折 {after:.1%}。"
    shift = abs(after - before)
    if shift > LARGEST_RATE_SHIFT and shift > RATE_SHIFT_SE * error:
        return _issue("CV006", "warning", en, zh)
    return _passed("CV006", "warning", en, zh)


def _uninformative(frame: pd.DataFrame, features: Sequence[FeatureLike]) -> Check:
    train = frame[frame["fold"] == "train"]
    constant = [f.name for f in features if len(train[f.name].unique()) <= 1]
    if constant:
        shown = ", ".join(constant[:MOST_NAMED]) + (" …" if len(constant) > MOST_NAMED else "")
        return _issue(
            "CV007",
            "info",
            f"{len(constant)} of {len(features)} features are constant or empty in train: {shown}",
            f"{len(features)} 个特征中有 {len(constant)} 个在训练折中为常数或全空：{shown}",
            constant,
        )
    return _passed("CV007", "info", "Every feature varies.", "所有特征均有变化。")


def _canary(frame: pd.DataFrame, features: Sequence[FeatureLike], seed: int) -> Check:
    excess = shuffled_excess(frame, features, seed=seed)
    if excess is None:
        return _skipped(
            "CV008", "warning", "Too few churners for a shuffled scan.", "流失样本过少，无法做标签打乱扫描。"
        )
    found, bound = excess.found.score, excess.bound
    en = f"With shuffled labels the strongest feature reaches AUC {found:.3f}, chance allows {bound:.3f}"
    zh = f"标签打乱后，最强特征 AUC 为 {found:.3f}，随机上限 {bound:.3f}"
    if found > bound:
        return _issue("CV008", "warning", en, zh, (excess.found.column,))
    return _passed("CV008", "warning", en + ".", zh + "。")
