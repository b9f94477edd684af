"""The model beside the baselines and the champion in place: the same test rows, which nothing was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from churn_value.config import Config
from churn_value.dataset import Dataset, features_for
from churn_value.errors import FingerprintMismatch, OutdatedBundle
from churn_value.estimators.baselines import BaselinePrediction, fit_baselines
from churn_value.estimators.hurdle import HurdleModel
from churn_value.evaluation.comparison import evaluate
from churn_value.evaluation.results import CHAMPION, MODEL, Evaluation
from churn_value.features.suited import catalog_of
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.quantities import Predicted
from churn_value.tables.load import Tables


@dataclass(frozen=True)
class Judged:
    """Evaluation, and the predictions it was made from, by system."""

    evaluation: Evaluation
    predictions: Mapping[str, Predicted | BaselinePrediction]


@dataclass(frozen=True)
class InPlace:
    """The champion in place: its bundle id, and the bundle unless this version of the code cannot use it."""

    version: str
    bundle: Bundle | None


def in_place(folder: Path | None) -> InPlace | None:
    """Champion whose bundle is in `folder`; None before the first promotion.

    A bundle of another format, or whose features are defined otherwise than in this version of the code, can neither
    be compared nor served. It must not keep a company that has updated churn_value from training.

    Raises
    ------
    BundleError
        When the bundle is damaged.
    """
    if folder is None:
        return None
    try:
        bundle = load_bundle(folder)
        bundle.catalog.check(catalog_of(bundle.catalog.parameters))
    except (OutdatedBundle, FingerprintMismatch):
        return InPlace(folder.name, None)
    return InPlace(folder.name, bundle)


def judge(
    config: Config,
    tables: Tables,
    data: Dataset,
    model: HurdleModel,
    champion: InPlace | None,
    *,
    resamples: int | None = None,
) -> Judged:
    """Every system on the test rows; `resamples` of the intervals as for `evaluate`.

    The champion is scored with features made anew by its own catalog; one that this version of the code cannot use is
    left out, which the gate says.
    """
    test = data.fold("test")
    baselines = fit_baselines(data.fold("train"), data.fold("calibration"), data.catalog, config)
    systems: dict[str, Predicted | BaselinePrediction] = {MODEL: model.predict(test), **baselines.predict(test)}
    if champion is not None and champion.bundle is not None:
        features = catalog_of(champion.bundle.catalog.parameters)
        rows = test if features.fingerprint == data.catalog.fingerprint else features_for(tables, features, test)
        systems[CHAMPION] = champion.bundle.model.predict(rows)
    evaluation = evaluate(
        test,
        systems,
        seed=config.tuning.seed,
        confidence=config.gate.confidence,
        champion=champion.version if champion else None,
        interval_level=config.interval.level if config.has_value else None,
        resamples=resamples,
    )
    if champion is not None and champion.bundle is None:
        evaluation = replace(evaluation, outdated_champion=champion.version)
    return Judged(evaluation, systems)
