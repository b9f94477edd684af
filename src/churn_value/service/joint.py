"""Which rows of which requests are scored together: those that were asked for alike and offer the same features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from churn_value.scoring.offered import Offered
from churn_value.scoring.wording import Language
from churn_value.service.gathered import Gathered
from churn_value.service.requests import Request
from churn_value.service.store import Kept


@dataclass(frozen=True, slots=True)
class Question:
    """A request with the rows its items are scored from."""

    request_id: str
    request: Request
    gathered: Gathered


@dataclass(frozen=True, slots=True)
class Row:
    """One item's row: of which question, which of its items, and what is offered."""

    question: int
    index: int
    offered: Offered


class Wanted(NamedTuple):
    """How answers were asked for, as `score` takes it."""

    locale: Language
    explain: bool
    top: int
    levers: bool


class Joint:
    """Rows for one call of `score`.

    Previous answers go by customer there, so each customer of a joint has one. Two requests may have read two: one
    before and one after the scored table was replaced.

    Attributes
    ----------
    wanted, rows
        How they were asked for; the rows.
    """

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.rows: list[Row] = []
        self._kept: dict[str, Kept | None] = {}

    def takes(self, row: Row, kept: Kept | None) -> bool:
        """Take a row in, unless its customer stands here with another previous answer."""
        if self._kept.setdefault(str(row.offered.ids[0]), kept) != kept:
            return False
        self.rows.append(row)
        return True

    @cached_property
    def previous(self) -> Mapping[str, Mapping[str, Any]]:
        """Previous answers by customer, of a joint that takes no more rows: `score` and the log read the same ones."""
        return {one: kept.previous for one, kept in self._kept.items() if kept is not None}


def joints_of(questions: Sequence[Question]) -> list[Joint]:
    """The fewest joints that hold every row; joining rows that offer different features would invent nulls."""
    found: dict[tuple[Wanted, frozenset[str], bool], list[Joint]] = {}
    for place, question in enumerate(questions):
        request, gathered = question.request, question.gathered
        wanted = Wanted(request.locale, request.explain, request.top, request.levers)
        for index, offered in gathered.rows.items():
            row, kept = Row(place, index, offered), gathered.kept.get(str(offered.ids[0]))
            alike = found.setdefault((wanted, offered.there, offered.habits[0] is None), [])
            if not any(joint.takes(row, kept) for joint in alike):
                alike.append(Joint(wanted))
                alike[-1].takes(row, kept)
    return [joint for alike in found.values() for joint in alike]
