"""Golden rows: feature rows kept with their predictions, so that a loaded model can be seen to be the one written.

They are kept to the bit and compared within `CLOSE`. numpy chooses its exponentials and logarithms by the processor,
and those for wider registers round some last bits otherwise: a model trained on one kind of processor is served on
another.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from churn_value.errors import TRAIN_AGAIN, BundleError, OutdatedBundle
from churn_value.scoring.quantities import Predicted

OUTPUTS = (
    "churn_raw",
    "churn_probability",
    "value_raw",
    "value_if_retained_minor",
    "expected_value_minor",
    "value_at_risk_minor",
    "value_lower_minor",
    "value_upper_minor",
)


# Of a prediction, and of 1 for those that are smaller: millions of roundings, and nothing that an answer shows.
CLOSE = 1e-9


class Predictor(Protocol):
    """Anything that predicts."""

    def predict(self, frame: pd.DataFrame) -> Predicted:
        """Predictions for the rows of `frame`."""
        ...


def _written(value: object) -> str | None:
    """A cell as text: numbers in hexadecimal, so that no bit is lost; texts with a leading apostrophe."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        return f"'{value}"
    return float(value).hex()  # type: ignore[arg-type]


def _read(cell: str | None) -> float | str | None:
    if cell is None:
        return None
    return cell[1:] if cell.startswith("'") else float.fromhex(cell)


def golden_of(frame: pd.DataFrame, prediction: Predicted, names: Sequence[str]) -> dict[str, Any]:
    """JSON content of golden rows: each feature and each output as a list of texts.

    Raises
    ------
    BundleError
        Without any row: a bundle that proves nothing is not written.
    """
    if frame.empty:
        raise BundleError("a bundle needs golden rows", where="golden", received="0 rows", remedy="pass 20 or more")
    outputs = {name: getattr(prediction, name) for name in OUTPUTS}
    return {
        "features": {name: [_written(value) for value in frame[name].tolist()] for name in names},
        "outputs": {
            name: None if values is None else [float(value).hex() for value in values.tolist()]
            for name, values in outputs.items()
        },
    }


def golden_frame(content: Mapping[str, Any]) -> pd.DataFrame:
    """Feature rows of golden content: numbers as float64, texts as objects."""
    columns: dict[str, Any] = {}
    for name, cells in content["features"].items():
        values = [_read(cell) for cell in cells]
        is_text = any(isinstance(value, str) for value in values)
        columns[name] = np.array(values, dtype=object if is_text else np.float64)
    return pd.DataFrame(columns)


def check_golden(content: Mapping[str, Any], model: Predictor, where: str) -> None:
    """Predict the golden rows and compare.

    Raises
    ------
    OutdatedBundle
        ``GOLDEN_ROWS_DIFFER``, naming the first output and row that differ.
    """
    prediction = model.predict(golden_frame(content))
    for name in OUTPUTS:
        kept = content["outputs"][name]
        values = getattr(prediction, name)
        now = None if values is None else values.tolist()
        was = None if kept is None else [float.fromhex(cell) for cell in kept]
        if (differs := _first_difference(now, was)) is not None:
            raise OutdatedBundle(
                "golden rows must be predicted as when the bundle was written, but for rounding",
                code="GOLDEN_ROWS_DIFFER",
                where=where,
                received=f"another {name} in {differs}",
                remedy=TRAIN_AGAIN,
            )


def _first_difference(now: list[float] | None, was: list[float] | None) -> str | None:
    """Where two columns differ by more than rounding; None where they do not."""
    if now is None or was is None:
        return None if now is was else "shape"
    if len(now) != len(was):
        return "shape"
    pairs = enumerate(zip(now, was, strict=True))
    far = (row for row, (one, other) in pairs if not math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE))
    return next((f"row {row}: {now[row]!r} instead of {was[row]!r}" for row in far), None)
