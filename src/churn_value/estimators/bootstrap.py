"""How sure a measure is: percentile intervals over resampled customers, the same resamples for every system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from churn_value.estimators import FloatArray, IntArray
from churn_value.estimators.metrics import Metric


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure on all rows with its percentile interval."""

    value: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Resampled:
    """Measures of several systems on the same resamples of the same rows.

    Attributes
    ----------
    values
        System, then measure: the figure on all rows.
    draws
        System, then measure: (resamples,) figures.
    level
        Of the intervals, 0 to 1.
    """

    values: Mapping[str, Mapping[str, float]]
    draws: Mapping[str, Mapping[str, FloatArray]]
    level: float

    def estimate(self, system: str, metric: str) -> Estimate:
        """Figure of one system with its interval."""
        return self._with_interval(self.values[system][metric], self.draws[system][metric])

    def difference(self, system: str, other: str, metric: str) -> Estimate:
        """Figure of `system` minus that of `other`, with the paired interval."""
        value = self.values[system][metric] - self.values[other][metric]
        return self._with_interval(value, self.draws[system][metric] - self.draws[other][metric])

    def _with_interval(self, value: float, draws: FloatArray) -> Estimate:
        defined = draws[~np.isnan(draws)]
        if len(defined) == 0:
            return Estimate(value, float("nan"), float("nan"))
        tail = (1 - self.level) / 2
        lower, upper = np.quantile(defined, [tail, 1 - tail])
        return Estimate(value, float(lower), float(upper))


def _counts(rows: int, groups: npt.NDArray[np.object_] | IntArray | None, rng: np.random.Generator) -> IntArray:
    """How often each row is drawn; all rows of a group are drawn together."""
    if groups is None:
        return np.bincount(rng.integers(0, rows, rows), minlength=rows)
    _, member = np.unique(groups, return_inverse=True)
    number = int(member.max()) + 1
    drawn: IntArray = np.bincount(rng.integers(0, number, number), minlength=number)[member]
    return drawn


def bootstrap(
    metrics: Mapping[str, Metric],
    truth: FloatArray,
    systems: Mapping[str, FloatArray],
    *,
    seed: int,
    resamples: int = 500,
    level: float = 0.95,
    groups: npt.NDArray[np.object_] | IntArray | None = None,
) -> Resampled:
    """Percentile bootstrap of measures, paired over systems.

    Parameters
    ----------
    metrics
        Functions of (truth, prediction) by name.
    truth
        (n,) outcomes.
    systems
        Name: (n,) predictions for the same rows.
    seed
        Of the resamples; the same seed and number of rows give the same resamples whatever the systems are.
    resamples
        Number of draws with replacement.
    level
        Of the intervals.
    groups
        (n,) customer of each row, to draw customers instead of rows where a customer stands on several dates.

    Notes
    -----
    Each system's rows are sorted by its prediction once. A draw is a count per row, and repeating sorted rows gives
    sorted rows, so the sort within a rank measure costs one pass.

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.
    """
    rng = np.random.default_rng(seed)
    orders = {name: np.argsort(predicted, kind="stable") for name, predicted in systems.items()}
    draws = {name: {metric: np.full(resamples, np.nan) for metric in metrics} for name in systems}
    for draw in range(resamples):
        counts = _counts(len(truth), groups, rng)
        for name, predicted in systems.items():
            rows = np.repeat(orders[name], counts[orders[name]])
            drawn_truth, drawn_predicted = truth[rows], predicted[rows]
            for metric, function in metrics.items():
                draws[name][metric][draw] = function(drawn_truth, drawn_predicted)
    values = {name: {m: f(truth, predicted) for m, f in metrics.items()} for name, predicted in systems.items()}
    return Resampled(values, draws, level)
