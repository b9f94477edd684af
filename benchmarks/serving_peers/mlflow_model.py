"""A model for `mlflow models serve`: a PythonModel kept as code, with a signature. Run once to save it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import mlflow
import mlflow.pyfunc
import pandas as pd

from benchmarks.serving_peers.explained import Explained


class Scorer(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
    """Serves the boosters."""

    def load_context(self, context: Any) -> None:
        """Read the boosters once."""
        self.model = Explained(Path(context.artifacts["peer"]))

    def predict(self, context: Any, model_input: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:  # noqa: ARG002 - MLflow calls it so
        """Answers in the order of the rows."""
        return self.model.answers(model_input, explain=bool((params or {}).get("explain", True)))


def save(place: Path) -> None:
    """Save the model beside the boosters, with the signature of the example rows there."""
    told = json.loads((place / "peer.json").read_text())
    example = pd.DataFrame(json.loads((place / "example.json").read_text()), columns=told["names"])
    typed = {name: "str" if name in told["categories"] else "float64" for name in told["names"]}
    signature = mlflow.models.infer_signature(example.astype(typed), params={"explain": True})
    mlflow.pyfunc.save_model(
        place / "mlflow",
        python_model=__file__,
        artifacts={"peer": str(place)},
        signature=signature,
        pip_requirements=["lightgbm", "shap"],
    )


if __name__ == "__main__" and len(sys.argv) == 2:
    save(Path(sys.argv[1]))
else:
    mlflow.models.set_model(Scorer())
