"""What each idea of the heads contributes: the full model beside the same without one of them.

    python -m benchmarks.ablation [--sets cdnow] [--ideas "trees alone"]

Defaults without a search, on the rows and dates of `benchmarks.accuracy`. Writes ``benchmarks/results/ablation.json``
and ``docs/ablation.md``. A difference within about half of the half-widths of accuracy.md is noise.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import typer

from benchmarks.accuracy_document import markdown
from benchmarks.accuracy_hand import opened
from benchmarks.accuracy_sets import DATED, is_present, prepared
from churn_value.cli import main, stderr, stdout, table
from churn_value.config import Config
from churn_value.dataset import Dataset, build_dataset
from churn_value.estimators import FloatArray, churn, folds, hurdle, stacking, value
from churn_value.estimators.calibration import Calibration
from churn_value.estimators.design import Design, FeatureLike
from churn_value.estimators.metrics import (
    auc,
    calibration_error,
    log_loss,
    normalised_gini,
    total_bias,
    tweedie_deviance,
)
from churn_value.features import signs
from churn_value.features.declare import declared
from churn_value.provenance import commit, libraries
from churn_value.settings import Settings

SETS = ("cdnow", "online_retail", "completejourney")
RESULTS, DOCUMENT = Path("benchmarks/results/ablation.json"), Path("docs/ablation.md")
BTYD_FEATURES = {"frequency", "recency_days", "T_days", "monetary_value_minor"}
SIGNS = {declaration.name for declaration in declared(vars(signs))}
HEADER = ["set", "model", "AUC", "log-loss", "cal. error", "n. Gini", "deviance", "total", "s"]
MINOR = 100.0


@dataclass(frozen=True)
class Features:
    """Some of a catalog's features."""

    features: tuple[FeatureLike, ...]


@dataclass(frozen=True)
class Idea:
    """One way to leave something out.

    Attributes
    ----------
    patched
        What is replaced while fitting.
    seeds
        Boosters a part; null: as configured.
    kept
        Whether a feature stays.
    form
        Of the value head.
    newest_only, without_refit
        Which dates are learned from.
    unstretched
        Whether it can only be tried where the heads learn on the horizon itself.
    """

    patched: Callable[[], AbstractContextManager[Any]] = nullcontext
    seeds: int | None = None
    kept: Callable[[str], bool] = lambda _: True
    form: str = "blend"
    newest_only: bool = False
    without_refit: bool = False
    unstretched: bool = False


def _trees_alone(scores: FloatArray, churned: FloatArray, prior: FloatArray) -> FloatArray:
    del churned, prior
    first: FloatArray = np.eye(scores.shape[1])[0]
    return first


def _all_features(design: Design, *_: object, **__: object) -> Design:
    return design


def _no_map(chosen: Calibration, raw: FloatArray, churned: FloatArray) -> Calibration:
    del chosen, raw, churned
    return Calibration("identity")


# A longer horizon than the one learned on is reached along the Pareto/NBD, over its features.
IDEAS: Mapping[str, Idea] = {
    "full": Idea(),
    "one train date": Idea(newest_only=True, without_refit=True),
    "no dates between train and calibration": Idea(without_refit=True),
    "no ranks, one booster": Idea(seeds=1),
    "six boosters": Idea(seeds=6),
    "trees alone": Idea(patched=lambda: patch.object(churn, "stacked", _trees_alone)),
    "boosters counted once": Idea(patched=lambda: patch.object(stacking, "REFITTED_COUNT", 1.0)),
    "no Pareto/NBD part": Idea(
        patched=lambda: patch.object(hurdle, "silence_places", lambda _: None), unstretched=True
    ),
    "no expected spending of BTYD": Idea(patched=lambda: patch.object(hurdle, "spend_places", lambda _: None)),
    "no BTYD features": Idea(kept=lambda name: name not in BTYD_FEATURES, unstretched=True),
    "no decay features": Idea(kept=lambda name: "decayed" not in name),
    "no signs of life over all tables": Idea(kept=lambda name: name not in SIGNS),
    "Tweedie alone": Idea(form="tweedie"),
    "two-part gamma alone": Idea(form="gamma"),
    "no attribute left out": Idea(patched=lambda: patch.object(folds, "sifted", _all_features)),
    "no calibration": Idea(patched=lambda: patch.object(churn, "recentred", _no_map)),
    "no debiasing": Idea(patched=lambda: patch.object(value, "debias_factor", lambda _actual, _expected: 1.0)),
}


def fitted(config: Config, data: Dataset, idea: Idea) -> hurdle.HurdleModel:
    """Both heads without what the idea leaves out."""
    train = data.fold("train")
    if idea.newest_only:
        train = train[train["as_of"] == train["as_of"].max()]
    if idea.seeds is not None:
        config = config.model_copy(update={"tuning": config.tuning.model_copy(update={"seeds_averaged": idea.seeds})})
    kept = Features(tuple(feature for feature in data.catalog.features if idea.kept(feature.name)))
    with idea.patched():
        return hurdle.fit(
            train,
            data.fold("calibration"),
            kept,
            config,
            refit=None if idea.without_refit else data.fold("refit"),
            learned_days=data.learned_days,
            value_params={"form": idea.form},
        )


def measured(config: Config, data: Dataset, idea: Idea) -> dict[str, float]:
    """Figures on the test rows."""
    began = time.monotonic()
    model = fitted(config, data, idea)
    seconds = time.monotonic() - began
    test = data.fold("test")
    said = model.predict(test, threads=config.tuning.threads)
    churned = test["churned"].to_numpy(dtype=np.float64)
    amount = test["value_minor"].to_numpy(dtype=np.float64) / MINOR
    expected = np.asarray(said.expected_value_minor) / MINOR
    return {
        "auc": auc(churned, said.churn_probability),
        "log_loss": log_loss(churned, said.churn_probability),
        "calibration_error": calibration_error(churned, said.churn_probability),
        "normalised_gini": normalised_gini(amount, expected),
        "tweedie_deviance": tweedie_deviance(np.maximum(amount, 0.0), expected),
        "total_bias": total_bias(amount, expected),
        "wall_s": seconds,
    }


def rows_of(sets: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[list[str]]:
    """One row per set and idea."""
    return [
        [
            name,
            idea,
            *(f"{found[key]:.4f}" for key in ("auc", "log_loss", "calibration_error", "normalised_gini")),
            f"{found['tweedie_deviance']:.2f}",
            f"{found['total_bias']:.2f}",
            f"{found['wall_s']:.0f}",
        ]
        for name, ideas in sets.items()
        for idea, found in ideas.items()
    ]


def save(sets: dict[str, Any]) -> None:
    """JSON and document."""
    content = {
        "measured": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": commit(),
        "cores": os.cpu_count(),
        "libraries": libraries(),
        "sets": sets,
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    how = (
        f"Measured {content['measured']} with `python -m benchmarks.ablation`: defaults without a search, on the test "
        "rows of [accuracy.md](accuracy.md). These figures are reported, nothing was chosen by them."
    )
    text = "\n\n".join(["# What each idea contributes", how, markdown(HEADER, rows_of(sets))]) + "\n"
    DOCUMENT.write_text(text, encoding="utf-8")


def command(
    sets: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(DATED)}.")] = None,
    ideas: Annotated[list[str] | None, typer.Option(help="Some of them; the others keep their figures.")] = None,
    work: Annotated[Path, typer.Option(help="Folder of written sources.")] = Path(".artifacts/ablation"),
) -> None:
    """Measure the heads without one idea at a time."""
    data_root = Settings.from_environment().data_root
    found: dict[str, Any] = json.loads(RESULTS.read_text())["sets"] if RESULTS.exists() else {}
    for name in sets or SETS:
        if not is_present(name, data_root):
            stderr.print(f"{name}: left out, its data are not below CHURN_VALUE_DATA")
            continue
        config, root = prepared(name, work.resolve() / name, data_root, 20_000, ("tuning.trials=0",))
        data = build_dataset(config, opened(config, root))
        for label in ideas or IDEAS:
            if IDEAS[label].unstretched and data.learned_days != config.horizon_days:
                stderr.print(f"{name}: {label} is left out, the horizon is stretched along it", highlight=False)
                continue
            stderr.print(f"{name}: {label}", highlight=False)
            found.setdefault(name, {})[label] = measured(config, data, IDEAS[label])
            save(found)
    stdout.print(table("What each idea contributes", HEADER, rows_of(found)))


if __name__ == "__main__":
    main(command)
