"""A preview in words: its tables and its summary, in English or Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from churn_value.monitoring.preview import Preview
from churn_value.scoring.wording import Language

SHOWN = 15
Table = tuple[str, tuple[str, ...], list[list[Any]]]
_TITLES: dict[Language, tuple[str, str, str]] = {
    "en": ("Tiers under both policies", "Before (rows) and after", "Who would move, the most valuable first"),
    "zh": ("两份策略下的等级", "变更前（行）与变更后", "将变动的客户，价值高者在前"),
}
_TIERS: dict[Language, tuple[str, ...]] = {
    "en": (
        "tier",
        "customers before",
        "value before",
        "at risk before",
        "customers after",
        "value after",
        "at risk after",
    ),
    "zh": ("等级", "变更前人数", "变更前价值", "变更前风险价值", "变更后人数", "变更后价值", "变更后风险价值"),
}
_MOVERS: dict[Language, tuple[str, ...]] = {
    "en": ("customer", "before", "after", "score before", "score after", "expected value", "churn", "value at risk"),
    "zh": ("客户", "变更前", "变更后", "变更前得分", "变更后得分", "预期价值", "流失概率", "风险价值"),
}


def preview_tables(preview: Preview, language: Language) -> Sequence[Table]:
    """Title, heads and rows of each table: tiers, matrix, and the most valuable movers where there are any."""
    titles, matrix = _TITLES[language], preview.matrix.reset_index()
    tables = [
        (titles[0], _TIERS[language], preview.tiers.to_numpy().tolist()),
        (titles[1], ("", *map(str, preview.matrix.columns)), matrix.to_numpy().tolist()),
    ]
    if len(preview.movers):
        tables.append((titles[2], _MOVERS[language], preview.movers.head(SHOWN).to_numpy().tolist()))
    return tables


def preview_summary(preview: Preview, currency: str, language: Language) -> str:
    """How many would move and what they are worth, as a sentence."""
    moved, of, worth = len(preview.movers), preview.customers, f"{preview.moved_value:,.0f} {currency}"
    if language == "zh":
        return f"{of:,} 位客户中有 {moved:,} 位将变动（{preview.moved_share:.1%}），预期价值合计 {worth}"
    return f"{moved:,} of {of:,} would move ({preview.moved_share:.1%}), worth {worth}"
