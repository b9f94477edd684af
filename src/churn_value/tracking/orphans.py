"""Runs left RUNNING by processes that were killed: found by their released lock, and closed."""

from __future__ import annotations

from dataclasses import dataclass

from mlflow.entities import Run

from churn_value.tracking.locks import is_held
from churn_value.tracking.runs import KIND, PARENT, lock_of
from churn_value.tracking.store import Store

MOST_RUNS = 5_000


@dataclass(frozen=True, slots=True)
class Orphan:
    """A run that says RUNNING though no process works on it."""

    run_id: str
    experiment: str
    name: str


def orphans(store: Store) -> tuple[Orphan, ...]:
    """Training runs of this store left RUNNING by processes that have ended, newest first."""
    experiments = {e.experiment_id: e.name for e in store.client.search_experiments()}
    if not experiments:
        return ()
    running = store.client.search_runs(list(experiments), "attributes.status = 'RUNNING'", max_results=MOST_RUNS)
    return tuple(
        Orphan(run.info.run_id, experiments[run.info.experiment_id], run.info.run_name)
        for run in running
        if run.data.tags.get(KIND) in {"training", "trial"} and not _is_alive(store, run)
    )


def _is_alive(store: Store, run: Run) -> bool:
    owner = run.data.tags.get(PARENT, run.info.run_id)
    return is_held(lock_of(store, owner))


def reap(store: Store) -> tuple[Orphan, ...]:
    """Orphans, each now ended KILLED and tagged so."""
    found = orphans(store)
    for orphan in found:
        store.client.set_tag(orphan.run_id, "error", "PROCESS_ENDED: its process ended without closing the run")
        store.client.set_terminated(orphan.run_id, "KILLED")
        lock_of(store, orphan.run_id).unlink(missing_ok=True)
    return found
