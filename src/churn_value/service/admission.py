"""A bounded queue before the scoring threads: what cannot be answered soon is refused at once, what waits is joined.

BentoML's own limit answers 429 without saying when to come back, and its timeout lets the abandoned work run on while
new work is admitted. Here a slot is given back only when its work has ended.

Scoring eight rows together takes little more than scoring one. So whoever takes a slot takes along the small jobs that
wait right behind, as long as they ask about few customers: no job waits for company, but under load jobs find it.

A quick job that is alone is done on the event loop itself. Handing it to a thread and its outcome back takes two turns
of two threads that hold one interpreter, and whoever else wants it, such as the log's writer, comes in between.

So are quick jobs about few customers when no place is left: then the loop refuses thousands of requests a second, and
a thread that scores meanwhile and the loop would take the interpreter from each other, which costs both a third of it.
The loop refuses what has arrived and does one run, in turns.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import Any

from churn_value.service.problems import refusal

MOST_TOGETHER, MOST_IN_A_FLOOD = 128, 24
"""Customers of one run, in a thread and on the event loop."""

FEW = 4
"""Customers of a job that the event loop does in a flood: few enough for a run of it to hold several jobs."""

OVERLOADED = "OVERLOADED"
Work = Callable[[Sequence[Any]], Sequence[Any]]
"""Outcomes of some jobs, in their order; an outcome that is an error is raised where that job waits."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """A job, and where its outcome will be."""

    work: Work
    job: Any
    customers: int
    is_quick: bool
    outcome: asyncio.Future[Any]

    def settle(self, found: Any) -> None:
        """Tell the outcome to whoever still waits for it; on the event loop."""
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

    Notes
    -----
    A thread that has ended a run frees the places and begins the next run itself, unless the event loop will.
    """

    def __init__(self, slots: int, waiting: int, deadline_s: float) -> None:
        self._slots, self._free, self._places = slots, slots, slots + waiting
        self._is_planned = False
        self._deadline_s = deadline_s
        self._queue: deque[_Waiting] = deque()
        self._lock = Lock()
        self._threads = ThreadPoolExecutor(slots, thread_name_prefix="scoring")
        self.inside = 0

    @property
    def is_full(self) -> bool:
        """Whether the next job would be refused."""
        return not self.has_room_for(1)

    def has_room_for(self, further: int) -> bool:
        """Whether so many further jobs would find a place."""
        return self.inside + further <= self._places

    async def outcome(self, work: Work, job: Any, *, customers: int = 0, is_quick: bool = False) -> Any:
        """Outcome of a job.

        Parameters
        ----------
        work
            Does some jobs at once, in a thread of its own where they are not quick or not alone.
        job
            One of them.
        customers
            How many a small job asks about: it may be done together with other such jobs of the same work, up to 128
            customers at once. 0: it is done alone.
        is_quick
            Whether the event loop may stand still for it: some milliseconds, and now and then one look at a file.

        Raises
        ------
        RequestError
            ``OVERLOADED`` when no place to wait is left, ``WAITED_TOO_LONG`` after the deadline.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(work, job, customers, is_quick, loop.create_future())
        with self._lock:
            if self.is_full:
                raise refusal(OVERLOADED)
            self.inside += 1
            self._queue.append(waiting)
        deadline = loop.call_later(self._deadline_s, self._expire, waiting)
        self._plan(loop)
        try:
            return await waiting.outcome
        finally:
            deadline.cancel()
            self._leave(waiting)

    def _expire(self, waiting: _Waiting) -> None:
        with self._lock:
            is_queued = waiting in self._queue
        if is_queued:
            waiting.settle(refusal("WAITED_TOO_LONG"))

    def _leave(self, waiting: _Waiting) -> None:
        """Take a job out of the queue that nobody waits for any more; one that was begun is no longer in it."""
        with self._lock:
            if waiting in self._queue:
                self._queue.remove(waiting)
                self.inside -= 1

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin after everything that has arrived by now has come this far, once for all of it."""
        if not self._is_planned:
            self._is_planned = True
            loop.call_soon(self._begin)

    def _begin(self) -> None:
        """Do what the event loop does itself; begin everything else. On the event loop."""
        self._is_planned = False
        taken = self._quick()
        if not taken:
            self._start()
            return
        outcomes: Sequence[Any] = []
        failure = None
        try:
            outcomes = taken[0].work([waiting.job for waiting in taken])
        except Exception as error:  # noqa: BLE001 - it is raised where the job waits, as that of a thread is
            outcomes, failure = [error], error
        if self._freed(taken, failure):
            _settle(taken, outcomes)
        if self._queue:
            self._plan(taken[0].outcome.get_loop())

    def _quick(self) -> list[_Waiting]:
        """What the event loop does itself: the only job inside if it is quick, or quick ones when no place is left."""
        with self._lock:
            if self._free < self._slots or not self._queue:
                return []
            if self.inside == 1 and self._queue[0].is_quick:
                return self._run(1)
            return self._run(MOST_IN_A_FLOOD) if self._is_flood() else []

    def _is_flood(self) -> bool:
        """Whether no place is left, and the event loop had better do what comes next."""
        return self.is_full and bool(self._queue) and self._queue[0].is_quick and 0 < self._queue[0].customers <= FEW

    def _start(self) -> None:
        """Begin what there are slots for; on the event loop, and in threads that have ended a run."""
        while taken := self._next():
            running = self._threads.submit(taken[0].work, [waiting.job for waiting in taken])
            running.add_done_callback(partial(self._ended, taken))

    def _next(self) -> list[_Waiting]:
        """What a thread does next; nothing without a free slot."""
        with self._lock:
            return self._run(MOST_TOGETHER) if self._free and self._queue else []

    def _run(self, most: int) -> list[_Waiting]:
        """The first in the queue, with those behind it that may be done together with it; they take a slot."""
        self._free -= 1
        first = self._queue.popleft()
        taken, customers = [first], first.customers
        while first.customers and self._queue:
            other = self._queue[0]
            customers += other.customers
            if not other.customers or other.work != first.work or customers > most:
                break
            taken.append(self._queue.popleft())
        return taken

    def _ended(self, taken: Sequence[_Waiting], running: Future[Sequence[Any]]) -> None:
        """Pass outcomes on and begin the next run, or let the event loop do it in a flood; in the thread of the run."""
        failure = running.exception()
        with self._lock:
            is_flood = self._is_flood()
        loop = taken[0].outcome.get_loop()
        if self._freed(taken, failure):
            loop.call_soon_threadsafe(_settle, taken, running.result() if failure is None else [failure])
        if is_flood:
            loop.call_soon_threadsafe(self._plan, loop)
        else:
            self._start()

    def _freed(self, taken: Sequence[_Waiting], failure: BaseException | None) -> bool:
        """Give back what a run took; whether it has outcomes. If not, its jobs are in the queue again, each alone."""
        again = failure is not None and len(taken) > 1
        with self._lock:
            self._free += 1
            if again:
                # A fault of ours, and most likely one job's only: the others need not share it.
                self._queue.extendleft(replace(waiting, customers=0) for waiting in reversed(taken))
            else:
                self.inside -= len(taken)
        return not again


def _settle(taken: Sequence[_Waiting], outcomes: Sequence[Any]) -> None:
    for waiting, outcome in zip(taken, outcomes, strict=True):
        waiting.settle(outcome)
