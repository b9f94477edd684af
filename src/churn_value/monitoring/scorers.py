"""Answers of a chunk by several processes: most of the time goes into words and objects, which threads cannot share.

Each process loads the bundle for itself. A row's answer has the same bits whoever is scored beside it, so how many
processes there are changes nothing but the time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
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
Scorer = Callable[[pd.DataFrame, pd.DataFrame | None], pd.DataFrame]
"""Answers as a flat table, of feature rows and the customers' previous answers; in the order of the rows."""


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
            yield partial(scored, bundle, wanted)
        return
    own = (folder, bundle.version, replace(wanted, threads=1))
    spawned = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawned, initializer=_begin, initargs=own) as pool:
        yield partial(_shared_out, pool, processes)


def scored(bundle: Bundle, wanted: Wanted, rows: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """Answers of feature rows as a flat table."""
    answers = score(
        bundle,
        rows,
        locale=wanted.locale,
        previous=previous,
        overrides=wanted.by_hand,
        now=wanted.today,
        threads=wanted.threads,
    )
    return answers_to_frame(answers)


def _shared_out(
    pool: ProcessPoolExecutor, processes: int, rows: pd.DataFrame, previous: pd.DataFrame | None
) -> pd.DataFrame:
    """Answers of a chunk in slices of equal length, put together again."""
    size = max(1, -(-len(rows) // processes))
    slices = [rows.iloc[start : start + size] for start in range(0, len(rows), size)]
    before = [_of(previous, one["customer_id"]) for one in slices]
    return pd.concat(pool.map(_scored_here, slices, before), ignore_index=True)


def _of(previous: pd.DataFrame | None, customers: pd.Series[str]) -> pd.DataFrame | None:
    return None if previous is None else previous[previous["customer_id"].isin(customers)]


_here: list[Scorer] = []  # of a process that `_begin` has made ready; one


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


def _scored_here(rows: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    return _here[0](rows, previous)
