"""The answers of many rows: each is made when it is asked for, and a table of them is made without any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, overload

from churn_value.scoring.answer import Answer
from churn_value.scoring.assembly import Assembler, Batch, Told


@dataclass(frozen=True, eq=False, repr=False)
class Answers(Sequence[Answer]):
    """Answers in the order of the rows; two that are asked for at the same place are equal, not the same.

    Compared with any sequence answer by answer.

    Attributes
    ----------
    assembler
        What is known of every row, scored or not.
    rows
        How many there are.
    scored
        Rows that could be scored, ascending.
    batch
        What was found for these, in their order; None where there are none.
    told
        Their reasons; None without reasons.
    """

    assembler: Assembler
    rows: int
    scored: Sequence[int] = ()
    batch: Batch | None = None
    told: Told | None = None

    def __len__(self) -> int:
        """Rows."""
        return self.rows

    def __eq__(self, other: object) -> bool:
        """Whether the answers are equal, one by one."""
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as lists have none

    def __repr__(self) -> str:
        """How many."""
        return f"<{self.rows} answers, {len(self.scored)} with scores>"

    def __iter__(self) -> Iterator[Answer]:
        """One by one."""
        return map(self._made, range(self.rows))

    @overload
    def __getitem__(self, place: int) -> Answer: ...

    @overload
    def __getitem__(self, place: slice) -> list[Answer]: ...

    def __getitem__(self, place: int | slice) -> Answer | list[Answer]:
        """One of them, or a list of several."""
        rows = range(self.rows)
        return [self._made(row) for row in rows[place]] if isinstance(place, slice) else self._made(rows[place])

    def spread(self, found: Callable[[Batch], Sequence[Any] | None], other: object = None) -> Sequence[Any]:
        """What was found for the rows that were scored, as a cell for each row; `other` where nothing was."""
        own = found(self.batch) if self.batch else None
        if own is not None and len(own) == self.rows:
            return own
        cells = [other] * self.rows
        for row, cell in zip(self.scored, own, strict=True) if own is not None else ():
            cells[row] = cell
        return cells

    @cached_property
    def places(self) -> dict[int, int]:
        """Place in the batch of each row that was scored."""
        return {row: place for place, row in enumerate(self.scored)}

    def _made(self, row: int) -> Answer:
        place = self.places.get(row)
        if place is None or self.batch is None:
            return self.assembler.unscored(row)
        return self.assembler.scored(row, self.batch, place, self.told)
