"""A bounded queue before the scoring threads: what cannot be answered soon is refused at once, what waits is joined.

BentoML's own limit answers 429 without saying when to come back, and its timeout lets the abandoned work run on while
new work is admitted. Here a slot is given back only when its work has ended.

Scoring eight rows together takes little more than scoring one. So whoever takes a slot takes along the small jobs that
wait right behind: no job waits for company, but under load jobs find it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from churn_value.service.problems import refusal

MOST_TOGETHER = 16
Work = Callable[[Sequence[Any]], Sequence[Any]]
"""Outcomes of some jobs, in their order; an outcome that is an error is raised where that job waits."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """A job in the queue, and where its outcome will be."""

    work: Work
    job: Any
    joins: bool
    outcome: asyncio.Future[Any]
    deadline: asyncio.TimerHandle | None = None

    def settle(self, found: Any) -> None:
        """Tell the outcome to whoever still waits for it."""
        if self.outcome.done():
            return
        if isinstance(found, BaseException):
            self.outcome.set_exception(found)
        else:
            self.outcome.set_result(found)


class Admission:
    """Slots for work and places to wait for one.

    Parameters
    ----------
    slots
        Runs of work at once, each in a thread; at least 1.
    waiting
        Jobs that may wait beyond those; further ones are refused.
    deadline_s
        Longest wait for a slot [s].

    Attributes
    ----------
    inside
        Jobs that wait or are worked on.
    """

    def __init__(self, slots: int, waiting: int, deadline_s: float) -> None:
        self._free, self._places = slots, slots + waiting
        self._deadline_s = deadline_s
        self._queue: deque[_Waiting] = deque()
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="scoring")
        self.inside = 0

    async def outcome(self, work: Work, job: Any, *, joins: bool = False) -> Any:
        """Outcome of a job.

        Parameters
        ----------
        work
            Does some jobs at once, in a thread of its own.
        job
            One of them.
        joins
            Whether it may be done together with other such jobs of the same work, up to 16 at once.

        Raises
        ------
        RequestError
            ``OVERLOADED`` when no place to wait is left, ``WAITED_TOO_LONG`` after the deadline.
        """
        if self.inside >= self._places:
            raise refusal("OVERLOADED")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(work, job, joins, loop.create_future())
        waiting.deadline = loop.call_later(self._deadline_s, self._expire, waiting)
        self._queue.append(waiting)
        self.inside += 1
        # Not now, but after everything that has arrived by now has come this far.
        loop.call_soon(self._start)
        try:
            return await waiting.outcome
        finally:
            self.inside -= 1
            self._leave(waiting)

    def _expire(self, waiting: _Waiting) -> None:
        waiting.settle(refusal("WAITED_TOO_LONG"))

    def _leave(self, waiting: _Waiting) -> None:
        """Take a job out of the queue that nobody waits for any more; one that was begun is no longer in it."""
        if waiting.deadline is not None:
            waiting.deadline.cancel()
            if waiting in self._queue:
                self._queue.remove(waiting)

    def _start(self) -> None:
        """Begin what there are slots for."""
        while self._free and self._queue:
            self._begin(self._taken())

    def _begin(self, taken: Sequence[_Waiting]) -> None:
        self._free -= 1
        jobs = [waiting.job for waiting in taken]
        # No task and no further wait in between: each would be another turn of the event loop for every request.
        running = asyncio.get_running_loop().run_in_executor(self._threads, taken[0].work, jobs)
        running.add_done_callback(partial(self._ended, taken))

    def _ended(self, taken: Sequence[_Waiting], running: asyncio.Future[Sequence[Any]]) -> None:
        self._free += 1
        failure = running.exception()
        if failure is None:
            for waiting, outcome in zip(taken, running.result(), strict=True):
                waiting.settle(outcome)
        elif len(taken) == 1:
            taken[0].settle(failure)
        else:
            # A fault of ours, and most likely one job's only: the others need not share it.
            self._queue.extendleft(replace(waiting, joins=False) for waiting in reversed(taken))
        self._start()

    def _taken(self) -> list[_Waiting]:
        """The first in the queue, with those behind it that may be done together with it."""
        first = self._queue.popleft()
        taken = [first]
        while first.joins and self._queue and len(taken) < MOST_TOGETHER:
            other = self._queue[0]
            if not other.joins or other.work != first.work:
                break
            taken.append(self._queue.popleft())
        for waiting in taken:
            if waiting.deadline is not None:
                waiting.deadline.cancel()
                waiting.deadline = None
        return taken
