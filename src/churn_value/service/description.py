"""What is said of the model being served: in every response, and in full by ``GET /v1/model``."""

from __future__ import annotations

from typing import Any

from churn_value.service.champion import Served
from churn_value.service.serving import Serving

ALIAS = "champion"


def model_name(served: Served) -> dict[str, Any]:
    """Which model answers: its registered name and version, its bundle, and what it was fitted on."""
    bundle = served.bundle
    return {
        "name": bundle.manifest["model_name"],
        "version": served.version,
        "alias": ALIAS,
        "bundle": bundle.version,
        "run_id": served.run_id,
        "feature_set": f"sha256:{bundle.catalog.fingerprint}",
        "trained_through": bundle.manifest["trained_through"],
    }


def policy_name(served: Served) -> dict[str, Any]:
    """Which policy places customers into tiers."""
    policy = served.bundle.policy
    return {"id": policy.id, "version": policy.version, "sha256": policy.sha256, "mode": policy.tiers.mode}


def describe(served: Served) -> dict[str, Any]:
    """Content of ``GET /v1/model``: names, horizon, what it was found to be worth, and the features it takes.

    `quality_grade` and `metrics` are those the training run wrote into the manifest, null when it wrote none.
    """
    bundle = served.bundle
    config, manifest = bundle.config, bundle.manifest
    return {
        "model": model_name(served),
        "policy": policy_name(served),
        "horizon_days": config.horizon_days,
        "currency": config.currency,
        "churn_definition": config.churn.definition,
        "has_value": config.has_value,
        "expires_after_days": config.expires_after_days,
        "created_at": manifest["created_at"],
        "data_sha256": manifest["data_sha256"],
        "config_sha256": config.sha256,
        "quality_grade": manifest.get("quality_grade"),
        "metrics": manifest.get("metrics"),
        "tables": sorted(config.tables),
        "features": [
            {"name": feature.name, "type": feature.dtype, "unit": feature.unit, "group": feature.group}
            for feature in bundle.catalog.features
        ],
    }


def readiness(serving: Serving) -> dict[str, Any]:
    """Content of ``GET /readyz``: whether the worker can score, with which version, and what to look at."""
    served = serving.champion.current
    return {
        "ready": not serving.blockers(),
        "version": served.version if served else None,
        "faults": list(serving.faults()),
    }
