"""One bad item must not fail its batch: try all together, and halve only when that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from churn_value.errors import ChurnValueError

Outcome = TypeVar("Outcome")


def isolated(
    indices: Sequence[int], attempt: Callable[[Sequence[int]], Outcome]
) -> Iterator[tuple[Sequence[int], Outcome | ChurnValueError]]:
    """Outcomes of `attempt` over parts of `indices`, in order; an error stands beside a single index.

    One fault among n items costs about 2 log2(n) further attempts.
    """
    try:
        yield indices, attempt(indices)
    except ChurnValueError as error:
        if len(indices) == 1:
            yield indices, error
            return
        half = len(indices) // 2
        yield from isolated(indices[:half], attempt)
        yield from isolated(indices[half:], attempt)
