"""The bundle of a fitted model: what serving will know of how it was made and how good it is."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from churn_value.config import Config
from churn_value.dataset import Dataset
from churn_value.estimators.hurdle import HurdleModel
from churn_value.evaluation.grade import grade
from churn_value.evaluation.results import MODEL, Evaluation, or_null
from churn_value.provenance import libraries
from churn_value.recommendation.learning import recommender_for
from churn_value.scoring.bundle import write_bundle
from churn_value.scoring.policy import load_policy
from churn_value.scoring.reference import Reference
from churn_value.split import observed_through
from churn_value.tables.load import Tables

GOLDEN_ROWS = 40


def trained_through(data: Dataset) -> str:
    """Newest as_of that was learned from; for undated snapshots the last day of the data."""
    if data.split is None:
        return str(data.manifest["span"][1])
    return max(data.split.calibration).isoformat()


def manifest_of(config: Config, data: Dataset, evaluation: Evaluation, now: datetime) -> dict[str, Any]:
    """What the bundle says of itself; a measure that the test rows leave undefined is null."""
    found = grade(evaluation)
    return {
        "model_name": config.name,
        "created_at": now.isoformat(timespec="seconds"),
        "trained_through": trained_through(data),
        "tested_at": list(evaluation.as_of),
        "data_sha256": data.manifest["data_sha256"],
        "config_sha256": config.sha256,
        "seed": config.tuning.seed,
        "libraries": libraries(),
        "quality_grade": {"letter": found.letter, "en": found.en, "zh": found.zh},
        "metrics": {name: or_null(estimate.value) for name, estimate in evaluation.metrics[MODEL].items()},
    }


def pack(
    config: Config,
    tables: Tables,
    data: Dataset,
    model: HurdleModel,
    evaluation: Evaluation,
    *,
    folder: Path,
    now: datetime,
) -> Path:
    """Write the bundle; its reference population and golden rows are the test rows; the recommender learns from all."""
    test = data.fold("test")
    return write_bundle(
        folder,
        model,
        catalog=data.catalog,
        policy=load_policy(config.policy_file),
        reference=Reference.fit(test, model.predict(test), data.catalog.features),
        config=config,
        manifest=manifest_of(config, data, evaluation, now),
        golden=test.iloc[:: max(1, len(test) // GOLDEN_ROWS)].head(GOLDEN_ROWS),
        parameters=data.parameters,
        recommender=recommender_for(config, tables, observed_through(config, tables)),
    )
