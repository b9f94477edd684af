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
    """Habits of one customer, written in the cells beside the features; each is read when it is asked for.

    Attributes
    ----------
    texts
        Cells of `HABITS`; None where the rows were made without them, and then nothing is known.
    """

    texts: HabitTexts | None = None

    @property
    def categories(self) -> tuple[Preferred, ...] | None:
        """Preferred categories; None where they are not known."""
        return _preferred(self._cell(0))

    @property
    def channels(self) -> tuple[Preferred, ...] | None:
        """Preferred channels; None where they are not known."""
        return _preferred(self._cell(1))

    @property
    def next_best(self) -> tuple[NextBest, ...] | None:
        """Items that are likely to be bought next; None where they are not known."""
        found = _parsed(self._cell(2))
        return None if found is None else tuple([NextBest(str(n), float(p), bool(b)) for n, p, b in found])

    def _cell(self, place: int) -> object:
        return None if self.texts is None else self.texts[place]


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
        _naming(own, known, words) if any(one.code in words.name_items for one in own) else own
        for own, known in zip(actions, habits, strict=True)
    ]


def _naming(own: tuple[Action, ...], habits: Habits, words: PolicyWords) -> tuple[Action, ...]:
    names = tuple([one.name for one in (habits.next_best or ())[:NAMED]])
    if not names:
        return own
    return tuple(_named(one, names, words.language) if one.code in words.name_items else one for one in own)


def _named(action: Action, names: tuple[str, ...], language: Language) -> Action:
    colon, comma = _BETWEEN[language]
    return replace(action, about=names, text=f"{action.text}{colon}{comma.join(names)}")
