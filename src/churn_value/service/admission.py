"""A bounded queue in front of the scoring threads: what cannot be answered soon is refused at once.

BentoML's own limit answers 429 without saying when to come back, and its timeout lets the abandoned work run on while
new work is admitted. Here a slot is given back only when its work has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from churn_value.service.problems import refusal


class Admission:
    """Slots for work and places to wait for one.

    Parameters
    ----------
    slots
        Requests worked on at once, at least 1.
    waiting
        Requests that may wait beyond those; further ones are refused.
    deadline_s
        Longest wait [s].
    """

    def __init__(self, slots: int, waiting: int, deadline_s: float) -> None:
        self._places = slots + waiting
        self._deadline_s = deadline_s
        self._slots = asyncio.Semaphore(slots)
        self.inside = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold one slot.

        Raises
        ------
        RequestError
            ``OVERLOADED`` when no place to wait is left, ``WAITED_TOO_LONG`` after the deadline.
        """
        if self.inside >= self._places:
            raise refusal("OVERLOADED")
        self.inside += 1
        try:
            await self._acquire()
            try:
                yield
            finally:
                self._slots.release()
        finally:
            self.inside -= 1

    async def _acquire(self) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                await self._slots.acquire()
        except TimeoutError:
            raise refusal("WAITED_TOO_LONG") from None
