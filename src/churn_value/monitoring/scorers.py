"""Answers of a chunk by several processes: most of the time goes into words and objects, which threads cannot share.

Each process loads the bundle for itself. A row's answer has the same bits whoever is scored beside it, so how many
processes there are changes nothing but the time.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from threading import Thread

import pandas as pd

from churn_value.errors import BundleError
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.collector import collect_rarely, collecting_rarely
from churn_value.scoring.overrides import TierOverrides
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame

# To begin a process takes as long as to score some thousand customers.
ROWS_A_PROCESS = 10_000
# Chunks that are made while another is scored: without one, every process waits while the parent makes the next.
AHEAD = 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some customers: feature rows, and their previous answers where there are any."""

    rows: pd.DataFrame
    previous: pd.DataFrame | None = None


Scorer = Callable[[Iterable[Chunk]], Iterator[tuple[Chunk, pd.DataFrame]]]
"""Each chunk, in order, with its answers as a flat table in the order of its rows; at most `AHEAD` are taken before."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a base is scored, as `score` takes it."""

    locale: str
    by_hand: TierOverrides
    today: date
    threads: int


def processes_for(rows: int) -> int:
    """Processes that are worth starting for so many customers: at most one for each core this process may use."""
    return max(1, min(_cores(), rows // ROWS_A_PROCESS))


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux tells which cores are ours
        return os.cpu_count() or 1


@contextmanager
def scorer(bundle: Bundle, folder: Path, wanted: Wanted, processes: int) -> Iterator[Scorer]:
    """A way to score chunks while the context lasts.

    Parameters
    ----------
    bundle, folder
        The champion, and where other processes load it from.
    wanted
        The same for all rows.
    processes
        1 scores in this process; more are started anew, never forked: a fork has the locks of threads that it does
        not have, and LightGBM's and DuckDB's hang. They end with this process, however it ends.
    """
    if processes == 1:
        with collecting_rarely():
            yield partial(_one_by_one, bundle, wanted)
        return
    own = (folder, bundle.version, replace(wanted, threads=1))
    spawned = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawned, initializer=_begin, initargs=own) as pool:
        yield partial(_shared_out, pool, processes)


def scored(bundle: Bundle, wanted: Wanted, chunk: Chunk) -> pd.DataFrame:
    """Answers of a chunk as a flat table."""
    answers = score(
        bundle,
        chunk.rows,
        locale=wanted.locale,
        previous=chunk.previous,
        overrides=wanted.by_hand,
        now=wanted.today,
        threads=wanted.threads,
    )
    return answers_to_frame(answers)


def _one_by_one(bundle: Bundle, wanted: Wanted, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, pd.DataFrame]]:
    for chunk in chunks:
        yield chunk, scored(bundle, wanted, chunk)


def _shared_out(
    pool: ProcessPoolExecutor, processes: int, chunks: Iterable[Chunk]
) -> Iterator[tuple[Chunk, pd.DataFrame]]:
    """Each chunk in slices of equal length, put together again; the next is handed out before one is waited for."""
    waiting: deque[tuple[Chunk, list[Future[pd.DataFrame]]]] = deque()
    for chunk in chunks:
        waiting.append((chunk, [pool.submit(_scored_here, part) for part in _slices(chunk, processes)]))
        if len(waiting) > AHEAD:
            yield _together(*waiting.popleft())
    while waiting:
        yield _together(*waiting.popleft())


def _together(chunk: Chunk, answers: list[Future[pd.DataFrame]]) -> tuple[Chunk, pd.DataFrame]:
    return chunk, pd.concat([one.result() for one in answers], ignore_index=True)


def _slices(chunk: Chunk, count: int) -> list[Chunk]:
    size = max(1, -(-len(chunk.rows) // count))
    slices = [chunk.rows.iloc[start : start + size] for start in range(0, len(chunk.rows), size)]
    return [Chunk(one, _of(chunk.previous, one["customer_id"])) for one in slices]


def _of(previous: pd.DataFrame | None, customers: pd.Series[str]) -> pd.DataFrame | None:
    return None if previous is None else previous[previous["customer_id"].isin(customers)]


_here: list[Callable[[Chunk], pd.DataFrame]] = []  # of a process that `_begin` has made ready; one


def _begin(folder: Path, version: str, wanted: Wanted) -> None:
    """Make a new process ready to score."""
    Thread(target=_end_with_parent, daemon=True).start()
    bundle = load_bundle(folder)
    if bundle.version != version:
        raise BundleError("the bundle was replaced while it was used", where=str(folder), received=bundle.version)
    _here.append(partial(scored, bundle, wanted))
    collect_rarely()


def _end_with_parent() -> None:
    """A parent that was killed tells its children nothing: they would wait for work for ever."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _scored_here(chunk: Chunk) -> pd.DataFrame:
    return _here[0](chunk)
