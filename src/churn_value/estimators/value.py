"""The value head: the amount in the horizon, for heavy-tailed money of which most customers spend none.

Forms, each a LightGBM regression with log link on amounts divided by their mean:

===========  ===================================  =====================================================================
form         rows, loss                           its raw score z
===========  ===================================  =====================================================================
tweedie      all, compound Poisson-gamma          log of the expected amount
gamma        stayers, gamma quasi-likelihood      log of the amount given that the customer stays
===========  ===================================  =====================================================================

A head is a weighted mean of forms on the log scale, z = sum of w z, so that contributions stay additive. With s the
weight of the two-part form (gamma) and p the calibrated churn probability::

    expected = factor exp(z) (1 - p)^s        value_if_retained = expected / (1 - p)

which is the usual hurdle product for s = 1 and the direct regression for s = 0. Beside the boosters stands the
literature's expected spending (see `btyd_spend`), on the log scale too, with the weight that later rows give it; where
that is less than a twentieth it is left out. In the division 1 - p is floored at
0.01: below it, hardly anybody of the kind has ever stayed and the quotient would be noise; expected is then (1 - p)
times the floored value, so the identity holds on every row.

Net amounts below 0 (more returned than bought) are fitted as 0; `factor` then takes the total of the calibration rows
towards the true net one: shrunk to 1 by its own standard error, and for the head that is shipped, which has seen these
rows, half the way (see `calibration` for why half).

References
----------
Jørgensen & de Souza (1994), Scandinavian Actuarial Journal, for Tweedie regression; Mullahy (1998), Journal of Health
Economics 17(3), for two-part models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

import numpy as np

from churn_value.errors import ConfigError
from churn_value.estimators import FloatArray
from churn_value.estimators.binned import Target
from churn_value.estimators.btyd_spend import BtydSpend, SpendSettings
from churn_value.estimators.calibration import PERSISTENCE
from churn_value.estimators.churn import refuse_one_class
from churn_value.estimators.rows import Rows
from churn_value.estimators.stacking import refitted, stacked_amounts
from churn_value.estimators.trees import Growing, Objective, Sample
from churn_value.estimators.value_head import ValueHead, ValuePart
from churn_value.estimators.views import FoldViews, Viewed, fit_views

FORMS: Mapping[str, Mapping[str, float]] = {
    "tweedie": {"tweedie": 1.0},
    "gamma": {"gamma": 1.0},
    "blend": {"tweedie": 0.5, "gamma": 0.5},
}
DEFAULT_FORM = "blend"
DEFAULT_POWER = 1.3
SMALLEST_SHARE = 1e-4
LARGEST_CORRECTION = 3.0
BOOSTERS_ALONE = np.asarray([1.0, 0.0])
LEAST_WEIGHT = 0.05


def target_of(form: str, rows: Rows, scale_minor: float) -> Target:
    """Rows that a form is fitted on, and their shares of the mean amount."""
    share = np.maximum(rows.amount_minor, 0.0) / scale_minor
    if form == "tweedie":
        return Target(None, share)
    stayed = rows.churned == 0
    # Stayers who returned all they bought have no positive amount, and a gamma needs one.
    return Target(stayed, np.maximum(share[stayed], SMALLEST_SHARE))


def sample_of(form: str, rows: Rows, scale_minor: float) -> Sample:
    """Rows and target that a form is fitted on."""
    target = target_of(form, rows, scale_minor)
    return Sample(rows.matrix if target.kept is None else rows.matrix[target.kept], target.values)


def objective_of(form: str, power: float) -> Objective:
    """LightGBM's loss for a form."""
    if form == "tweedie":
        return Objective("tweedie", (("tweedie_variance_power", power),))
    return Objective("gamma")


def weights_of(form: str) -> Mapping[str, float]:
    """Parts of a form and their weights.

    Raises
    ------
    ConfigError
        When the form is unknown.
    """
    if form not in FORMS:
        raise ConfigError(f"the value form must be one of {', '.join(FORMS)}", where="value.form", received=form)
    return FORMS[form]


def debias_factor(amount_minor: FloatArray, expected_minor: FloatArray) -> float:
    """Factor that makes the predicted total agree with the true one, shrunk to 1 by its standard error.

    Parameters
    ----------
    amount_minor, expected_minor
        (n,) true net amounts and predictions, out of sample [minor units].

    Returns
    -------
    float
        Within 1/3 and 3; 1 when either total is not positive.

    Notes
    -----
    With ``b = log(sum actual / sum expected)`` and its squared standard error ``v`` by linearisation, the positive-part
    James-Stein estimate ``b max(0, 1 - v / b^2)``.
    """
    actual, predicted = float(amount_minor.sum()), float(expected_minor.sum())
    if actual <= 0 or predicted <= 0:
        return 1.0
    ratio = actual / predicted
    variance = float(np.sum((amount_minor - ratio * expected_minor) ** 2)) / actual**2
    bias = float(np.log(ratio))
    kept = max(0.0, 1 - variance / bias**2) if bias else 0.0
    limit = float(np.log(LARGEST_CORRECTION))
    return float(np.exp(np.clip(bias * kept, -limit, limit)))


@dataclass(frozen=True)
class ValueFit:
    """Two fits of one head: `honest` has seen the train fold only, `final` all folds."""

    honest: ValueHead
    final: ValueHead


@dataclass(frozen=True)
class ValueSettings:
    """Form of the head (see `FORMS`) and variance power of its Tweedie part, between 1 and 2."""

    form: str = DEFAULT_FORM
    power: float = DEFAULT_POWER

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> Self:
        """Settings ``form`` and ``tweedie_power`` by name over the defaults."""
        given = settings or {}
        return cls(str(given.get("form", DEFAULT_FORM)), float(given.get("tweedie_power", DEFAULT_POWER)))


def _stopped_part(form: str, scale: float, settings: ValueSettings, growing: Growing, views: FoldViews) -> ValuePart:
    """A form grown on the train fold and stopped on the calibration fold."""
    target = partial(target_of, form, scale_minor=scale)
    trees = views.stopped(target, objective_of(form, settings.power), growing)
    return ValuePart(form, weights_of(settings.form)[form], trees)


def _grown_again(part: ValuePart, scale: float, settings: ValueSettings, growing: Growing, rows: Viewed) -> ValuePart:
    """The same part on more rows, with the same rounds."""
    target = partial(target_of, part.form, scale_minor=scale)
    objective = objective_of(part.form, settings.power)
    return replace(part, trees=fit_views(rows, target, objective, growing, part.trees.rounds))


def fit_value(
    views: FoldViews,
    probabilities: tuple[FloatArray, FloatArray],
    growing: Growing,
    settings: ValueSettings,
    spend: SpendSettings | None = None,
) -> ValueFit:
    """Value head: stopped early, weighed and debiased on the calibration rows, then refitted on all rows.

    Parameters
    ----------
    views
        Folds; the calibration's as_of dates are at least a horizon later than the train fold's.
    probabilities
        (n,) churn probabilities of the calibration rows, from the honest and from the final churn head.
    growing, settings
        How boosters are grown; the head's form.
    spend
        Of the literature's expected spending; null leaves it out.

    Raises
    ------
    TooLittleData
        When a fold has fewer than 10 stayers.
    """
    train, calibration = views.folds.train, views.folds.calibration
    refuse_one_class(train.churned, "train")
    refuse_one_class(calibration.churned, "calibration")
    scale = max(float(np.maximum(train.amount_minor, 0.0).mean()), 1.0)
    forms = weights_of(settings.form)
    parts = tuple(_stopped_part(form, scale, settings, growing, views) for form in forms)
    plain = ValueHead(parts, scale, 1.0)
    if spend is not None:
        fitted = spend.fitted(train, spend.purchases[0], scale)
        plain = _weighed(plain, fitted, calibration, probabilities[0], growing.threads)
    factor = debias_factor(calibration.amount_minor, _expected(plain, calibration, probabilities[0], growing.threads))
    every = views.together.rows
    final = replace(
        plain,
        parts=tuple(_grown_again(part, scale, settings, growing, views.together) for part in plain.parts),
        spend=None if spend is None or plain.spend is None else spend.fitted(every, spend.purchases[1], scale),
    )
    moved = debias_factor(calibration.amount_minor, _expected(final, calibration, probabilities[1], growing.threads))
    return ValueFit(replace(plain, factor=factor), replace(final, factor=moved**PERSISTENCE))


def _weighed(
    head: ValueHead, spend: BtydSpend, calibration: Rows, churn_probability: FloatArray, threads: int
) -> ValueHead:
    """The head with expected spending beside its boosters, weighed on rows neither has seen."""
    amounts = np.maximum(calibration.amount_minor, 0.0)
    if not amounts.any():
        return head
    boosters = np.log(np.maximum(_expected(head, calibration, churn_probability, threads), SMALLEST_SHARE))
    scores = np.column_stack([boosters - np.log(head.scale_minor), spend.raw(calibration.matrix)])
    grown, weight = refitted(stacked_amounts(scores, amounts, BOOSTERS_ALONE), boosters=1).tolist()
    if weight < LEAST_WEIGHT:
        return head
    return replace(head, parts=tuple(replace(part, weight=grown * part.weight) for part in head.parts), spend=spend)


def _expected(head: ValueHead, rows: Rows, churn_probability: FloatArray, threads: int) -> FloatArray:
    """Expected amount of each row [minor units]."""
    raw = head.raw(rows.matrix, threads=threads)
    expected: FloatArray = (1 - churn_probability) * head.value_if_retained(raw, churn_probability)
    return expected
