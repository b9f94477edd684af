"""The tiers set by hand, listed for whoever answers for them: in force, about to end, ended, and refused with the why.

A table with a refused row is refused as a whole where customers are scored. Here every row is looked at by itself, so
that all that is wrong can be corrected at once.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import pandas as pd

from churn_value.errors import DataContractError
from churn_value.scoring.overrides import (
    COLUMNS,
    UNKNOWN_TIER,
    Override,
    TierOverrides,
    overrides_table,
    sorted_out,
    write_overrides,
)
from churn_value.scoring.wording import LANGUAGES, Language

State = Literal["active", "expiring", "expired", "refused"]
# An owner who is told a month ahead can still ask for another term.
EXPIRING_DAYS = 30
ORDER: tuple[State, ...] = ("refused", "expiring", "active", "expired")
STATES: Mapping[State, Mapping[Language, str]] = {
    "refused": {"en": "refused", "zh": "被拒绝"},
    "expiring": {"en": f"expires within {EXPIRING_DAYS} days", "zh": f"{EXPIRING_DAYS}天内到期"},
    "active": {"en": "active", "zh": "生效中"},
    "expired": {"en": "expired", "zh": "已过期"},
}
TITLES: Mapping[Language, str] = {"en": "Tiers set by hand", "zh": "人工指定的等级"}
HEADS: Mapping[Language, tuple[str, ...]] = {
    "en": ("customer", "tier", "state", "reason", "owner", "last day", "why refused"),
    "zh": ("客户", "等级", "状态", "原因", "负责人", "最后一天", "拒绝理由"),
}
OWN: Mapping[Language, str] = {"en": "own tier", "zh": "自身等级"}
NONE: Mapping[Language, str] = {"en": "No tier is set by hand.", "zh": "没有人工指定的等级。"}
REFUSALS: Mapping[str, Mapping[Language, str]] = {
    "OVERRIDE_WITHOUT_CUSTOMER": {"en": "no customer is given", "zh": "未填写客户"},
    "OVERRIDE_WITHOUT_TIER": {"en": "no tier is given", "zh": "未填写等级"},
    "OVERRIDE_WITHOUT_REASON": {"en": "no reason is given", "zh": "未填写原因"},
    "OVERRIDE_WITHOUT_OWNER": {"en": "nobody answers for it", "zh": "未填写负责人"},
    "OVERRIDE_WITHOUT_EXPIRES": {"en": "no last day is given", "zh": "未填写最后一天"},
    "OVERRIDE_EXPIRES_INVALID": {"en": "the last day is no date as in 2026-12-31", "zh": "最后一天须写作 2026-12-31"},
    "OVERRIDE_REPEATED": {"en": "the customer has more than one", "zh": "该客户重复出现"},
    UNKNOWN_TIER: {"en": "the policy has no such tier", "zh": "策略中没有该等级"},
    "OVERRIDE_COLUMN_MISSING": {"en": "the table lacks a column", "zh": "表缺少列"},
    "OVERRIDES_ABSENT": {"en": "the table does not exist", "zh": "表不存在"},
    "OVERRIDES_UNREADABLE": {"en": "the table is no CSV file in UTF-8", "zh": "表不是 UTF-8 编码的 CSV 文件"},
}


@dataclass(frozen=True, slots=True)
class Listed:
    """One row of a table of overrides; cells as they were given, `refusal` is the code of why it is refused."""

    customer_id: str
    tier: str
    reason: str
    owner: str
    expires: str
    state: State
    refusal: str | None = None

    @classmethod
    def of(cls, one: Override, day: date) -> Listed:
        """An override as it stands on a day."""
        state: State = "expired"
        if one.in_force(day):
            state = "expiring" if one.expires - day <= timedelta(days=EXPIRING_DAYS) else "active"
        return cls(one.customer_id, one.tier, one.reason, one.owner, one.expires.isoformat(), state)


def _ordered(rows: Sequence[Listed]) -> list[Listed]:
    """What needs a hand first; within a state the next to end, but what has ended the latest first."""
    rows = sorted(rows, key=lambda row: (row.expires, row.customer_id))
    gone = [row for row in rows if row.state == "expired"]
    return [row for state in ORDER[:-1] for row in rows if row.state == state] + gone[::-1]


def listed(overrides: TierOverrides, day: date) -> list[Listed]:
    """Overrides of a checked table, in the order of a report."""
    return _ordered([Listed.of(one, day) for one in overrides.by_customer.values()])


def listed_rows(table: pd.DataFrame, tiers: Collection[str], day: date) -> list[Listed]:
    """Every row of a table, refused ones too.

    Parameters
    ----------
    table
        With the columns of `overrides.COLUMNS`, all texts.
    tiers
        Codes of the policy's tiers.
    day
        Today.

    Raises
    ------
    DataContractError
        ``OVERRIDE_COLUMN_MISSING``.
    """
    found, refused = sorted_out(table, "tier_overrides", tiers)
    texts = table[list(COLUMNS)].astype(object).where(table[list(COLUMNS)].notna(), "").astype(str).to_numpy().tolist()
    bad = []
    for number, error in refused.items():
        customer_id, tier, reason, owner, expires = texts[number - 1]
        bad.append(Listed(customer_id, tier, reason, owner, expires, "refused", error.code))
    return _ordered([*(Listed.of(one, day) for one in found.values()), *bad])


def listed_for(data_root: Path, file: str | None, tiers: Collection[str], day: date) -> list[Listed]:
    """Rows of a company's file below its data root, for a report; a table that cannot be read is one refused row."""
    if file is None:
        return []
    try:
        return listed_rows(overrides_table(data_root / file), tiers, day)
    except DataContractError as error:
        return [Listed("", "", "", "", "", "refused", error.code)]


def own_tiers(overrides: TierOverrides, answers: pd.DataFrame) -> dict[str, str]:
    """The policy's own tiers of customers whose tier is set by hand, as far as a score table has them."""
    rows = answers[answers["customer_id"].isin(list(overrides.by_customer)) & answers["tier_own"].notna()]
    return dict(zip(rows["customer_id"], rows["tier_own"], strict=True))


def as_table(
    rows: Sequence[Listed], language: Language, own: Mapping[str, str] | None = None
) -> tuple[list[str], list[list[str]]]:
    """Header and rows in a language; why refused only where something is, the policy's `own` tiers if given."""
    refused = any(row.refusal for row in rows)
    header, told = list(HEADS[language]), [_cells(row, language) for row in rows]
    if not refused:
        header, told = header[:-1], [cells[:-1] for cells in told]
    if own is None:
        return header, told
    header[2:2] = [OWN[language]]
    return header, [[*cells[:2], own.get(cells[0], "–"), *cells[2:]] for cells in told]


def _cells(row: Listed, language: Language) -> list[str]:
    why = REFUSALS[row.refusal][language] if row.refusal else ""
    return [row.customer_id, row.tier, STATES[row.state][language], row.reason, row.owner, row.expires, why]


def as_page(rows: Sequence[Listed], day: date) -> str:
    """The list in Markdown, English first, then Chinese."""
    parts = []
    for language in LANGUAGES:
        parts.append(f"# {TITLES[language]} · {day}")
        header, told = as_table(rows, language)
        lines = [header, ["---"] * len(header), *told]
        cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in cells) if rows else NONE[language])
    return "\n\n".join(parts) + "\n"


def publish(overrides: TierOverrides, path: Path, day: date) -> None:
    """Publish a checked table for the service, and beside it, ending in ``.md``, the list for people."""
    write_overrides(overrides, path)
    fresh = path.with_name(f".{path.stem}.md.{os.getpid()}")
    fresh.write_text(as_page(listed(overrides, day), day), encoding="utf-8")
    fresh.replace(path.with_suffix(".md"))
