"""Evaluations made by hand, and a plain folder that stands for a bundle."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from churn_value.errors import BundleError
from churn_value.estimators.bootstrap import Estimate
from churn_value.evaluation.results import Evaluation

NOW = datetime(2025, 7, 1, 12, tzinfo=UTC)


def evaluation(
    *,
    loss=0.50,
    baseline_loss=0.60,
    champion=None,
    champion_gap=(-0.01, -0.02, 0.0),
    gini_gap=(0.1, 0.05, 0.15),
    champion_gini_gap=(0.01, -0.02, 0.04),
    **over,
):
    metrics = {
        "model": {
            "churn_log_loss": Estimate(loss, loss - 0.02, loss + 0.02),
            "churn_auc": Estimate(0.8, 0.78, 0.82),
            "churn_calibration_error": Estimate(0.02, 0.01, 0.03),
            "value_normalised_gini": Estimate(0.7, 0.65, 0.75),
            "value_total_bias": Estimate(1.05, 0.95, 1.15),
        },
        "recency": {"churn_log_loss": Estimate(baseline_loss, baseline_loss, baseline_loss)},
        "run_rate": {"value_normalised_gini": Estimate(0.7 - gini_gap[0], 0.5, 0.7)},
    }
    gap = loss - baseline_loss
    differences = {
        "recency": {"churn_log_loss": Estimate(gap, gap - 0.01, gap + 0.01)},
        "run_rate": {"value_normalised_gini": Estimate(*gini_gap)},
    }
    if champion:
        metrics["champion"] = {
            "churn_log_loss": Estimate(loss - champion_gap[0], 0.4, 0.6),
            "value_normalised_gini": Estimate(0.7 - champion_gini_gap[0], 0.5, 0.7),
        }
        differences["champion"] = {
            "churn_log_loss": Estimate(*champion_gap),
            "value_normalised_gini": Estimate(*champion_gini_gap),
        }
    given = {"rows": 1000, "customers": 1000, "churners": 300, "as_of": ("2025-07-01",), "confidence": 0.95}
    return Evaluation(**{**given, **over}, metrics=metrics, differences=differences, champion=champion)


def write_bundle(folder: Path, content: str) -> Path:
    """A folder named by the hash of its manifest, which holds the hash of its one file."""
    manifest = json.dumps({"model.txt": hashlib.sha256(content.encode()).hexdigest()})
    place = folder / hashlib.sha256(manifest.encode()).hexdigest()[:16]
    place.mkdir(parents=True)
    (place / "model.txt").write_text(content)
    (place / "manifest.json").write_text(manifest)
    return place


def verify(folder: Path) -> str:
    """Content of a bundle whose hashes hold."""
    manifest = (folder / "manifest.json").read_text()
    content = (folder / "model.txt").read_text()
    named = hashlib.sha256(manifest.encode()).hexdigest()[:16] == folder.name
    if not named or json.loads(manifest)["model.txt"] != hashlib.sha256(content.encode()).hexdigest():
        raise BundleError("a bundle's files must be those its manifest names")
    return content
