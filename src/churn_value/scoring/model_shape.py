"""What scoring needs of a model, so that tests can put one in whose every number is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import pandas as pd

from churn_value.estimators.feature_rows import FeatureRows
from churn_value.scoring.quantities import Floats, Predicted


class Shape(Protocol):
    """What scoring needs of a design."""

    @property
    def names(self) -> tuple[str, ...]:
        """Features in the order of the contributions' columns."""
        ...

    @property
    def categories(self) -> Mapping[str, tuple[str, ...]]:
        """Texts known at fit, by category feature."""
        ...


class Model(Protocol):
    """What scoring needs of a model; `HurdleModel` is one."""

    @property
    def design(self) -> Shape:
        """Order of the features."""
        ...

    def predict(self, frame: pd.DataFrame | FeatureRows, *, threads: int = 1) -> Predicted:
        """Predictions for the rows of `frame`."""
        ...

    def contributions(self, frame: pd.DataFrame | FeatureRows, *, threads: int = 1) -> tuple[Floats, Floats | None]:
        """Additive contributions of both heads, base last."""
        ...

    def to_files(self) -> dict[str, bytes]:
        """The model by file name."""
        ...
