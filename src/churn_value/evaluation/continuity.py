"""Whether events come on and on, or days of them were never loaded.

======  ==========================================================================================
code    issue
======  ==========================================================================================
CV013   a table of events has no row for more days in a row than chance leaves empty (a warning)
======  ==========================================================================================

Who bought on a day that was not loaded looks silent on it, and silence is what both heads learn from. With p the share
of days that have rows, n days from the first to the last, and days taken to be independent, fewer than ``n (1 - p)^g``
runs of g empty days are expected; where that is below .01, somebody should look: shops that close each Sunday pass, and
so does a table of few rows, but not a month that an export forgot. A long holiday is told too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import pairwise
from typing import NamedTuple

import ibis.expr.types as ir

from churn_value.evaluation.checks import Check
from churn_value.timeline import day_number, day_of

MOST_EXPECTED = 0.01
TABLES = ("purchases", "visits", "feedback")


class Gap(NamedTuple):
    """First and last of some days in a row without an event."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many they are."""
        return day_number(self.last) - day_number(self.first) + 1


def gaps(days: Sequence[date]) -> tuple[Gap, ...]:
    """Runs of empty days that chance does not explain, the longest first.

    Parameters
    ----------
    days
        Days with an event, in any order.

    Examples
    --------
    >>> open_days = [day_of(number) for number in range(20_000, 20_100) if number not in range(20_050, 20_055)]
    >>> [(gap.first.isoformat(), gap.days) for gap in gaps(open_days)]
    [('2024-11-23', 5)]
    """
    numbers = sorted({day_number(day) for day in days})
    if not numbers:
        return ()
    span = numbers[-1] - numbers[0] + 1
    empty = 1 - len(numbers) / span
    found = [Gap(day_of(before + 1), day_of(after - 1)) for before, after in pairwise(numbers) if after > before + 1]
    unlikely = [gap for gap in found if span * empty**gap.days < MOST_EXPECTED]
    return tuple(sorted(unlikely, key=lambda gap: (-gap.days, gap.first)))


def continuity(events: Mapping[str, ir.Table]) -> Check:
    """Check CV013 of the tables of events there are."""
    told = [(name, days, found) for name in TABLES if name in events and (found := gaps(days := _days(events[name])))]
    if not told:
        en, zh = "No table of events has a gap that chance does not explain.", "各事件表均无异常的连续空白日期。"
        return Check("CV013", "passed", "warning", en, zh)
    en = "; ".join(_text(name, days, found) for name, days, found in told)
    zh = "；".join(_text_zh(name, days, found) for name, days, found in told)
    return Check(
        "CV013",
        "issue",
        "warning",
        f"{en}. If rows are missing there, those who came look silent.",
        f"{zh}。若这些日期的数据缺失，当时来过的客户会被误认为沉默。",
    )


def _days(table: ir.Table) -> list[date]:
    return [row["day"] for row in table.select(day=table.event_time.date()).distinct().to_pyarrow().to_pylist()]


def _text(name: str, days: Sequence[date], found: Sequence[Gap]) -> str:
    gap, of = found[0], f" (the longest of {len(found)} such gaps)" if len(found) > 1 else ""
    return f"{name} has no row on {gap.days} days in a row, {gap.first} to {gap.last}{of}; {len(days):,} days have some"


def _text_zh(name: str, days: Sequence[date], found: Sequence[Gap]) -> str:
    gap, of = found[0], f"（共 {len(found)} 处类似空白，此为最长）" if len(found) > 1 else ""
    return f"{name} 在 {gap.first} 至 {gap.last} 连续 {gap.days} 天没有记录{of}，而有记录的日期共 {len(days):,} 天"
