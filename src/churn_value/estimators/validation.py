"""What a set of parameters is worth: the loss on later rows, purged from those fitted on.

The search validates within the train fold where it has enough dates: the newest quarter of its as_of dates against
those at least a horizon earlier. The calibration fold then stays clean for what is learned from it (rounds, map,
factor, interval). With fewer dates, the train fold is validated on the calibration fold; a search of a few dozen trials
over a few parameters bends its calibration little, and the test fold is untouched either way.

Losses are taken after the step that the model itself puts behind the boosters (a level, a total that agrees): the
season moves the base rate between any two dates, and parameters should not be chosen for having guessed its direction.
A Platt map would also forgive scores that are drawn together too much or too little, which the model keeps unless the
evidence is strong (see `calibration`).

A trial is fitted on at most 10,000 rows and judged on at most 20,000, whole customers of each: the time of a trial goes
into fitting, and what may replace the defaults is decided by chance in the rows that judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.special import expit

from churn_value.config import Config
from churn_value.estimators import FloatArray
from churn_value.estimators.binned import dataset
from churn_value.estimators.calibration import fit_family
from churn_value.estimators.churn import BINARY
from churn_value.estimators.design import CatalogLike, Design
from churn_value.estimators.metrics import log_loss, log_losses, normalised_gini, tweedie_deviances
from churn_value.estimators.rows import Rows, labelled, rows_of
from churn_value.estimators.trees import Growing, Objective, TreeParams, grow
from churn_value.estimators.value import ValueSettings, objective_of, sample_of, weights_of
from churn_value.estimators.value_head import STAYING_FLOOR

if TYPE_CHECKING:
    import lightgbm as lgb

VALIDATION_SHARE = 4
MOST_TUNING_ROWS = 20_000
MOST_FITTED_ROWS = 10_000
LARGEST_LOG = 25.0


def validation_dates(
    train_dates: list[pd.Timestamp], horizon_days: int
) -> tuple[list[pd.Timestamp], list[pd.Timestamp]]:
    """Dates to fit on and dates to validate on within the train fold; two empty lists when it has too few.

    Notes
    -----
    For a horizon of 90 days and monthly dates from January to December: validation on October to December, fit on
    January to July, whose outcome windows end before 1 October.
    """
    for number in range(max(1, len(train_dates) // VALIDATION_SHARE), 0, -1):
        later = train_dates[-number:]
        newest = later[0] - pd.Timedelta(days=horizon_days)
        earlier = [day for day in train_dates if day <= newest]
        if earlier:
            return earlier, later
    return [], []


def tuning_folds(
    train: pd.DataFrame, calibration: pd.DataFrame, horizon_days: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows to fit on and later, purged rows to validate on."""
    days = pd.to_datetime(train["as_of"])
    earlier, later = validation_dates(sorted(days.unique()), horizon_days)
    if not later:
        return train, calibration
    return train[days.isin(earlier)], train[days.isin(later)]


@dataclass(frozen=True)
class Validation:
    """Rows to fit on, later rows to validate on, and the columns holding category codes."""

    earlier: Rows
    later: Rows
    categories: tuple[int, ...]
    seed: int
    threads: int

    @classmethod
    def of(cls, train: pd.DataFrame, calibration: pd.DataFrame, catalog: CatalogLike, config: Config) -> Validation:
        """Validation of a search over a data set's train fold."""
        fold, held = (
            labelled(frame, with_value=config.has_value)
            for frame in tuning_folds(labelled(train, with_value=config.has_value), calibration, config.horizon_days)
        )
        design = Design.fit(fold, catalog)
        seed = config.tuning.seed
        earlier, later = (
            rows_of(rows, design, with_value=config.has_value).thinned(most, seed)
            for rows, most in ((fold, MOST_FITTED_ROWS), (held, MOST_TUNING_ROWS))
        )
        return cls(earlier, later, design.category_places, seed, config.tuning.threads)

    def growing(self, params: TreeParams) -> Growing:
        """How boosters are grown in a trial: one seed."""
        return Growing(params, self.categories, (self.seed,), self.threads)


@dataclass(frozen=True)
class Judged:
    """Loss of a set of parameters on each later row (lower is better), and figures beside it."""

    losses: FloatArray
    beside: Mapping[str, float]

    @property
    def loss(self) -> float:
        """Mean loss."""
        return float(self.losses.mean())


@dataclass(frozen=True)
class _Grown:
    """Binned rows of a loss, used for every trial."""

    rows: lgb.Dataset
    valid: lgb.Dataset
    objective: Objective

    def raw(self, validation: Validation, params: TreeParams) -> tuple[FloatArray, int]:
        """Raw scores of all later rows, and the trees used."""
        growing = validation.growing(params)
        booster, rounds = grow(
            self.rows, self.valid, self.objective, growing, seed=validation.seed, at_most=params.max_rounds
        )
        scored = booster.predict(
            validation.later.matrix, raw_score=True, num_iteration=rounds, num_threads=validation.threads
        )
        return np.asarray(scored, dtype=np.float64), rounds


@dataclass(frozen=True)
class ChurnLoss:
    """Log-loss after the level is put right."""

    validation: Validation

    @cached_property
    def _grown(self) -> _Grown:
        earlier, later, categories = self.validation.earlier, self.validation.later, self.validation.categories
        rows = dataset(earlier.matrix, earlier.churned, categories)
        return _Grown(rows, dataset(later.matrix, later.churned, categories, rows), BINARY)

    def raw(self, settings: Mapping[str, Any]) -> tuple[FloatArray, int]:
        """Log-odds of the later rows under a set of parameters, and the trees used."""
        return self._grown.raw(self.validation, TreeParams.of(settings))

    def __call__(self, settings: Mapping[str, Any]) -> Judged:
        """Log-loss on the later rows under a set of parameters."""
        raw, rounds = self.raw(settings)
        churned = self.validation.later.churned
        fitted = fit_family("identity", raw, churned)
        plain = log_loss(churned, expit(raw))
        return Judged(log_losses(churned, fitted.probability(raw)), {"log_loss_before_map": plain, "rounds": rounds})


@dataclass(frozen=True)
class ValueLoss:
    """Tweedie deviance of power 1.5 relative to the mean amount, after totals are made to agree.

    Attributes
    ----------
    validation
        Rows.
    churn_probability
        (n,) of the later rows, from a churn head that has not seen them.
    """

    validation: Validation
    churn_probability: FloatArray

    @cached_property
    def _scale(self) -> float:
        return max(float(np.maximum(self.validation.earlier.amount_minor, 0.0).mean()), 1.0)

    @cached_property
    def _binned(self) -> dict[str, tuple[lgb.Dataset, lgb.Dataset]]:
        return {}

    def _bins_of(self, form: str) -> tuple[lgb.Dataset, lgb.Dataset]:
        """Binned rows of a form, made when it is first tried."""
        if form not in self._binned:
            categories = self.validation.categories
            fold, later = (
                sample_of(form, part, self._scale) for part in (self.validation.earlier, self.validation.later)
            )
            rows = dataset(fold.matrix, fold.target, categories)
            self._binned[form] = rows, dataset(later.matrix, later.target, categories, rows)
        return self._binned[form]

    def _log_expected(self, settings: Mapping[str, Any]) -> tuple[FloatArray, int]:
        """Log of the expected amount over the scale, shape (n,), and the trees used."""
        value = ValueSettings.of(settings)
        staying = np.log(np.maximum(1 - self.churn_probability, STAYING_FLOOR))
        total, used = np.zeros(len(self.validation.later)), 0
        for form, weight in weights_of(value.form).items():
            grown = _Grown(*self._bins_of(form), objective_of(form, value.power))
            raw, rounds = grown.raw(self.validation, TreeParams.of(settings))
            total = total + weight * (raw if form == "tweedie" else raw + staying)
            used += rounds
        return total, used

    def __call__(self, settings: Mapping[str, Any]) -> Judged:
        """Deviance on the later rows under a set of parameters; the normalised Gini beside it."""
        log_expected, rounds = self._log_expected(settings)
        actual = np.maximum(self.validation.later.amount_minor, 0.0)
        mean = max(float(actual.mean()), 1e-9)
        expected = np.exp(np.clip(log_expected, -LARGEST_LOG, LARGEST_LOG))
        agreed = expected * (mean / max(float(expected.mean()), 1e-300))
        return Judged(
            tweedie_deviances(actual / mean, agreed / mean),
            {"normalised_gini": normalised_gini(actual, agreed), "rounds": rounds},
        )


def value_loss(validation: Validation, churn_params: Mapping[str, Any]) -> ValueLoss:
    """Loss of the value head, with the churn probabilities of given parameters."""
    raw, _ = ChurnLoss(validation).raw(churn_params)
    return ValueLoss(validation, expit(raw))
