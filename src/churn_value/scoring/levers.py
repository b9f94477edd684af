"""What would move the tier: the smallest things a business can bring about that lead into a better one.

Nothing is estimated beside the model: each change is applied to the customer's features (see `lever_maps`), and the
changed customer is scored and placed like any other, under the same policy and the same previous tier. Only the minimum
dwell is left aside: it passes by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import combinations
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.scoring.answer_tiers import Levers, Move
from churn_value.scoring.lever_maps import Mask, Row, basket_minor, paid, praised, purchase, resolved
from churn_value.scoring.quantities import Floats, column
from churn_value.scoring.sections import Level
from churn_value.scoring.tiers import NOWHERE, Positions
from churn_value.scoring.wording import Language, minor_units, money

SIZES = (1, 2, 3)
Code = Literal["RESOLVE", "PAY", "PRAISE", "PURCHASE"]


@dataclass(frozen=True, slots=True)
class Lever:
    """One thing to bring about; `size` counts typical baskets."""

    code: Code
    change: Callable[[Row], None]
    size: int = 1

    def applies(self, frame: pd.DataFrame) -> Mask:
        """Customers for whom it can be brought about at all. Shape (n,)."""
        if self.code == "PURCHASE":
            return ~np.isnan(basket_minor(frame)) & (basket_minor(frame) > 0)
        if self.code == "PRAISE":
            known = "satisfaction_level" in frame.columns
            return np.full(len(frame), known) & ~(column(frame, "satisfaction_level") >= 1.0)
        name = "open_tickets" if self.code == "RESOLVE" else "overdue_count"
        there: Mask = column(frame, name) > 0
        return there

    def said(self, basket: float, currency: str, language: Language) -> str:
        """What is to happen, in words; `basket` in minor units."""
        if self.code == "PURCHASE":
            english = "{} spent in one purchase" if self.size > 1 else "A purchase of the usual size, {}"
            chinese = "一次消费{}" if self.size > 1 else "再购买一次，金额{}（通常水平）"
            amount = money(round(self.size * basket), currency)
            return (english if language == "en" else chinese).format(amount)
        return _TEXTS[self.code][language]


_TEXTS: Mapping[str, Mapping[Language, str]] = {
    "RESOLVE": {"en": "All open complaints and tickets resolved", "zh": "解决全部未结投诉与工单"},
    "PAY": {"en": "All overdue payments made", "zh": "付清全部逾期账款"},
    "PRAISE": {"en": "A survey answered with the best score", "zh": "一次满意度调查给出最高分"},
}
_OUTCOMES: Mapping[str, Mapping[Language, str]] = {
    "moves": {"en": "The least that leads into a better tier.", "zh": "以下为升级所需的最小改变。"},
    "best": {"en": "Already in the best tier.", "zh": "已处于最高等级。"},
    "nothing": {
        "en": "Nothing within reach leads into a better tier; tried, alone and together: {}.",
        "zh": "目前没有可行的改变能够升级；已单独及合并试算：{}。",
    },
    "none": {"en": "There is nothing that could be brought about.", "zh": "没有可以推动的改变。"},
}
_JOINT: Mapping[Language, str] = {"en": "; ", "zh": "；"}
SINGLES = (
    Lever("RESOLVE", resolved),
    Lever("PAY", paid),
    Lever("PRAISE", praised),
    *(Lever("PURCHASE", partial(purchase, size=size), size) for size in SIZES),
)
Plan = tuple[Lever, ...]


def plans() -> list[Plan]:
    """Nothing, each lever, each two with the usual purchase, and everything; the smaller come first."""
    small = [lever for lever in SINGLES if lever.size == 1]
    return [(), *((lever,) for lever in SINGLES), *combinations(small, 2), (*SINGLES[:3], SINGLES[-1])]


@dataclass(frozen=True, slots=True)
class Tried:
    """Customers scored again. Arrays of shape (n,)."""

    tier: Positions
    overall: Floats
    churn_probability: Floats
    expected_value: Floats


Score = Callable[[pd.DataFrame, npt.NDArray[np.int64]], Tried]
"""Scores changed rows; the second argument says which customer each row is."""


class LeverTeller:
    """Finds and words what would move the tiers of a batch.

    Parameters
    ----------
    frame
        Features of the customers, one row each.
    as_of
        Of each row.
    score
        Scores changed rows; called once.
    """

    def __init__(self, frame: pd.DataFrame, as_of: Sequence[date | None], score: Score) -> None:
        self._plans = plans()
        fits = {lever: lever.applies(frame) for lever in SINGLES}
        self._rows = [np.flatnonzero(_all(fits, plan, len(frame))) for plan in self._plans]
        changed = [_changed(frame, as_of, rows, plan) for rows, plan in zip(self._rows, self._plans, strict=True)]
        whose = np.concatenate(self._rows)
        self._tried = score(pd.concat(changed, ignore_index=True), whose)
        order = np.concatenate([np.full(len(rows), place) for place, rows in enumerate(self._rows)])
        self._places: list[dict[int, int]] = [{} for _ in range(len(frame))]
        for at, (row, plan) in enumerate(zip(whose.tolist(), order.tolist(), strict=True)):
            self._places[row][plan] = at
        self._baskets = basket_minor(frame)

    def told(self, row: int, levels: Sequence[Level], *, currency: str, language: Language) -> Levers:
        """What would move one customer."""
        tier = self._tried.tier.tolist()
        places = self._places[row]
        start = tier[places[0]]
        moves: list[Move] = []
        found: list[Plan] = []
        for place, plan in enumerate(self._plans[1:], start=1):
            if place not in places or _is_larger(plan, found):
                continue
            reached = tier[places[place]]
            if reached != NOWHERE and (start == NOWHERE or reached < start):
                found.append(plan)
                text = _JOINT[language].join(lever.said(self._baskets[row], currency, language) for lever in plan)
                spend = self._spend(row, plan, currency)
                words = (text, levels[reached].label.said(language))
                moves.append(self._move(plan, places[place], levels[reached].code, words, spend))
        return Levers(self._outcome(row, start, found, currency, language), tuple(moves))

    def _spend(self, row: int, plan: Plan, currency: str) -> float | None:
        sizes = [lever.size for lever in plan if lever.code == "PURCHASE"]
        return round(sizes[0] * float(self._baskets[row])) / minor_units(currency) if sizes else None

    def _move(self, plan: Plan, at: int, tier: str, words: tuple[str, str], spend: float | None) -> Move:
        tried = self._tried
        return Move(
            levers=tuple(lever.code for lever in plan),
            text=words[0],
            spend=spend,
            tier=tier,
            label=words[1],
            overall=_known(tried.overall[at]),
            churn_probability=float(tried.churn_probability[at]),
            expected_value=_known(tried.expected_value[at]),
        )

    def _outcome(self, row: int, start: int, found: Sequence[Plan], currency: str, language: Language) -> str:
        if found:
            return _OUTCOMES["moves"][language]
        if start == 0:
            return _OUTCOMES["best"][language]
        offered = [plan[0] for place, plan in enumerate(self._plans) if len(plan) == 1 and place in self._places[row]]
        if not offered:
            return _OUTCOMES["none"][language]
        texts = [_TEXTS[one.code][language] for one in offered if one.code != "PURCHASE"]
        texts = [text[0].lower() + text[1:] for text in texts]
        if any(one.code == "PURCHASE" for one in offered):
            most = money(round(SIZES[-1] * self._baskets[row]), currency)
            texts.append(f"one purchase of up to {most}" if language == "en" else f"一次消费最多{most}")
        return _OUTCOMES["nothing"][language].format(_JOINT[language].join(texts))


def _all(fits: Mapping[Lever, Mask], plan: Plan, rows: int) -> Mask:
    found = np.ones(rows, dtype=np.bool_)
    for lever in plan:
        found &= fits[lever]
    return found


def _changed(frame: pd.DataFrame, as_of: Sequence[date | None], rows: npt.NDArray[Any], plan: Plan) -> pd.DataFrame:
    row = Row(frame.iloc[rows].reset_index(drop=True), [as_of[one] for one in rows.tolist()])
    for lever in plan:
        lever.change(row)
    return row.frame()


def _is_larger(plan: Plan, found: Sequence[Plan]) -> bool:
    """Whether some smaller plan that was found is part of this one."""
    sizes = {lever.code: lever.size for lever in plan}
    return any(all(sizes.get(lever.code, 0) >= lever.size for lever in smaller) for smaller in found)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
