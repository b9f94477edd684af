"""The table contract as a document: ``python -m churn_value.tables.schema --lang en|zh`` prints it.

`CONTRACT` holds each table's columns; the document, the README's tables and the errors all come from it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Literal

from churn_value.tables.contract import CONTRACT
from churn_value.tables.reasons import REASONS
from churn_value.tables.specs import Column, TableSpec

__all__ = ["CONTRACT", "REASONS", "Column", "TableSpec", "contract_markdown"]

Language = Literal["en", "zh"]

_HEADINGS = {
    "en": ("column", "type", "unit", "needed", "meaning"),
    "zh": ("列", "类型", "单位", "必需", "含义"),
}
_NEEDED = {"en": ("yes", "no", "computed"), "zh": ("是", "否", "自动计算")}
_ATTRIBUTES = {
    "en": "Any further column becomes an attribute: a number where every value is one, else a category.",
    "zh": "其余列均作为客户属性：全部为数字则按数值，否则按类别处理。",
}
_REASONS = {"en": ("Quarantine reasons", "reason", "when"), "zh": ("隔离原因", "代码", "含义")}


def contract_markdown(language: Language = "en") -> str:
    """Contract as Markdown: a table per canonical table, then the quarantine reasons in the order they are tried."""
    parts = [_table_markdown(spec, language) for spec in CONTRACT.values()]
    return "\n\n".join([*parts, _reasons_markdown(language)]) + "\n"


def _table_markdown(spec: TableSpec, language: Language) -> str:
    lines = [f"### `{spec.name}`", "", spec.en if language == "en" else spec.zh, ""]
    lines += _grid(_HEADINGS[language], [_cells(column, language) for column in spec.columns])
    return "\n".join([*lines, "", _ATTRIBUTES[language]] if spec.has_attributes else lines)


def _cells(column: Column, language: Language) -> tuple[str, ...]:
    yes, no, computed = _NEEDED[language]
    needed = computed if column.derived else yes if column.required else no
    name = f"`{column.name}`" + (f" → `{column.stored}`" if column.stored != column.name else "")
    meaning = column.en if language == "en" else column.zh
    return name, column.stored_type, column.unit, needed, meaning


def _reasons_markdown(language: Language) -> str:
    title, *headings = _REASONS[language]
    texts = [(f"`{code}`", text[0 if language == "en" else 1]) for code, text in REASONS.items()]
    return "\n".join([f"### {title}", "", *_grid(headings, texts)])


def _grid(headings: tuple[str, ...] | list[str], cells: Sequence[tuple[str, ...]]) -> list[str]:
    lines = [headings, ["---"] * len(headings), *cells]
    return [f"| {' | '.join(line)} |" for line in lines]


def main(arguments: list[str] | None = None) -> None:
    """Print the contract."""
    parser = argparse.ArgumentParser(prog="python -m churn_value.tables.schema", description=__doc__)
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="language of the meanings")
    sys.stdout.write(contract_markdown(parser.parse_args(arguments).lang))


if __name__ == "__main__":
    main()
