"""The churn head: a weighted mean of raw log-odds, and a calibration fitted on later rows. No class weights.

The parts are averaged boosters over two views of the features (see `views`), a ridge logistic regression, and where
churn is silence a Pareto/NBD. Their raw scores are log-odds in which contributions are additive, and so is their
weighted mean. The regression's penalty and the weights (see `stacking`) are learned on the calibration fold, which no
part has seen: trees carry where there is much history, the regression leads on small tables and steadies the trees on
short histories, the Pareto/NBD where nearly all is in frequency, recency and age.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from churn_value.errors import TooLittleData
from churn_value.estimators import FloatArray
from churn_value.estimators.binned import Target
from churn_value.estimators.calibration import Calibration, fit_calibration, fit_family, recentred
from churn_value.estimators.crossfit import crossed, crossed_regressions, on_one_date, settings_tried
from churn_value.estimators.linear.regression import Linear, fit_path
from churn_value.estimators.metrics import log_loss
from churn_value.estimators.rows import Folds, Rows
from churn_value.estimators.silence import Silence, fit_silence
from churn_value.estimators.stacking import stacked
from churn_value.estimators.trees import Growing, Objective, Sample, TreeParams, Trees, fit_trees
from churn_value.estimators.views import FoldViews, fit_views

BINARY = Objective("binary")
IDENTITY = Calibration("identity")
LEAST_ROWS_OF_A_CLASS = 10
PENALTIES = (0.3, 0.03, 0.003)
MOST_LINEAR_ROWS = 40_000
# Enough to choose among a few settings; what is chosen is cross-fitted on all rows.
MOST_CHOICE_ROWS = 15_000
PRIOR_WEIGHTS = {"trees": 0.6, "linear": 0.3, "silence": 0.1}

Part = Trees | Linear | Silence


@dataclass(frozen=True)
class ChurnHead:
    """P(churn within the horizon).

    Attributes
    ----------
    trees, linear, silence
        The parts; there is no silence where churn is something else, or nothing was bought.
    weights
        Of the parts that are there, in this order; they sum to 1.
    calibration
        Monotone map of the weighted mean to the probability.
    """

    trees: Trees
    linear: Linear
    silence: Silence | None
    weights: tuple[float, ...]
    calibration: Calibration

    @property
    def parts(self) -> tuple[Part, ...]:
        """Parts that are there, in the order of their weights."""
        return (self.trees, self.linear) if self.silence is None else (self.trees, self.linear, self.silence)

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Log-odds before calibration, shape (n,)."""
        return self._mean([part.raw(matrix, threads=threads) for part in self.parts])

    def probability(self, raw: FloatArray) -> FloatArray:
        """Calibrated probability of raw log-odds, shape (n,), strictly between 0 and 1."""
        return self.calibration.probability(raw)

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to the raw log-odds, shape (n, k + 1), base last."""
        return self._mean([part.contributions(matrix, threads=threads) for part in self.parts])

    def _mean(self, scores: list[FloatArray]) -> FloatArray:
        # Added one by one: a matrix product may add in another order for one row than for many.
        total = np.zeros(1)
        for weight, score in zip(self.weights, scores, strict=True):
            total = total + weight * score
        return total

    def to_files(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """JSON content, and the boosters' texts by file name."""
        files = {f"churn_{place}.txt": text.encode() for place, text in enumerate(self.trees.texts)}
        content = {
            "rounds": list(self.trees.rounds),
            "linear": self.linear.to_json(),
            "silence": None if self.silence is None else self.silence.to_json(),
            "weights": list(self.weights),
            "calibration": self.calibration.to_json(),
        }
        return content, files

    @classmethod
    def from_files(cls, content: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Head that `to_files` described."""
        rounds = tuple(content["rounds"])
        texts = tuple(files[f"churn_{place}.txt"].decode() for place in range(len(rounds)))
        silence = None if content["silence"] is None else Silence.from_json(content["silence"])
        calibration = Calibration.from_json(content["calibration"])
        weights = tuple(float(weight) for weight in content["weights"])
        return cls(Trees(texts, rounds), Linear.from_json(content["linear"]), silence, weights, calibration)


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

    places: tuple[int, int, int]
    horizon_days: int


def fit_churn(
    views: FoldViews, growing: Growing, silence: SilenceSettings | None, *, beside: TreeParams | None = None
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
        Other settings that boosters are tried with on a single date (see `crossfit`).

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
        return _fit_on_one_date(folds, growing, beside or growing.params)
    later = calibration.matrix
    stopped = views.stopped(_target, BINARY, growing)
    penalty, linear = _best_regression(train, calibration, growing)
    btyd = None if silence is None else fit_silence(train, silence.places, silence.horizon_days)
    honest = _weighted(stopped, linear, btyd, calibration, growing.threads)
    final = replace(
        honest,
        trees=fit_views(views.together, _target, BINARY, growing, stopped.rounds),
        linear=_regressions(every, growing, (penalty,))[penalty],
        silence=None if silence is None else fit_silence(every, silence.places, silence.horizon_days),
    )
    said, said_later = (head.raw(later, threads=growing.threads) for head in (honest, final))
    chosen = fit_calibration(said, calibration.churned, calibration.customers, seed=growing.seeds[0])
    centred = recentred(chosen, said_later, calibration.churned)
    return ChurnFit(replace(honest, calibration=chosen), replace(final, calibration=centred))


def _fit_on_one_date(folds: Folds, growing: Growing, beside: TreeParams) -> ChurnFit:
    """Head whose settings, rounds, weights and map are learned by cross-fitting; the honest one shares them."""
    rows = folds.together
    few = rows.thinned(MOST_CHOICE_ROWS, growing.seeds[0])
    found = _crossed_blend(few, growing, settings_tried(growing.params, beside, rows, growing.categories))
    if len(few) < len(rows):
        found = _crossed_blend(rows, growing, [found.growing.params])
    chosen = fit_calibration(found.raw, rows.churned, rows.customers, seed=growing.seeds[0], standard_errors=0.0)

    def head(rows: Rows) -> ChurnHead:
        trees = fit_trees(_sample(rows), BINARY, found.growing, rounds=found.rounds)
        linear = _regressions(rows, growing, (found.penalty,))[found.penalty]
        return ChurnHead(trees, linear, None, tuple(found.weights.tolist()), chosen)

    return ChurnFit(head(folds.train), head(folds.together))


@dataclass(frozen=True)
class _Blended:
    """Cross-fitted parts blended.

    Attributes
    ----------
    growing, rounds, penalty
        Settings of the boosters and their trees; penalty of the regression.
    weights, raw
        Of the parts; log-odds of the blend, (n,).
    loss
        Log-loss of the blend after a Platt map.
    """

    growing: Growing
    rounds: tuple[int, ...]
    penalty: float
    weights: FloatArray
    raw: FloatArray
    loss: float


def _crossed_blend(rows: Rows, growing: Growing, tried: Sequence[TreeParams]) -> _Blended:
    """Cross-fitted parts: the regression with the best penalty, and the boosters in the setting that blends best."""
    regressions = crossed_regressions(rows, growing, PENALTIES, MOST_LINEAR_ROWS)
    penalty = min(PENALTIES, key=lambda one: _loss_after_map(regressions[one], rows.churned))
    linear = regressions[penalty]

    def blended(params: TreeParams) -> _Blended:
        own = replace(growing, params=params)
        trees = crossed(rows, BINARY, own)
        weights = stacked(np.column_stack([trees.raw, linear]), rows.churned, _prior(("trees", "linear")))
        raw: FloatArray = weights[0] * trees.raw + weights[1] * linear
        return _Blended(own, trees.rounds, penalty, weights, raw, _loss_after_map(raw, rows.churned))

    return min((blended(params) for params in tried), key=lambda one: one.loss)


def _prior(names: Sequence[str]) -> FloatArray:
    """Weights of some parts to start from, summing to 1."""
    prior = np.asarray([PRIOR_WEIGHTS[name] for name in names])
    shares: FloatArray = prior / prior.sum()
    return shares


def _weighted(trees: Trees, linear: Linear, silence: Silence | None, calibration: Rows, threads: int) -> ChurnHead:
    """Head of fitted parts, weighted on rows they have not seen."""
    names = ("trees", "linear") if silence is None else ("trees", "linear", "silence")
    prior = _prior(names)
    head = ChurnHead(trees, linear, silence, tuple(prior.tolist()), IDENTITY)
    if not _has_both_classes(calibration):
        return head
    scores = np.column_stack([part.raw(calibration.matrix, threads=threads) for part in head.parts])
    return replace(head, weights=tuple(stacked(scores, calibration.churned, prior).tolist()))


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
