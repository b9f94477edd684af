"""Every figure of a training, by the names that runs and reports use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from churn_value.estimators import FloatArray
from churn_value.evaluation import plots
from churn_value.evaluation.results import MODEL
from churn_value.evaluation.shapley import DescribedFeature, shapley_summary

MOST_EXPLAINED = 1_500


class DesignLike(Protocol):
    """Order of the contributions' columns."""

    @property
    def names(self) -> Sequence[str]:
        """Features."""
        ...


class ExplainedModel(Protocol):
    """What the Shapley figures need of a model."""

    @property
    def design(self) -> DesignLike:
        """Order of the features."""
        ...

    def contributions(self, frame: pd.DataFrame, *, threads: int = 1) -> tuple[FloatArray, FloatArray | None]:
        """Additive contributions of both heads, base last."""
        ...


def draw(
    frame: pd.DataFrame,
    predictions: Mapping[str, object],
    *,
    currency: str,
    minor_per_major: int = 100,
    model: ExplainedModel | None = None,
    features: Sequence[DescribedFeature] = (),
    trials: Mapping[str, pd.DataFrame] | None = None,
    tiers: Mapping[str, int] | None = None,
    value_at_risk: Mapping[str, float] | None = None,
) -> dict[str, Figure]:
    """Figures by name, those that the data allow.

    Parameters
    ----------
    frame
        Test rows, as for `comparison.evaluate`.
    predictions
        System to its prediction of these rows; ``model`` among them.
    currency, minor_per_major
        For axes of money.
    model, features
        For the Shapley figures; at most 1,500 evenly spaced rows are explained.
    trials
        Head to the trials of its search.
    tiers, value_at_risk
        Tier to customers and to value at risk, best tier first.
    """
    churned = frame["churned"].to_numpy(dtype=np.float64)
    value = frame["value_minor"].to_numpy(dtype=np.float64)
    probabilities, amounts = _of(predictions, "churn_probability"), _of(predictions, "expected_value_minor")
    drawn = {"calibration": plots.calibration(churned, probabilities), "gain_churn": plots.gain(churned, probabilities)}
    if MODEL in amounts and not np.isnan(value).any():
        drawn["gain_value"] = plots.gain(np.maximum(value, 0.0), amounts, of="value")
        drawn["deciles"] = plots.value_deciles(
            value, amounts[MODEL], currency=currency, minor_per_major=minor_per_major
        )
    if model is not None:
        drawn |= _explained(frame, model, features)
    if tiers:
        drawn["tiers"] = plots.tiers(tiers, value_at_risk)
    searched = {head: found for head, found in (trials or {}).items() if len(found)}
    return drawn | {f"search_{head}": plots.search_history(found, head=head) for head, found in searched.items()}


def _of(predictions: Mapping[str, object], attribute: str) -> dict[str, FloatArray]:
    found = {name: getattr(prediction, attribute, None) for name, prediction in predictions.items()}
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items() if values is not None}


def _explained(frame: pd.DataFrame, model: ExplainedModel, features: Sequence[DescribedFeature]) -> dict[str, Figure]:
    rows = frame.iloc[:: max(1, -(-len(frame) // MOST_EXPLAINED))].reset_index(drop=True)
    names = list(model.design.names)
    heads = zip(("churn", "value"), model.contributions(rows), strict=True)
    return {
        f"shapley_{head}": shapley_summary(parts, rows, features, names=names, head=head)
        for head, parts in heads
        if parts is not None
    }
