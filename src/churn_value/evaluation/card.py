"""The model card: what a model is for, what it was made from, how good it is and where it must not be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from churn_value.evaluation.grade import grade
from churn_value.evaluation.results import MODEL
from churn_value.evaluation.subject import CHURN_TEXTS, Language, Subject
from churn_value.evaluation.systems import named

RESULTS = {
    "passed": ("passed", "通过"),
    "issue": ("issue", "有问题"),
    "not_applicable": ("not applicable", "不适用"),
}


def model_card(subject: Subject) -> str:
    """Card in Markdown: English first, then Chinese."""
    parts = [f"# {subject.config.name} · {subject.bundle}", *_section(subject, "en"), "---", *_section(subject, "zh")]
    return "\n\n".join(parts) + "\n"


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Markdown table; a bar within a cell is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _section(subject: Subject, language: Language) -> list[str]:
    zh = language == "zh"
    verdict = grade(subject.evaluation)
    return [
        f"**{'质量等级' if zh else 'Quality grade'} {verdict.letter}** – {verdict.zh if zh else verdict.en}",
        f"## {'用途' if zh else 'Purpose'}\n\n{_purpose(subject, zh=zh)}",
        f"## {'人群与时间' if zh else 'Population and spans'}\n\n" + markdown_table(*_spans(subject, zh=zh)),
        f"## {'测试行上的表现' if zh else 'On the test rows'}\n\n{_judged_on(subject, zh=zh)}\n\n"
        + markdown_table(*metric_rows(subject, language)),
        f"## {'检查' if zh else 'Checks'}\n\n" + markdown_table(*check_rows(subject, language)),
        f"## {'数据' if zh else 'Data'}\n\n" + markdown_table(*table_rows(subject, language)),
        f"## {'局限' if zh else 'Limits'}\n\n" + "\n".join(f"- {line}" for line in limits(subject, language)),
    ]


def _purpose(subject: Subject, *, zh: bool) -> str:
    config = subject.config
    churn = CHURN_TEXTS[config.churn.definition][zh]
    if zh:
        value = f"，以及同期预期价值（{config.currency}，含区间）" if config.has_value else ""
        return (
            f"对每位客户给出未来 {config.horizon_days} 天的流失概率（流失：{churn}）{value}，用于安排挽留与关怀的先后。"
        )
    value = (
        f" and the value expected in the same time ({config.currency}, with an interval)" if config.has_value else ""
    )
    return (
        f"For each customer, the probability of churn within {config.horizon_days} days (churn: {churn}){value}, "
        "to decide whom to care for first."
    )


def _spans(subject: Subject, *, zh: bool) -> tuple[list[str], list[list[object]]]:
    manifest = subject.manifest
    span = manifest.get("span", ["–", "–"])
    rows: list[list[object]] = [
        ["人群" if zh else "population", subject.population("zh" if zh else "en")],
        ["数据时间范围" if zh else "span of the data", f"[{span[0]}, {span[1]})"],
        ["训练截止" if zh else "trained through", subject.trained_through],
        ["测试日期" if zh else "test dates", subject.tested_at],
        ["特征数" if zh else "features", manifest.get("features", "–")],
    ]
    if subject.left_out:
        said = "未采用的属性（不比随机更有信息）" if zh else "attributes left out (no more telling than chance)"
        rows.append([said, ("、" if zh else ", ").join(subject.left_out)])
    names = {"train": "训练", "refit": "重拟合", "calibration": "校准", "test": "测试"}
    for fold in sorted(manifest.get("per_fold", []), key=lambda entry: list(names).index(entry["fold"])):
        said = f"{fold['rows']:,} 行，{fold['churners']:,} 流失" if zh else _said(fold)
        rows.append([f"{names[fold['fold']]}折" if zh else f"{fold['fold']} fold", said])
    hashes = ("config_sha256", "data_sha256", "feature_fingerprint")
    rows += [[name, f"`{str(manifest.get(name, '–'))[:16]}`"] for name in hashes]
    return ["", ""], rows


def _said(fold: dict[str, Any]) -> str:
    return f"{fold['rows']:,} rows, {fold['churners']:,} churned"


def _judged_on(subject: Subject, *, zh: bool) -> str:
    e = subject.evaluation
    rate = e.churners / e.rows
    if zh:
        return (
            f"{e.rows:,} 行、{e.customers:,} 位客户，流失率 {rate:.1%}；所有系统在相同的行上评估。"
            f"区间为按客户重抽样的 {e.confidence:.0%} 自助区间。"
        )
    return (
        f"{e.rows:,} rows of {e.customers:,} customers, {rate:.1%} churned; every system on the same rows. "
        f"Intervals are {e.confidence:.0%} bootstrap intervals over customers."
    )


def metric_rows(subject: Subject, language: Language) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the comparison: a measure per row, the model with its interval, then every other system."""
    others = [name for name in subject.evaluation.systems if name != MODEL]
    titles = ["指标", "模型", "区间"] if language == "zh" else ["measure", "model", "interval"]
    rows = []
    for measure in subject.measures():
        label = measure.label_zh if language == "zh" else measure.label_en
        unit = f" ({subject.config.currency})" if measure.unit == "minor" else ""
        mine = [subject.cell(measure, MODEL), subject.interval(measure, MODEL)]
        rows.append([label + unit, *mine, *(subject.cell(measure, name) for name in others)])
    return [*titles, *(named(name, language) for name in others)], rows


def check_rows(subject: Subject, language: Language) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the checks."""
    zh = language == "zh"
    header = ["代码", "结果", "说明"] if zh else ["code", "result", "found"]
    return header, [[c.code, RESULTS[c.result][zh], c.text_zh if zh else c.text_en] for c in subject.checks]


def table_rows(subject: Subject, language: Language) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the tables read: rows, accepted, quarantined with reasons, duplicates, span."""
    en = ["table", "read", "accepted", "quarantined", "duplicates", "first", "last"]
    zh = ["表", "读取", "接受", "隔离", "重复", "最早", "最晚"]
    rows = []
    for name, report in subject.manifest.get("tables", {}).items():
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in report["quarantined"].items()) or "0"
        days = [str(report.get(key) or "–")[:10] for key in ("first", "last")]
        rows.append(
            [name, f"{report['read']:,}", f"{report['accepted']:,}", reasons, f"{report['duplicates']:,}", *days]
        )
    return (zh if language == "zh" else en), rows


def limits(subject: Subject, language: Language) -> list[str]:
    """What the model does not know, in sentences."""
    config, coverage = subject.config, subject.evaluation.of("value_interval_coverage")
    en = [
        f"It was judged at {subject.tested_at}; markets, prices and habits change after that.",
        "Reasons are what moved the prediction, not proven causes; contacting a customer may change the outcome.",
        f"Answers expire after {config.expires_after_days} days, and hold for the population above only.",
    ]
    zh = [
        f"评估日期为 {subject.tested_at}；此后市场、价格与习惯可能变化。",
        "原因说明的是影响预测的因素，并非已证实的因果；联系客户本身可能改变结果。",
        f"结果在 {config.expires_after_days} 天后过期，且仅适用于上述人群。",
    ]
    if coverage is not None and subject.evaluation.interval_level is not None:
        en.append(f"The {subject.evaluation.interval_level:.0%} value interval held {coverage.value:.1%} of test rows.")
        zh.append(
            f"名义 {subject.evaluation.interval_level:.0%} 的价值区间在测试行上的实际覆盖率为 {coverage.value:.1%}。"
        )
    return zh if language == "zh" else en
