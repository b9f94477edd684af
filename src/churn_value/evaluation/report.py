"""One HTML file an analyst can open anywhere: tables, figures and words in two languages, no network."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files

from matplotlib.figure import Figure

from churn_value.evaluation.card import check_rows, limits, metric_rows, table_rows
from churn_value.evaluation.grade import grade
from churn_value.evaluation.plots import png
from churn_value.evaluation.results import MODEL, Measure
from churn_value.evaluation.subject import CHURN_TEXTS, Language, Subject
from churn_value.evaluation.systems import named

LANGUAGES: tuple[Language, Language] = ("en", "zh")
Told = tuple[Sequence[str], Sequence[Sequence[str]]]
HEADLINES = ("churn_auc", "churn_log_loss", "churn_calibration_error", "value_normalised_gini", "value_total_bias")
CAPTIONS: Mapping[str, tuple[str, str]] = {
    "calibration": ("Are probabilities true?", "概率是否可信？"),
    "gain_churn": ("How many churners are reached first?", "优先联系能覆盖多少流失客户？"),
    "gain_value": ("How much value is found first?", "优先联系能覆盖多少价值？"),
    "deciles": ("Are amounts right at every level?", "各价值层级的金额是否准确？"),
    "shapley_churn": ("What moves the churn head?", "哪些因素影响流失预测？"),
    "shapley_value": ("What moves the value head?", "哪些因素影响价值预测？"),
    "tiers": ("How are customers spread over tiers?", "客户等级如何分布？"),
    "search_churn": ("How was the churn head found?", "流失模型的搜索过程"),
    "search_value": ("How was the value head found?", "价值模型的搜索过程"),
}


def html_report(
    subject: Subject,
    figures: Mapping[str, Figure],
    *,
    dictionary: Sequence[Mapping[str, object]] = (),
    by_hand: Mapping[Language, Told] | None = None,
) -> str:
    """Report as one self-contained page.

    Parameters
    ----------
    subject
        The model.
    figures
        Name to figure; known names (see ``CAPTIONS``) get a question as heading.
    dictionary
        Rows of the feature dictionary: name, source, window, unit, empty, en, zh.
    by_hand
        Header and rows of the tiers set by hand, in both languages; None leaves the section out.
    """
    page = files("churn_value.evaluation").joinpath("report.html").read_text(encoding="utf-8")
    parts = {
        "TITLE": escape(f"{subject.config.name} · {subject.bundle}"),
        "HEAD": _head(subject),
        "TILES": _tiles(subject),
        "METRICS": _both(lambda language: _table(*metric_rows(subject, language), numeric=True)),
        "FIGURES": "\n".join(_figure(name, figure) for name, figure in figures.items()),
        "CHECKS": _both(lambda language: _table(*check_rows(subject, language))),
        "TABLES": _both(lambda language: _table(*table_rows(subject, language))),
        "LIMITS": _both(lambda language: _list(limits(subject, language))),
        "BY_HAND": _by_hand(by_hand),
        "FEATURES": _features(dictionary),
    }
    for name, content in parts.items():
        page = page.replace(f"<!--{name}-->", content)
    return page


def _said(en: str, zh: str, tag: str = "span") -> str:
    return f'<{tag} class="en">{escape(en)}</{tag}><{tag} class="zh" lang="zh">{escape(zh)}</{tag}>'


def _both(make: Callable[[Language], str]) -> str:
    return "".join(f'<div class="{language}">{make(language)}</div>' for language in LANGUAGES)


def _head(subject: Subject) -> str:
    config, verdict = subject.config, grade(subject.evaluation)
    churn = CHURN_TEXTS[config.churn.definition]
    facts_en = f"Churn: {churn[0]} · {config.horizon_days} days · {subject.population('en')}"
    facts_zh = f"流失：{churn[1]} · {config.horizon_days} 天 · {subject.population('zh')}"
    trained = f"{subject.created_at} · {subject.tested_at}"
    return (
        f'<div class="grade {verdict.letter}">{verdict.letter}</div><div><h1>{escape(config.name)}</h1>'
        f'<p class="lead">{_said(verdict.en, verdict.zh)}</p><p class="quiet">{_said(facts_en, facts_zh)}<br>'
        f"{_said('trained · tested at', '训练 · 测试日期')} {escape(trained)} · "
        f"<code>{escape(subject.bundle)}</code></p></div>"
    )


def _tiles(subject: Subject) -> str:
    found = {measure.name: measure for measure in subject.measures()}
    return "".join(_tile(subject, found[name]) for name in HEADLINES if name in found)


def _tile(subject: Subject, measure: Measure) -> str:
    best = _best_baseline(subject, measure)
    against = ""
    if best is not None:
        cell = subject.cell(measure, best)
        which = _said(f"best baseline {cell} ({named(best)})", f"最佳基线 {cell}（{named(best, 'zh')}）")
        against = f"<small>{which}</small>"
    return (
        f'<div class="tile">{_said(measure.label_en, measure.label_zh)}<b>{escape(subject.cell(measure, MODEL))}</b>'
        f"<small>{escape(subject.interval(measure, MODEL))}</small>{against}</div>"
    )


def _best_baseline(subject: Subject, measure: Measure) -> str | None:
    """The best baseline; none where no direction is better or nobody has the figure."""
    if measure.better not in {"higher", "lower"}:
        return None
    having = {
        name: found.value
        for name in subject.evaluation.baselines
        if (found := subject.evaluation.of(measure.name, name))
    }
    best = max if measure.better == "higher" else min
    return best(having, key=lambda system: having[system], default=None)


def _table(header: Iterable[str], rows: Iterable[Iterable[object]], *, numeric: bool = False) -> str:
    head = "".join(f"<th>{escape(str(cell))}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="{"numeric" if numeric else ""}"><tr>{head}</tr>{body}</table></div>'


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def _figure(name: str, figure: Figure) -> str:
    en, zh = CAPTIONS.get(name, (name.replace("_", " "), name.replace("_", " ")))
    data = base64.b64encode(png(figure)).decode("ascii")
    wide = " class=wide" if name.startswith("shapley") else ""
    image = f'<img alt="{escape(en)}" src="data:image/png;base64,{data}">'
    return f"<figure{wide}><figcaption>{_said(en, zh)}</figcaption>{image}</figure>"


def _by_hand(told: Mapping[Language, Told] | None) -> str:
    if told is None:
        return ""
    return f"<h2>{_said('Tiers set by hand', '人工指定的等级')}</h2>{_both(lambda language: _table(*told[language]))}"


def _features(dictionary: Sequence[Mapping[str, object]]) -> str:
    if not dictionary:
        return ""
    keys = ("name", "source", "window", "unit", "empty")

    def made(language: Language) -> str:
        header = ["名称", "来源", "窗口", "单位", "空值含义", "说明"] if language == "zh" else [*keys, "meaning"]
        return _table(header, ([_plain(row.get(key)) for key in keys] + [row.get(language, "")] for row in dictionary))

    title = _said(f"{len(dictionary)} features", f"{len(dictionary)} 个特征")
    return f"<details><summary>{title}</summary>{_both(made)}</details>"


def _plain(value: object) -> object:
    return "–" if value is None else value
