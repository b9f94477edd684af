"""A system's predictions beside the truth: measures, their draws on the resamples that all systems share, diagnoses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers.task import PREDICTIONS
from churn_value.errors import DataContractError
from churn_value.estimators import FloatArray, IntArray
from churn_value.estimators.bootstrap import Resampled, bootstrap
from churn_value.estimators.diagnosis import coverage_by_group, oracle_recentred, width_at_coverage
from churn_value.estimators.metrics import (
    CHURN_METRICS,
    VALUE_METRICS,
    calibration_error,
    coverage,
    log_loss,
    mean_width,
    total_bias,
    tweedie_deviance,
)
from churn_value.evaluation.comparison import centred

RESAMPLES, SEED, LEVEL = 500, 7, 0.95
MINOR = 100.0
JUDGED, DRAWS = "judged.json", "draws.npz"
GROUPS = (5, 10)


@dataclass(frozen=True)
class Truth:
    """Rows to judge on, in the order of their keys.

    Attributes
    ----------
    keys
        customer_id and, in static sets, the fold.
    churned
        (n,) 0 or 1.
    value
        (n,) amount in the horizon [major units]; None for static sets.
    groups
        (n,) customer of each row; None when each stands once.
    """

    keys: pd.DataFrame
    churned: FloatArray
    value: FloatArray | None
    groups: IntArray | None

    @classmethod
    def read(cls, folder: Path) -> Truth:
        """Truth of a set; static rows once for each repetition."""
        known = pd.read_parquet(folder / "truth.parquet").sort_values("customer_id", ignore_index=True)
        folds = folder / "handed" / "folds.parquet"
        if folds.exists():
            places = pd.read_parquet(folds)
            parts = [known.assign(fold=f"{name}_" + places[name].astype(str)) for name in places.columns]
            known = pd.concat(parts).sort_values(["customer_id", "fold"], ignore_index=True)
        value = known["value_minor"].to_numpy(dtype=np.float64) / MINOR
        groups = pd.factorize(known["customer_id"])[0].astype(np.int64)
        return cls(
            known[[name for name in ("customer_id", "fold") if name in known]],
            known["churned"].to_numpy(dtype=np.float64),
            None if np.isnan(value).any() else value,
            groups if folds.exists() else None,
        )

    def aligned(self, said: pd.DataFrame) -> pd.DataFrame:
        """Predictions in the order of the rows.

        Raises
        ------
        DataContractError
            When a system speaks of other customers than those of the set.
        """
        keys = list(self.keys.columns)
        joined = self.keys.merge(said.assign(customer_id=said["customer_id"].astype(str)), on=keys, how="left")
        answered = joined.drop(columns=keys).notna().any(axis=1)
        if len(said) != len(self.keys) or len(joined) != len(self.keys) or not answered.any():
            raise DataContractError(
                "every system must predict for the customers of the set",
                code="OTHER_POPULATION",
                received=f"{len(said)} rows for {len(self.keys)}",
            )
        return joined


def _finite(values: pd.Series) -> tuple[FloatArray, int]:
    """Numbers with those that are not finite replaced by the mean of the others, and how many there were."""
    array = values.to_numpy(dtype=np.float64)
    broken = ~np.isfinite(array)
    return np.where(broken, float(array[~broken].mean()) if (~broken).any() else 0.0, array), int(broken.sum())


def judged(out: Path, truth: Truth, *, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Figures of one system; its draws are kept beside its predictions for the paired differences.

    Returns
    -------
    dict
        ``values`` by measure, ``not_finite`` counts by prediction, ``diagnosis``.
    """
    said = truth.aligned(pd.read_parquet(out / PREDICTIONS))
    values: dict[str, float] = {}
    draws: dict[str, FloatArray] = {}
    broken: dict[str, int] = {}
    diagnosis: dict[str, Any] = {}
    if "churn_probability" in said:
        p, broken["churn_probability"] = _finite(said["churn_probability"])
        p = np.clip(p, 0.0, 1.0)
        _add(values, draws, _drawn("churn", (truth.churned, p), truth.groups, resamples))
        diagnosis |= _shift(truth.churned, p)
    if truth.value is not None and "expected_value_minor" in said:
        amount, broken["expected_value_minor"] = _finite(said["expected_value_minor"])
        _add(values, draws, _drawn("value", (truth.value, amount / MINOR), truth.groups, resamples))
    if truth.value is not None:
        diagnosis |= _intervals(truth.value, said)
    np.savez(out / DRAWS, allow_pickle=False, **draws)
    found = {"values": values, "not_finite": {k: v for k, v in broken.items() if v}, "diagnosis": diagnosis}
    (out / JUDGED).write_text(json.dumps(found, indent=1))
    return found


def _drawn(head: str, rows: tuple[FloatArray, FloatArray], groups: IntArray | None, resamples: int) -> Resampled:
    """Measures of one head on the resamples that all systems share."""
    measures = {
        f"{head}_{name}": found for name, found in (CHURN_METRICS if head == "churn" else VALUE_METRICS).items()
    }
    if head == "value":
        measures["value_tweedie_deviance"] = _deviance
    actual, predicted = rows
    return bootstrap(measures, actual, {"it": predicted}, seed=SEED, resamples=resamples, level=LEVEL, groups=groups)


def _deviance(actual: FloatArray, predicted: FloatArray) -> float:
    """Deviance with predictions of at least a minor unit: a mean of nothing would forbid any amount."""
    return tweedie_deviance(actual, np.maximum(predicted, 1 / MINOR))


def _add(values: dict[str, float], draws: dict[str, FloatArray], found: Resampled) -> None:
    values |= {name: float(value) for name, value in found.values["it"].items()}  # noqa: PD011
    draws |= found.draws["it"]


def _shift(churned: FloatArray, probability: FloatArray) -> dict[str, float]:
    """What is left of calibration error and log-loss when an oracle has put the base rate right."""
    right = oracle_recentred(churned, probability)
    return {
        "mean_probability": float(probability.mean()),
        "calibration_error_at_true_rate": calibration_error(churned, right),
        "log_loss_at_true_rate": log_loss(churned, right),
    }


def _intervals(actual: FloatArray, said: pd.DataFrame) -> dict[str, Any]:
    """Coverage and mean width of each level; coverage by group where the value itself is predicted."""
    levels = sorted(int(name.removeprefix("lower_")) for name in map(str, said) if name.startswith("lower_"))
    ends = {n: [said[f"{end}_{n}"].to_numpy(dtype=np.float64) / MINOR for end in ("lower", "upper")] for n in levels}
    found: dict[str, Any] = {
        "intervals": {n: {"coverage": coverage(actual, *both), "width": mean_width(*both)} for n, both in ends.items()}
    }
    if "expected_value_minor" in said and levels:
        predicted = said["expected_value_minor"].to_numpy(dtype=np.float64)
        for groups in GROUPS:
            lower, upper = ends[levels[0]]
            shares = coverage_by_group(actual, lower, upper, predicted, groups)
            found[f"coverage_by_{groups}"] = [float(share) for share in shares]
    return found if levels else {}


def compared(folder: Path, systems: list[str], ours: str) -> dict[str, dict[str, Any]]:
    """Estimates of every judged system, and *ours minus it* on the same resamples.

    Returns
    -------
    dict
        System to ``metrics`` and ``ours_minus``: measure to value, lower, upper.
    """
    values: dict[str, Mapping[str, float]] = {}
    draws: dict[str, Mapping[str, FloatArray]] = {}
    for system in systems:
        out = folder / "systems" / system
        values[system] = json.loads((out / JUDGED).read_text())["values"]
        with np.load(out / DRAWS) as kept:
            draws[system] = {name: kept[name] for name in kept.files}
    together = centred(Resampled(values, draws, LEVEL))
    found: dict[str, dict[str, Any]] = {}
    for system, measures in values.items():
        metrics = {name: _ends(together.estimate(system, name)) for name in measures}
        found[system] = {"metrics": metrics}
        if system != ours and ours in values:
            shared = measures.keys() & values[ours].keys()
            found[system]["ours_minus"] = {
                name: _ends(together.difference(ours, system, name)) for name in measures if name in shared
            }
    return found


def _ends(estimate: Any) -> list[float | None]:
    ends = (estimate.value, estimate.lower, estimate.upper)
    return [None if not np.isfinite(end) else float(f"{end:.6g}") for end in ends]


def width_beside(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, float]:
    """Our mean interval width, and the quantile model's at the coverage that ours has."""
    ours = next(iter(mine["intervals"].values()))
    family = {found["coverage"]: found["width"] for found in theirs["intervals"].values()}
    return {
        "coverage": ours["coverage"],
        "width": ours["width"],
        "quantile_width": width_at_coverage(family, ours["coverage"]),
    }


def optimal(folder: Path, truth: Truth) -> dict[str, float]:
    """Bayes-optimal figures of the synthetic world on the same rows."""
    known = pd.read_parquet(folder / "sources" / "synthetic" / "truth.parquet")
    rows = truth.keys.merge(known.assign(customer_id=known["customer_id"].astype(str)), on="customer_id", how="left")
    p = rows["churn_probability"].to_numpy(dtype=np.float64)
    found = {f"churn_{name}": metric(truth.churned, p) for name, metric in CHURN_METRICS.items()}
    if truth.value is not None:
        amount = rows["expected_value_minor"].to_numpy(dtype=np.float64) / MINOR
        found |= {f"value_{name}": metric(truth.value, amount) for name, metric in VALUE_METRICS.items()}
        found["value_total_bias"] = total_bias(truth.value, amount)
    return {name: float(value) for name, value in found.items()}
