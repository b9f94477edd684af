"""Model, champion and baselines on the same rows, with bootstrap intervals and paired differences.

Customers are resampled, not rows, where one customer stands at several dates: their rows are alike, and counting them
as independent would make the intervals too narrow.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from churn_value.errors import TooLittleData
from churn_value.estimators import FloatArray, IntArray
from churn_value.estimators.bootstrap import Estimate, Resampled, bootstrap
from churn_value.estimators.metrics import CHURN_METRICS, VALUE_METRICS, Metric
from churn_value.evaluation.results import CHAMPION, MODEL, Evaluation

RESAMPLES = 200
ROW_BUDGET = 2_000_000
FEWEST_RESAMPLES = 60
GROWING = frozenset({"churn_calibration_error", "value_decile_error"})
MONEY = {"mae": "mae_minor", "rmse": "rmse_minor"}


def evaluate(
    frame: pd.DataFrame,
    predictions: Mapping[str, object],
    *,
    seed: int,
    confidence: float = 0.95,
    champion: str | None = None,
    interval_level: float | None = None,
    resamples: int | None = None,
) -> Evaluation:
    """Evaluation of several systems on the rows of one frame.

    Parameters
    ----------
    frame
        Test rows: ``customer_id``, ``as_of``, ``churned`` (0.0, 1.0), ``value_minor`` (NaN where there is no value).
    predictions
        System to its prediction of these rows, in their order. ``model`` must be there; the champion in place is
        ``champion``; any other name is a baseline. Of a prediction the arrays ``churn_probability``,
        ``expected_value_minor``, ``value_lower_minor`` and ``value_upper_minor`` are read; one that is absent or None
        leaves out the measures that need it.
    seed
        Of the resamples.
    confidence
        Level of the intervals, 0 to 1.
    champion
        Bundle id of the champion, when it is among the systems.
    interval_level
        Nominal level of the value head's interval, 0 to 1.
    resamples
        Number of bootstrap draws; by default 200, fewer (at least 60) from 10,000 rows on.

    Raises
    ------
    TooLittleData
        When there are no rows.
    KeyError
        When no system is called ``model``.
    """
    if MODEL not in predictions:
        raise KeyError(MODEL)
    if frame.empty:
        raise TooLittleData("an evaluation needs test rows with complete labels", received="none")
    ordered = {MODEL: predictions[MODEL], **predictions}
    draws = resamples or max(FEWEST_RESAMPLES, min(RESAMPLES, ROW_BUDGET // len(frame)))
    how = _Draws(seed, draws, confidence, _groups(frame["customer_id"]))
    metrics: dict[str, dict[str, Estimate]] = {name: {} for name in ordered}
    differences: dict[str, dict[str, Estimate]] = {name: {} for name in ordered if name != MODEL}
    for part in (_churn(frame, ordered, how), _value(frame, ordered, how), *_coverages(frame, ordered, how)):
        _collect(part, metrics, differences)
    return Evaluation(
        rows=len(frame),
        customers=int(frame["customer_id"].nunique()),
        churners=int(frame["churned"].sum()),
        as_of=tuple(sorted({pd.Timestamp(day).date().isoformat() for day in frame["as_of"].unique()})),
        confidence=confidence,
        metrics=metrics,
        differences=differences,
        champion=champion if CHAMPION in ordered else None,
        interval_level=interval_level,
    )


class _Draws:
    """How resamples are drawn, the same for every measure."""

    def __init__(self, seed: int, resamples: int, level: float, groups: IntArray | None) -> None:
        self.seed, self.resamples, self.level, self.groups = seed, resamples, level, groups

    def of(self, measures: Mapping[str, Metric], truth: FloatArray, systems: Mapping[str, FloatArray]) -> Resampled:
        return bootstrap(
            measures,
            truth,
            systems,
            seed=self.seed,
            resamples=self.resamples,
            level=self.level,
            groups=self.groups,
        )


def _groups(customers: pd.Series) -> IntArray | None:
    """Customer number of each row; None when nobody stands there twice."""
    if customers.is_unique:
        return None
    return pd.factorize(customers, sort=True)[0].astype(np.int64)


def _arrays(predictions: Mapping[str, object], attribute: str) -> dict[str, FloatArray]:
    """The systems that predict `attribute`, with what they predict."""
    found = {name: getattr(prediction, attribute, None) for name, prediction in predictions.items()}
    return {name: np.asarray(values, dtype=np.float64) for name, values in found.items() if values is not None}


def _churn(frame: pd.DataFrame, predictions: Mapping[str, object], how: _Draws) -> Resampled | None:
    systems = _arrays(predictions, "churn_probability")
    truth = frame["churned"].to_numpy(dtype=np.float64)
    measures = {f"churn_{name}": metric for name, metric in CHURN_METRICS.items()}
    return how.of(measures, truth, systems) if systems else None


def _value(frame: pd.DataFrame, predictions: Mapping[str, object], how: _Draws) -> Resampled | None:
    systems = _arrays(predictions, "expected_value_minor")
    truth = frame["value_minor"].to_numpy(dtype=np.float64)
    if not systems or np.isnan(truth).any():
        return None
    return how.of({f"value_{MONEY.get(n, n)}": metric for n, metric in VALUE_METRICS.items()}, truth, systems)


def _coverages(frame: pd.DataFrame, predictions: Mapping[str, object], how: _Draws) -> list[Resampled | None]:
    """Share of rows inside each system's interval; a truth below 0 counts as 0, as intervals do."""
    lowers, uppers = _arrays(predictions, "value_lower_minor"), _arrays(predictions, "value_upper_minor")
    truth = np.maximum(frame["value_minor"].to_numpy(dtype=np.float64), 0.0)
    names = [name for name in lowers if name in uppers]
    if not names or np.isnan(truth).any():
        return []
    inside = {n: ((lowers[n] <= truth) & (truth <= uppers[n])).astype(np.float64) for n in names}
    return [how.of({"value_interval_coverage": _share}, truth, inside)]


def _share(_: FloatArray, inside: FloatArray) -> float:
    return float(inside.mean())


def _collect(
    part: Resampled | None, metrics: dict[str, dict[str, Estimate]], differences: dict[str, dict[str, Estimate]]
) -> None:
    """Move one bootstrap's figures into the two tables."""
    if part is None:
        return
    part = centred(part)
    for system, measures in part.draws.items():
        metrics[system] |= {name: part.estimate(system, name) for name in measures}
        if system != MODEL and MODEL in part.draws:
            differences[system] |= {name: part.difference(MODEL, system, name) for name in measures}


def centred(part: Resampled) -> Resampled:
    """Shift the draws of mean absolute gaps (see `GROWING`) back to the figure on all rows.

    A mean of absolute values grows with noise, and a resample has more of it than the rows: left alone, the whole
    interval of a small calibration error would lie above it.
    """
    draws = {system: dict(measures) for system, measures in part.draws.items()}
    for system, measures in draws.items():
        for name in measures.keys() & GROWING:
            excess = np.nanmean(measures[name]) - part.values[system][name]  # noqa: PD011
            measures[name] = np.maximum(measures[name] - excess, 0.0)
    return Resampled(part.values, draws, part.level)
