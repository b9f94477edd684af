"""Fitting the churn head: its parts, their weights, and a calibration fitted on later rows. No class weights.

The parts are averaged boosters over two views of the features (see `views`), a ridge logistic regression, and where
churn is silence a Pareto/NBD. Their raw scores are log-odds in which contributions are additive, and so is their
weighted mean. The regression's penalty and the weights (see `stacking`) are learned on the calibration fold, which no
part has seen: trees carry where there is much history, the regression leads on small tables and steadies the trees on
short histories, the Pareto/NBD where nearly all is in frequency, recency and age. Boosters then count twice: they are
shipped refitted on more and newer rows than those they were weighed with, and of all parts they alone gain by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from churn_value.errors import TooLittleData
from churn_value.estimators import FloatArray
from churn_value.estimators.binned import Target
from churn_value.estimators.calibration import Calibration, fit_calibration, fit_family, recentred
from churn_value.estimators.churn_head import ChurnHead
from churn_value.estimators.crossfit import Crossed, crossed, crossed_regressions, kinds_tried, on_one_date
from churn_value.estimators.linear.regression import Linear, fit_path
from churn_value.estimators.metrics import log_loss
from churn_value.estimators.rows import Folds, Rows
from churn_value.estimators.silence import SilencePlaces, fit_silence
from churn_value.estimators.stacking import refitted, share_of_many, stacked
from churn_value.estimators.trees import Growing, Objective, Sample, TreeParams, fit_trees
from churn_value.estimators.views import FoldViews, fit_views

BINARY = Objective("binary")
IDENTITY = Calibration("identity")
LEAST_ROWS_OF_A_CLASS = 10
PENALTIES = (0.3, 0.03, 0.003)
MOST_LINEAR_ROWS = 40_000
# Enough to choose among a few settings; what is chosen is cross-fitted on all rows.
MOST_CHOICE_ROWS = 15_000
# Of what boosters move a score by: those that move it less would cost every answer their trees for nothing to be seen.
LEAST_SHARE = 0.05
PRIOR_WEIGHTS = {"trees": 0.6, "linear": 0.3, "silence": 0.1}
# Of a few hundred customers boosters learn less than a model with four parameters already says, see decision 16.
PRIOR_WEIGHTS_OF_FEW = {"trees": 0.3, "linear": 0.2, "silence": 0.5}


def refuse_one_class(churned: FloatArray, fold: str) -> None:
    """Check that a fold has churners and stayers.

    Raises
    ------
    TooLittleData
        When either class has fewer than 10 rows.
    """
    churners = int(churned.sum())
    stayers = len(churned) - churners
    if min(churners, stayers) < LEAST_ROWS_OF_A_CLASS:
        raise TooLittleData(
            f"the churn head needs at least {LEAST_ROWS_OF_A_CLASS} churners and {LEAST_ROWS_OF_A_CLASS} stayers",
            code="TOO_FEW_CHURNERS" if churners < stayers else "TOO_FEW_STAYERS",
            where=f"{fold} fold",
            received=f"{churners} churners and {stayers} stayers",
            remedy="use another horizon_days or churn.definition, or more as_of dates",
        )


@dataclass(frozen=True)
class ChurnFit:
    """Two fits of one head: `honest` has seen the train fold only, `final` all folds."""

    honest: ChurnHead
    final: ChurnHead


@dataclass(frozen=True)
class SilenceSettings:
    """Columns of the Pareto/NBD's features, and the horizon of its silence [days]."""

    places: SilencePlaces
    horizon_days: int


def fit_churn(
    views: FoldViews, growing: Growing, silence: SilenceSettings | None, *, beside: Sequence[TreeParams] = ()
) -> ChurnFit:
    """Churn head: stopped early, weighted and calibrated on the calibration rows, then refitted on all rows.

    Parameters
    ----------
    views
        Folds; the calibration's as_of dates are at least a horizon later than the train fold's.
    growing
        Settings, seeds and threads.
    silence
        Of the Pareto/NBD; null leaves it out.
    beside
        Other settings that boosters are grown with on a single date (see `crossfit`).

    Notes
    -----
    The map's shape is that of the parts fitted on `train` alone, whose scores of the calibration rows are out of
    sample. The shipped parts are fitted on all folds, with the rounds found: the newest rows are the most like those
    to score. They have then learned part of what moved between the folds, so the map is recentred for them; keeping it
    as it was counts the move twice (on Complete Journey a mean probability of .095 where .058 left).
    """
    folds = views.folds
    train, calibration, every = folds.train, folds.calibration, views.together.rows
    refuse_one_class(train.churned, "train")
    if silence is None and on_one_date(folds):
        return _fit_on_one_date(folds, growing, (growing.params, *beside))
    later = calibration.matrix
    stopped = views.stopped(_target, BINARY, growing)
    penalty, linear = _best_regression(train, calibration, growing)
    btyd = None if silence is None else fit_silence(train, silence.places, silence.horizon_days)
    # Without a Pareto/NBD there is nothing that few customers would rather be left to.
    many = 1.0 if btyd is None else share_of_many(len(np.unique(train.customers)))
    prior = _prior(settings=1) if btyd is None else _prior_of_parts(many)
    unweighted = ChurnHead((stopped,), linear, btyd, tuple(prior.tolist()), IDENTITY)
    honest = _weighted(unweighted, calibration, many, growing.threads)
    final = replace(
        honest,
        trees=(fit_views(views.together, _target, BINARY, growing, stopped.rounds),),
        linear=_regressions(every, growing, (penalty,))[penalty],
        silence=None if silence is None else fit_silence(every, silence.places, silence.horizon_days),
    )
    said, said_later = (head.raw(later, threads=growing.threads) for head in (honest, final))
    chosen = fit_calibration(said, calibration.churned, calibration.customers, seed=growing.seeds[0])
    centred = recentred(chosen, said_later, calibration.churned)
    return ChurnFit(replace(honest, calibration=chosen), replace(final, calibration=centred))


def _fit_on_one_date(folds: Folds, growing: Growing, settings: Sequence[TreeParams]) -> ChurnFit:
    """Head whose settings, rounds, weights and map are learned by cross-fitting; the honest one shares them."""
    rows = folds.together
    few = rows.thinned(MOST_CHOICE_ROWS, growing.seeds[0])
    found = _crossed_blend(few, growing, kinds_tried(settings, rows, growing.categories))
    if len(few) < len(rows):
        found = _crossed_blend(rows, growing, [found.settings])
    chosen = fit_calibration(found.raw, rows.churned, rows.customers, seed=growing.seeds[0], standard_errors=0.0)

    def head(rows: Rows) -> ChurnHead:
        own = zip(found.settings, found.rounds, strict=True)
        trees = tuple(
            fit_trees(_sample(rows), BINARY, replace(growing, params=one), rounds=rounds) for one, rounds in own
        )
        linear = _regressions(rows, growing, (found.penalty,))[found.penalty]
        return ChurnHead(trees, linear, None, tuple(found.weights.tolist()), chosen)

    return ChurnFit(head(folds.train), head(folds.together))


@dataclass(frozen=True)
class _Blended:
    """Cross-fitted parts blended.

    Attributes
    ----------
    settings, rounds, penalty
        Settings of boosters and the trees of each; penalty of the regression.
    weights, raw
        Of the parts, boosters first; log-odds of the blend, (n,).
    loss
        Log-loss of the blend after a Platt map.
    """

    settings: tuple[TreeParams, ...]
    rounds: tuple[tuple[int, ...], ...]
    penalty: float
    weights: FloatArray
    raw: FloatArray
    loss: float


def _crossed_blend(rows: Rows, growing: Growing, kinds: Sequence[tuple[TreeParams, ...]]) -> _Blended:
    """Cross-fitted parts: the regression with the best penalty, and the kind of boosters that blends best with it."""
    regressions = crossed_regressions(rows, growing, PENALTIES, MOST_LINEAR_ROWS)
    penalty = min(PENALTIES, key=lambda one: _loss_after_map(regressions[one], rows.churned))
    linear = regressions[penalty]

    def blended(grown: Mapping[TreeParams, Crossed]) -> _Blended:
        scores = np.column_stack([*(one.raw for one in grown.values()), linear])
        weights = stacked(scores, rows.churned, _prior(len(grown)))
        moves = (weights * scores.std(axis=0))[:-1]
        least = min(LEAST_SHARE * moves.sum(), moves.max())
        heavy = {params: grown[params] for params, moved in zip(grown, moves, strict=True) if moved >= least}
        if len(heavy) < len(grown):
            return blended(heavy)
        raw: FloatArray = np.add.accumulate(weights * scores, axis=1)[:, -1]
        rounds = tuple(one.rounds for one in grown.values())
        return _Blended(tuple(grown), rounds, penalty, weights, raw, _loss_after_map(raw, rows.churned))

    tried = ({one: crossed(rows, BINARY, replace(growing, params=one)) for one in kind} for kind in kinds)
    return min(map(blended, tried), key=lambda one: one.loss)


def _prior(settings: int) -> FloatArray:
    """Weights to start from of so many settings of boosters and a regression."""
    return _shares([*[PRIOR_WEIGHTS["trees"] / settings] * settings, PRIOR_WEIGHTS["linear"]])


def _shares(weights: Sequence[float]) -> FloatArray:
    """Weights that sum to 1."""
    found = np.asarray(weights, dtype=np.float64)
    shares: FloatArray = found / found.sum()
    return shares


def _prior_of_parts(many: float) -> FloatArray:
    """Weights to start from of boosters, regression and Pareto/NBD, see `share_of_many`."""
    return _shares([many * weight + (1 - many) * PRIOR_WEIGHTS_OF_FEW[name] for name, weight in PRIOR_WEIGHTS.items()])


def _weighted(head: ChurnHead, calibration: Rows, many: float, threads: int) -> ChurnHead:
    """Head weighted anew on rows its parts have not seen; the boosters' weight then counts more."""
    if not _has_both_classes(calibration):
        return head
    scores = np.column_stack([part.raw(calibration.matrix, threads=threads) for part in head.parts])
    weights = refitted(stacked(scores, calibration.churned, np.asarray(head.weights)), boosters=1, many=many)
    return replace(head, weights=tuple(weights.tolist()))


def _has_both_classes(rows: Rows) -> bool:
    return bool(min(rows.churned.sum(), len(rows) - rows.churned.sum()) >= LEAST_ROWS_OF_A_CLASS)


def _regressions(rows: Rows, growing: Growing, penalties: Sequence[float]) -> dict[float, Linear]:
    """Regressions by penalty on rows, thinned by whole customers: a few dozen coefficients need no more."""
    few = rows.thinned(MOST_LINEAR_ROWS, growing.seeds[0])
    return fit_path(few.matrix, few.churned, growing.categories, penalties)


def _best_regression(train: Rows, calibration: Rows, growing: Growing) -> tuple[float, Linear]:
    """Penalty with the lowest loss on the calibration rows, and its regression; few rows choose the strongest."""
    fitted = _regressions(train, growing, PENALTIES)
    if not _has_both_classes(calibration):
        return PENALTIES[0], fitted[PENALTIES[0]]
    return min(fitted.items(), key=lambda one: _loss_after_map(one[1].raw(calibration.matrix), calibration.churned))


def _loss_after_map(raw: FloatArray, churned: FloatArray) -> float:
    return log_loss(churned, fit_family("platt", raw, churned).probability(raw))


def _sample(rows: Rows) -> Sample:
    return Sample(rows.matrix, rows.churned)


def _target(rows: Rows) -> Target:
    return Target(None, rows.churned)
