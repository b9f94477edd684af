"""Habits of the rows that are scored, as they ride on their feature rows, and the actions that speak of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from pydantic_core import from_json

from churn_value.scoring.answer import Action
from churn_value.scoring.offered import HabitTexts
from churn_value.scoring.policy_words import PolicyWords
from churn_value.scoring.portrait_parts import NextBest, Preferred
from churn_value.scoring.wording import Language

NAMED = 3
_BETWEEN = {"en": (": ", ", "), "zh": ("：", "、")}


@dataclass(frozen=True, slots=True)
class Habits:
    """Habits of one customer; null where they are not known."""

    categories: tuple[Preferred, ...] | None = None
    channels: tuple[Preferred, ...] | None = None
    next_best: tuple[NextBest, ...] | None = None


UNKNOWN = Habits()


def habits_of(texts: HabitTexts | None) -> Habits:
    """Habits written in the cells beside a row's features; all unknown where the rows were made without them."""
    if texts is None:
        return UNKNOWN
    categories, channels, items = texts
    following = _parsed(items)
    return Habits(
        _preferred(categories),
        _preferred(channels),
        None if following is None else tuple(NextBest(str(n), float(p), bool(b)) for n, p, b in following),
    )


def _preferred(text: object) -> tuple[Preferred, ...] | None:
    found = _parsed(text)
    return None if found is None else tuple(Preferred(str(name), float(share)) for name, share in found)


def _parsed(text: object) -> list[list[str | float]] | None:
    return cast(list[list[str | float]], from_json(text)) if isinstance(text, str) else None


def naming(
    actions: Sequence[tuple[Action, ...]], habits: Sequence[Habits], words: PolicyWords
) -> list[tuple[Action, ...]]:
    """Actions of each customer, those that the policy lets speak of the next best items naming them."""
    return [
        tuple(_named(one, known, words.language) if one.code in words.name_items else one for one in own)
        if known.next_best
        else own
        for own, known in zip(actions, habits, strict=True)
    ]


def _named(action: Action, habits: Habits, language: Language) -> Action:
    names = tuple(one.name for one in (habits.next_best or ())[:NAMED])
    colon, comma = _BETWEEN[language]
    return replace(action, about=names, text=f"{action.text}{colon}{comma.join(names)}")
