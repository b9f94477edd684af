"""One system on one set, in a process of its own, with its honest wall time and peak memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.accuracy_sets import FOLDS, STATIC
from benchmarks.peers.task import PREDICTIONS, SECONDS

OURS = "churn_value"
RESULT, GIVEN = "result.json", "given.json"
LAST_LINES = 3
TARGETS = 2
PATIENCE, SETTING_UP_S = 3, 300.0


@dataclass(frozen=True)
class Peer:
    """How a peer is started, and whether it needs the peers' own environment."""

    module: str
    apart: bool
    en: str


DATED_PEERS: dict[str, Peer] = {
    "run_rate": Peer("run_rate", apart=False, en="Rank of days since the last purchase; past spend per day"),
    "bg_nbd_lifetimes": Peer("lifetimes:bg_nbd", apart=True, en="BG/NBD + Gamma-Gamma (lifetimes 0.11.3)"),
    "pareto_nbd_lifetimes": Peer("lifetimes:pareto_nbd", apart=True, en="Pareto/NBD + Gamma-Gamma (lifetimes 0.11.3)"),
    "bg_nbd": Peer("own_btyd:bg_nbd", apart=False, en="BG/NBD + Gamma-Gamma (our own fit)"),
    "pareto_nbd": Peer("own_btyd:pareto_nbd", apart=False, en="Pareto/NBD + Gamma-Gamma (our own fit)"),
    "tutorial_lightgbm": Peer("tutorial", apart=False, en="LightGBM defaults, five RFM columns, one date"),
    "quantile_lightgbm": Peer("quantile_lightgbm", apart=False, en="Quantile LightGBM on our rows, intervals only"),
    "flaml": Peer("flaml", apart=True, en="FLAML on our multi-date rows, purged; log-loss and Tweedie deviance"),
    "autogluon": Peer("autogluon", apart=True, en="AutoGluon without networks on the same, the same"),
}
STATIC_PEERS: dict[str, Peer] = {
    "logistic": Peer("logistic", apart=False, en="Logistic regression, scikit-learn's defaults"),
    "hist_gradient_boosting": Peer("hist_gradient_boosting", apart=False, en="HistGradientBoosting, its defaults"),
    "lightgbm": Peer("tutorial", apart=False, en="LightGBM, its defaults"),
    "flaml": DATED_PEERS["flaml"],
    "autogluon": DATED_PEERS["autogluon"],
}
CHEAP = ("run_rate", "bg_nbd", "pareto_nbd", "tutorial_lightgbm", "logistic", "hist_gradient_boosting", "lightgbm")


def peers_of(name: str) -> dict[str, Peer]:
    """Peers that a set allows."""
    return STATIC_PEERS if name in STATIC else DATED_PEERS


def folds_of(name: str, means: Means) -> int:
    """How many fits of each target a set asks for."""
    return means.repeats * FOLDS if name in STATIC else 1


@dataclass(frozen=True)
class Means:
    """What systems are given.

    Attributes
    ----------
    seconds
        Of each search of a peer, for each target (and each fold of a static set).
    trials
        Of our own searches.
    threads, seed
        For all.
    customers
        Of the synthetic world.
    repeats
        Repetitions of the cross-validation of static sets.
    overrides
        Settings of our own training, as ``key=value``.
    """

    seconds: float = 300.0
    trials: int = 25
    threads: int = 2
    seed: int = 7
    customers: int = 20_000
    repeats: int = 5
    overrides: tuple[str, ...] = ()

    def longest_s(self, folds: int) -> float:
        """How long a system may take for some folds [s]: three times what its searches are given, and to set up."""
        return SETTING_UP_S + PATIENCE * TARGETS * folds * self.seconds

    def given_to(self, system: str) -> dict[str, Any]:
        """The means that change what a system says: a result with others is not resumed."""
        searching = {"trials", "overrides"} if system.startswith(OURS) else {"seconds"}
        kept = {"threads", "seed", "customers", "repeats"} | (searching if system not in CHEAP else set())
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items() if name in kept}


def arguments(system: str, name: str, folder: Path, means: Means, peer_python: Path) -> list[str]:
    """Command line of a system's process."""
    out = folder / "systems" / system
    same = ["--threads", str(means.threads), "--seed", str(means.seed)]
    if system.startswith(OURS):
        mine = [sys.executable, "-m", "benchmarks.accuracy_ours", name, str(folder), str(out), *same]
        changes = [part for override in means.overrides for part in ("--set", override)]
        return [*mine, "--trials", str(means.trials), "--customers", str(means.customers), *changes]
    peer = peers_of(name)[system]
    python = str(peer_python) if peer.apart else sys.executable
    asked = [peer.module, str(folder / "handed"), str(out), "--seconds", str(means.seconds)]
    return [python, "-m", "benchmarks.peers.run", *asked, *same]


def child(command: list[str], log: Path, *, longest_s: float | None = None) -> tuple[int, float, float]:
    """Run a command to its end, or for `longest_s`: it is killed then.

    Returns
    -------
    tuple
        Exit status, wall time [s], and peak resident memory of it or of its largest child [MiB].
    """
    began = time.monotonic()
    with log.open("w") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        end = threading.Timer(longest_s or threading.TIMEOUT_MAX, process.kill)
        end.daemon = True
        end.start()
        _, status, used = os.wait4(process.pid, 0)
        end.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, time.monotonic() - began, used.ru_maxrss / 1024


def finished(out: Path, system: str, means: Means) -> dict[str, Any] | None:
    """Result of an earlier run with the same means; None when there is none."""
    result = out / RESULT
    if not result.exists():
        return None
    found: dict[str, Any] = json.loads(result.read_text())
    return found if found["means"] == means.given_to(system) and found["status"] == "done" else None


def run(
    system: str, name: str, folder: Path, means: Means, *, peer_python: Path, resume: bool = False
) -> dict[str, Any]:
    """Run a system on a set that was handed over, or take what an earlier run left.

    Returns
    -------
    dict
        ``status`` (done, failed, not installed), ``note``, ``wall_s``, ``peak_mib``, ``means``.
    """
    out = folder / "systems" / system
    known = finished(out, system, means) if resume else None
    if known is not None:
        return known
    _emptied(out, means.given_to(system), resume=resume)
    peer = peers_of(name).get(system)
    if peer is not None and peer.apart and not peer_python.exists():
        return _written(out, system, means, status="not installed", note=f"no {peer_python}; run make peers")
    longest_s = means.longest_s(folds_of(name, means)) if peer is not None else None
    status, wall, peak = child(
        arguments(system, name, folder, means, peer_python), out / "log.txt", longest_s=longest_s
    )
    if (out / SECONDS).exists():
        wall = float(json.loads((out / SECONDS).read_text()))
    done = status == 0 and (out / PREDICTIONS).exists()
    is_late = longest_s is not None and wall > longest_s
    failure = f"killed after {wall:,.0f} s" if is_late else _last_line(out / "log.txt")
    note = "" if done else failure
    return _written(out, system, means, status="done" if done else "failed", note=note, wall_s=wall, peak_mib=peak)


def _emptied(out: Path, given: dict[str, Any], *, resume: bool) -> None:
    """A folder to run in: folds that were finished with the same means stay, anything else goes."""
    begun = out / GIVEN
    if not (resume and begun.exists() and json.loads(begun.read_text()) == given):
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    begun.write_text(json.dumps(given))


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return " ".join(lines[-LAST_LINES:])[-300:]


def _written(
    out: Path,
    system: str,
    means: Means,
    *,
    status: str,
    note: str,
    wall_s: float | None = None,
    peak_mib: float | None = None,
) -> dict[str, Any]:
    found = {"status": status, "note": note, "wall_s": wall_s, "peak_mib": peak_mib, "means": means.given_to(system)}
    (out / RESULT).write_text(json.dumps(found, indent=1))
    return found
