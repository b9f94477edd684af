"""Where things are on this machine: the only reader of the environment.

=========================  =====================  ==================================================
variable                   default                what is there
=========================  =====================  ==================================================
``CHURN_VALUE_DATA``       ``data``               the folder that table paths of a config start from
``CHURN_VALUE_ARTIFACTS``  ``.artifacts``         runs, quarantine, studies, scored tables
``CHURN_VALUE_MODELS``     ``models/exported``    bundles the service may load
``MLFLOW_TRACKING_URI``    sqlite in artifacts    MLflow's store
=========================  =====================  ==================================================
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Folders and the tracking store; see the module's table."""

    data_root: Path
    artifacts: Path
    models: Path
    tracking_uri: str

    @classmethod
    def from_environment(cls) -> Settings:
        """Settings of this process."""
        artifacts = Path(os.environ.get("CHURN_VALUE_ARTIFACTS", ".artifacts"))
        return cls(
            data_root=Path(os.environ.get("CHURN_VALUE_DATA", "data")),
            artifacts=artifacts,
            models=Path(os.environ.get("CHURN_VALUE_MODELS", "models/exported")),
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{(artifacts / 'mlflow.db').resolve()}"),
        )

    def place(self, name: str) -> Path:
        """Folder of one company's artifacts."""
        return self.artifacts / name

    def quarantine(self, name: str) -> Path:
        """Folder of the rows that the table contract set aside."""
        return self.place(name) / "quarantine"

    def studies(self, name: str) -> Path:
        """Optuna's storage, from which a stopped search goes on."""
        return self.place(name) / "studies.db"

    def scored_features(self, name: str) -> Path:
        """Last scored feature table, read by the service for answers by customer id."""
        return self.place(name) / "features.parquet"

    def events(self, name: str) -> Path:
        """Store of the events that have arrived, made by `pipelines.backfill`."""
        return self.place(name) / "events.db"

    def score_log(self, name: str) -> Path:
        """Folder of the service's hash-chained log of answers."""
        return self.place(name) / "score_log"

    def scores(self, name: str) -> Path:
        """Folder of the answers for the whole base, one file per as_of."""
        return self.place(name) / "scores"

    def scoring(self, name: str) -> Path:
        """Folder of finished chunks while a base is being scored, from which a stopped run goes on."""
        return self.place(name) / "scoring"

    def tier_overrides(self, name: str) -> Path:
        """Tiers set by hand that the base was last scored with, read by the service too."""
        return self.place(name) / "tier_overrides.csv"

    def exported(self, name: str) -> Path:
        """Folder of a model's exported bundles and its CHAMPION pointer."""
        return self.models / name
