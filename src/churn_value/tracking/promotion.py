"""How the champion changes: verified files first, one atomic pointer, then the alias, every decision written down.

The order is such that a process killed between any two steps leaves a champion that loads:

1. ``verify``    the challenger's bundle is downloaded and read by the caller's `verify`; MLflow's READY means nothing
2. ``decide``    the gate, on the evaluation logged with the challenger's run
3. ``export``    the bundle is copied to ``<exported>/<version>/<bundle>`` under another name, synced, renamed
4. ``pointer``   ``<exported>/CHAMPION`` is replaced by an atomic rename: from here on the challenger is champion
5. ``alias``     MLflow's alias follows
6. ``log``       one line in ``<exported>/promotions.jsonl``

Serving reads the pointer, never MLflow. `recover` finishes steps 5 and 6 of a killed promotion.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from churn_value.config import GateConfig
from churn_value.errors import RegistryError
from churn_value.evaluation.checks import Check
from churn_value.evaluation.results import Evaluation
from churn_value.scoring.pointer import Pointer
from churn_value.tracking import registry
from churn_value.tracking.exported import history, point, pointer_to, read_pointer, take, write_log
from churn_value.tracking.gate import Verdict, decide
from churn_value.tracking.locks import LockBusy, held
from churn_value.tracking.registry import Version
from churn_value.tracking.runs import CHECKS_FILE, EVALUATION_FILE, read_text
from churn_value.tracking.store import Store

Verify = Callable[[Path], object]
Step = Callable[[str], None]


def _no_step(_: str) -> None:
    """Nothing between steps; tests end the process here."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """A move of the champion; `moved` is false when the version was champion already."""

    version: Version
    previous: str | None
    verdict: Verdict
    folder: Path
    moved: bool = True


def judge(store: Store, of: Version, gate: GateConfig, exported: Path) -> Verdict:
    """Verdict on a version from the documents its training run logged; nothing is moved."""
    evaluation = Evaluation.from_json(read_text(store, of.run_id, EVALUATION_FILE))
    checks = [Check.from_dict(entry) for entry in json.loads(read_text(store, of.run_id, CHECKS_FILE))]
    pointer = read_pointer(exported)
    return decide(evaluation, gate, champion=pointer.bundle if pointer else None, checks=checks)


def promote(
    store: Store,
    name: str,
    gate: GateConfig,
    *,
    exported: Path,
    verify: Verify,
    now: datetime,
    number: int | None = None,
    step: Step = _no_step,
) -> Promotion:
    """Make a challenger champion, if the gate holds.

    Parameters
    ----------
    store
        An opened store.
    name
        Registered model: the config's name.
    gate
        Limits from the configuration.
    exported
        Folder of this model's exported bundles and pointer.
    verify
        Reads a bundle's folder and raises when anything in it is not as it should be.
    now
        Instant written to the log.
    number
        Version to promote; the challenger by default.
    step
        Called with a step's name after each of them.

    Raises
    ------
    GateRefused
        With every reason; the refusal is logged and the champion stays.
    RegistryError
        ``PROMOTION_BUSY`` when another promotion is under way; ``BUNDLE_MISSING``; ``VERSION_UNKNOWN``.
    BundleError
        From `verify`.
    """
    with _alone(exported, name):
        _recover(store, name, exported, now)
        of = registry.challenger(store, name) if number is None else registry.version(store, name, number)
        previous = read_pointer(exported)
        if previous is not None and (previous.version, previous.bundle) == (str(of.number), of.bundle):
            return Promotion(of, previous.version, Verdict(()), exported / previous.path, moved=False)
        with _downloaded(store, of, exported) as bundle:
            verify(bundle)
            step("verify")
            verdict = judge(store, of, gate, exported)
            _refuse(store, of, verdict, exported, now)
            step("decide")
            folder = take(bundle, exported / str(of.number))
            step("export")
        pointer = pointer_to(of, folder)
        point(exported, pointer)
        step("pointer")
        registry.set_alias(store, name, registry.CHAMPION, of.number)
        registry.tag(store, of, {"gate": "passed"})
        step("alias")
        write_log(exported, "promoted", pointer, now=now, previous=previous, verdict=verdict)
        step("log")
        return Promotion(of, previous.version if previous else None, verdict, folder)


def rollback(store: Store, name: str, number: int, *, exported: Path, verify: Verify, now: datetime) -> Pointer:
    """Make a former champion champion again: no gate, but its exported files are verified first.

    Raises
    ------
    RegistryError
        ``NEVER_CHAMPION`` when the log holds no promotion of that version; ``PROMOTION_BUSY``.
    BundleError
        From `verify`.
    """
    with _alone(exported, name):
        _recover(store, name, exported, now)
        former = {entry["version"]: entry["bundle"] for entry in history(exported) if entry["decision"] != "refused"}
        if number not in former:
            raise RegistryError(
                "only a former champion can be rolled back to",
                code="NEVER_CHAMPION",
                where=f"model {name}",
                received=f"version {number}",
                remedy=f"former champions: {sorted(former) or 'none'}",
            )
        of, previous = registry.version(store, name, number), read_pointer(exported)
        folder = exported / str(number) / str(former[number])
        verify(folder)
        pointer = pointer_to(of, folder)
        point(exported, pointer)
        registry.set_alias(store, name, registry.CHAMPION, number)
        write_log(exported, "rolled_back", pointer, now=now, previous=previous)
        return pointer


def recover(store: Store, name: str, *, exported: Path, now: datetime) -> bool:
    """Finish what a killed promotion began; the pointer is the truth that alias and log are brought to.

    Returns
    -------
    bool
        Whether anything had to be brought up to date.

    Raises
    ------
    RegistryError
        ``PROMOTION_BUSY`` when a promotion is under way.
    """
    with _alone(exported, name):
        return _recover(store, name, exported, now)


def _recover(store: Store, name: str, exported: Path, now: datetime) -> bool:
    """`recover` inside the lock."""
    for left in exported.glob(".incoming-*"):
        shutil.rmtree(left, ignore_errors=True)
    pointer = read_pointer(exported)
    if pointer is None:
        return False
    number, changed = int(pointer.version), False
    holder = registry.by_alias(store, name, registry.CHAMPION)
    # Runs and exported bundles are two folders: where the runs were lost or are others, the alias has nothing to be
    # brought to, and the bundle serves on until a version of the runs there are is promoted.
    is_registered = any((one.number, one.bundle) == (number, pointer.bundle) for one in registry.versions(store, name))
    if is_registered and (holder is None or holder.number != number):
        registry.set_alias(store, name, registry.CHAMPION, number)
        changed = True
    moves = [entry["version"] for entry in history(exported) if entry["decision"] != "refused"]
    if not moves or moves[-1] != number:
        write_log(exported, "recovered", pointer, now=now)
        changed = True
    return changed


@contextmanager
def _alone(exported: Path, name: str) -> Iterator[None]:
    exported.mkdir(parents=True, exist_ok=True)
    try:
        with held(exported / ".promotion.lock", wait_s=0):
            yield
    except LockBusy:
        raise RegistryError(
            "one promotion of a model at a time",
            code="PROMOTION_BUSY",
            where=f"model {name}",
            remedy="wait for the other to end, then try again",
        ) from None


@contextmanager
def _downloaded(store: Store, of: Version, exported: Path) -> Iterator[Path]:
    """Bundle in a folder beside its destination, so that moving it is one rename."""
    with tempfile.TemporaryDirectory(dir=exported, prefix=".incoming-") as scratch:
        yield registry.download(store, of, Path(scratch))


def _refuse(store: Store, of: Version, verdict: Verdict, exported: Path, now: datetime) -> None:
    if not verdict.passed:
        refused = Pointer(str(of.number), "", "", of.bundle, of.run_id)
        write_log(exported, "refused", refused, now=now, previous=read_pointer(exported), verdict=verdict)
        registry.tag(store, of, {"gate": "refused: " + ", ".join(sorted({c.code for c in verdict.failed}))})
        verdict.raise_if_refused(f"model {of.name} version {of.number}")
