"""A small company with a model whose every number can be worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd

from churn_value.config import Config
from churn_value.estimators.prediction import Prediction
from churn_value.scoring.bundle import StoredFeature, load_bundle, write_bundle
from churn_value.scoring.policy import load_policy
from churn_value.scoring.reference import Reference

POLICIES = Path(__file__).parents[2] / "configs" / "policy"
AS_OF = date(2025, 7, 1)
MANIFEST = {
    "model_name": "test_model",
    "created_at": "2025-07-02T00:00:00Z",
    "trained_through": "2025-06-30",
    "data_sha256": "0" * 64,
    "seed": 7,
    "libraries": {"lightgbm": "4"},
}


def described(name, group, unit="count", *, dtype="number", window=None, empty=None, source="purchases"):
    words = name.replace("_", " ")
    return StoredFeature(name, source, window, unit, dtype, empty, words.capitalize(), f"[{words}]", group)


FEATURES = (
    described("days_since_last_purchase", "RECENCY", "days"),
    described("purchase_days", "FREQUENCY", "days", empty=0),
    described("order_count_30d", "FREQUENCY", "orders", window=30, empty=0),
    described("order_count_90d", "FREQUENCY", "orders", window=90, empty=0),
    described("spend_minor", "SPEND", "minor units", empty=0),
    described("spend_minor_90d", "SPEND", "minor units", window=90, empty=0),
    described("mean_gap_days", "RHYTHM", "days"),
    described("category_count_90d", "CATEGORY_BREADTH", "categories", window=90, empty=0),
    described("visit_count_30d", "VISIT_ACTIVITY", "visits", window=30, source="visits"),
    described("satisfaction_level", "SATISFACTION_LEVEL", "share", source="feedback"),
    described("score_count", "NEVER_ASKED", "scores", empty=0, source="feedback"),
    described("never_asked", "NEVER_ASKED", "0 or 1", empty=1, source="feedback"),
    described("complaint_count_90d", "COMPLAINTS", "complaints", window=90, source="feedback"),
    described("open_tickets", "OPEN_TICKETS", "cases", source="feedback"),
    described("overdue_share", "OVERDUE", "share", source="payments"),
    described("late_share", "PAYMENT_LATENESS", "share", source="payments"),
    described("days_late_mean", "PAYMENT_LATENESS", "days", source="payments"),
    described("tenure_days", "TENURE", "days", source="customers"),
    described("attr_region", "PROFILE", "category", dtype="category", source="customers"),
    described("attr_plan", "PROFILE", "category", dtype="category", source="customers"),
)
REGIONS = {"north": 0.2, "south": -0.2}
PLANS = {"basic": 0.1, "plus": -0.1}
COEFFICIENTS = {
    "days_since_last_purchase": (0.02, -0.01),
    "purchase_days": (-0.05, 0.02),
    "order_count_90d": (-0.1, 0.05),
    "spend_minor": (0.0, 0.00001),
    "satisfaction_level": (-1.0, 0.1),
    "complaint_count_90d": (0.3, -0.1),
    "overdue_share": (0.5, -0.2),
}


def population(rows: int, seed: int = 0) -> pd.DataFrame:
    """A plain population: some never asked, some without payments, some bought once."""
    rng = np.random.default_rng(seed)
    days = rng.integers(1, 12, rows).astype(float)
    asked, pays = rng.random(rows) < 0.6, rng.random(rows) < 0.5
    return pd.DataFrame(
        {
            "customer_id": [f"C{number:05d}" for number in range(rows)],
            "as_of": [AS_OF] * rows,
            "days_since_last_purchase": rng.integers(1, 200, rows).astype(float),
            "purchase_days": days,
            "order_count_30d": rng.poisson(0.7, rows).astype(float),
            "order_count_90d": rng.poisson(2.0, rows).astype(float) + 1,
            "spend_minor": np.round(rng.lognormal(9, 1, rows)),
            "spend_minor_90d": np.round(rng.lognormal(8, 1, rows)),
            "mean_gap_days": np.where(days > 1, rng.integers(5, 60, rows), np.nan),
            "category_count_90d": rng.integers(1, 6, rows).astype(float),
            "visit_count_30d": rng.poisson(4, rows).astype(float),
            "satisfaction_level": np.where(asked, np.round(rng.random(rows), 2), np.nan),
            "score_count": np.where(asked, rng.integers(1, 5, rows), 0.0),
            "never_asked": (~asked).astype(float),
            "complaint_count_90d": np.where(asked, rng.poisson(0.4, rows), 0.0),
            "open_tickets": np.where(asked, rng.poisson(0.2, rows), 0.0),
            "overdue_share": np.where(pays, np.round(rng.random(rows) * 0.6, 2), np.nan),
            "late_share": np.where(pays, np.round(0.6 + rng.random(rows) * 0.4, 2), np.nan),
            "days_late_mean": np.where(pays, rng.integers(0, 20, rows), np.nan),
            "tenure_days": rng.integers(30, 1500, rows).astype(float),
            "attr_region": rng.choice(list(REGIONS), rows),
            "attr_plan": rng.choice(list(PLANS), rows),
        }
    )


@dataclass(frozen=True)
class LinearModel:
    """A model whose every number can be worked out by hand: contributions are coefficient times value, null gives 0."""

    with_value: bool = True
    base: tuple[float, float] = (-1.0, 2.0)
    features = FEATURES  # those it looks at

    @property
    def design(self):
        return SimpleNamespace(
            names=tuple(f.name for f in self.features),
            categories={"attr_region": tuple(REGIONS), "attr_plan": tuple(PLANS)},
        )

    def contributions(self, frame, *, threads=1):
        heads = [self._head(frame, head) for head in (0, 1)]
        return heads[0], heads[1] if self.with_value else None

    def _head(self, frame, head):
        found = np.zeros((len(frame), len(self.features) + 1))
        for place, feature in enumerate(self.features):
            if feature.dtype == "category":
                effects = REGIONS if feature.name == "attr_region" else PLANS
                found[:, place] = [effects.get(text, 0.0) * (1 - head) for text in frame[feature.name]]
            elif feature.name in COEFFICIENTS:
                found[:, place] = COEFFICIENTS[feature.name][head] * np.nan_to_num(frame[feature.name].to_numpy())
        found[:, -1] = self.base[head]
        return found

    def predict(self, frame, *, threads=1):
        churn, value = self.contributions(frame)
        raw = _summed(churn)
        p = 1 / (1 + np.exp(-raw))
        if value is None:
            return Prediction(raw, p)
        value_raw = _summed(value)
        retained = 1000 * np.exp(value_raw)
        return Prediction(
            raw, p, value_raw, retained, (1 - p) * retained, p * retained, 0.5 * (1 - p) * retained, 2 * retained
        )

    def to_files(self) -> dict[str, bytes]:
        return {"linear.json": json.dumps({"with_value": self.with_value, "base": self.base}).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> LinearModel:
        content = json.loads(files["linear.json"])
        return cls(content["with_value"], tuple(content["base"]))


def _summed(contributions):
    total = np.zeros(len(contributions))
    for column in range(contributions.shape[1]):
        total += contributions[:, column]
    return total


CONFIG = Config.model_validate(
    {
        "name": "tested",
        "currency": "GBP",
        "horizon_days": 90,
        "tables": {"purchases": {"path": "p.parquet"}},
    }
)
CATALOG = SimpleNamespace(features=FEATURES, fingerprint="f" * 64)
PARAMETERS = {"present": {"purchases": []}, "windows_days": [30, 90], "attributes": {}}


def written(folder, model=None, *, policy="retail", frame=None, config=CONFIG, manifest=MANIFEST):
    """A bundle written to `folder` from a population."""
    model = model or LinearModel()
    frame = population(400) if frame is None else frame
    rules = load_policy(POLICIES / f"{policy}.yaml") if isinstance(policy, str) else policy
    return write_bundle(
        folder,
        model,
        catalog=CATALOG,
        policy=rules,
        reference=Reference.fit(frame, model.predict(frame), FEATURES),
        config=config,
        manifest=manifest,
        golden=frame.head(20),
        parameters=PARAMETERS,
    )


def loaded(path):
    """The bundle at `path`, of the linear model."""
    return load_bundle(path, read_model=LinearModel.from_files)
