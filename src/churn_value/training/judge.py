"""The model beside the baselines and the champion in place: the same test rows, which nothing was fitted on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from churn_value.config import Config
from churn_value.dataset import Dataset, features_for
from churn_value.errors import FingerprintMismatch
from churn_value.estimators.baselines import BaselinePrediction, fit_baselines
from churn_value.estimators.hurdle import HurdleModel
from churn_value.evaluation.comparison import evaluate
from churn_value.evaluation.results import CHAMPION, MODEL, Evaluation
from churn_value.features.suited import catalog_of
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.quantities import Predicted
from churn_value.tables.load import Tables


@dataclass(frozen=True)
class Judged:
    """Evaluation, and the predictions it was made from, by system."""

    evaluation: Evaluation
    predictions: Mapping[str, Predicted | BaselinePrediction]


def judge(config: Config, tables: Tables, data: Dataset, model: HurdleModel, champion: Bundle | None) -> Judged:
    """Every system on the test rows.

    The champion is scored with features made anew by its own catalog; one whose definitions are no longer those of this
    version of the code cannot be compared and is left out, which the gate says.
    """
    test = data.fold("test")
    baselines = fit_baselines(data.fold("train"), data.fold("calibration"), data.catalog, config)
    systems: dict[str, Predicted | BaselinePrediction] = {MODEL: model.predict(test), **baselines.predict(test)}
    if champion is not None and is_comparable(champion):
        features = catalog_of(champion.catalog.parameters)
        rows = test if features.fingerprint == data.catalog.fingerprint else features_for(tables, features, test)
        systems[CHAMPION] = champion.model.predict(rows)
    evaluation = evaluate(
        test,
        systems,
        seed=config.tuning.seed,
        confidence=config.gate.confidence,
        champion=champion.version if champion else None,
        interval_level=config.interval.level if config.has_value else None,
    )
    return Judged(evaluation, systems)


def is_comparable(champion: Bundle) -> bool:
    """Whether this version of the code makes the features that the champion was fitted on."""
    try:
        champion.catalog.check(catalog_of(champion.catalog.parameters))
    except FingerprintMismatch:
        return False
    return True
