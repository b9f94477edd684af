"""One bad item must not fail its batch: try all together, and halve only when that fails."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from churn_value.errors import ChurnValueError

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def isolated(
    items: Sequence[Item], attempt: Callable[[Sequence[Item]], Outcome], *, most_halvings: int | None = None
) -> Iterator[tuple[Sequence[Item], Outcome | ChurnValueError]]:
    """Outcomes of `attempt` over parts of `items`, largest first.

    One fault among n items costs log2(n) halvings of two attempts each.

    Parameters
    ----------
    items
        What to try.
    attempt
        Does the work for some of them, all or none.
    most_halvings
        Bound on the cost of many faults; None: halve until every fault stands alone. Once it is reached, an error may
        stand beside several items.
    """
    parts = deque([items])
    halvings = 0
    while parts:
        part = parts.popleft()
        try:
            yield part, attempt(part)
        except ChurnValueError as error:
            if len(part) == 1 or halvings == most_halvings:
                yield part, error
                continue
            halvings += 1
            half = len(part) // 2
            parts.extend((part[:half], part[half:]))
