"""Runs, versions, the gate and the move of the champion: the only importer of MLflow."""

import os

# MLflow reads these while it is imported, which every module of this room does after this line.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
