"""The churn head: a weighted mean of raw log-odds, and a calibration fitted on later rows. No class weights.

The parts are averaged boosters and a ridge logistic regression. Their raw scores are log-odds in which contributions
are additive, and so is their weighted mean. The weight and the penalty are those with the lowest log-loss, after a
Platt map, on the calibration fold, which neither part has seen: trees carry where there is much history, the regression
leads on small tables and steadies the trees on short histories (Complete Journey, three train dates: AUC .876 to .885).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from churn_value.errors import TooLittleData
from churn_value.estimators import FloatArray
from churn_value.estimators.calibration import Calibration, fit_calibration, fit_family, recentred
from churn_value.estimators.linear import Linear, fit_linear
from churn_value.estimators.metrics import log_loss
from churn_value.estimators.rows import Rows
from churn_value.estimators.trees import Growing, Objective, Sample, Trees, fit_trees

BINARY = Objective("binary")
IDENTITY = Calibration("identity")
LEAST_ROWS_OF_A_CLASS = 10
PENALTIES = (0.3, 0.03, 0.003)
SHARES = (0.25, 0.5, 0.75)
MOST_LINEAR_ROWS = 40_000


@dataclass(frozen=True)
class ChurnHead:
    """P(churn within the horizon).

    Attributes
    ----------
    trees, linear
        The parts; without a regression the trees stand alone.
    linear_share
        Weight of the regression, 0 to 1.
    calibration
        Monotone map of the weighted mean to the probability.
    """

    trees: Trees
    linear: Linear | None
    linear_share: float
    calibration: Calibration

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Log-odds before calibration, shape (n,)."""
        return self._mean([part.raw(matrix, threads=threads) for part in self._parts])

    def probability(self, raw: FloatArray) -> FloatArray:
        """Calibrated probability of raw log-odds, shape (n,), strictly between 0 and 1."""
        return self.calibration.probability(raw)

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to the raw log-odds, shape (n, k + 1), base last."""
        return self._mean([part.contributions(matrix, threads=threads) for part in self._parts])

    @property
    def _parts(self) -> tuple[Trees | Linear, ...]:
        return (self.trees,) if self.linear is None else (self.trees, self.linear)

    def _mean(self, scores: list[FloatArray]) -> FloatArray:
        if len(scores) == 1:
            return scores[0]
        return mixed(scores[0], scores[1], self.linear_share)

    def to_files(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """JSON content, and the boosters' texts by file name."""
        files = {f"churn_{place}.txt": text.encode() for place, text in enumerate(self.trees.texts)}
        content = {
            "rounds": list(self.trees.rounds),
            "linear": None if self.linear is None else self.linear.to_json(),
            "linear_share": self.linear_share,
            "calibration": self.calibration.to_json(),
        }
        return content, files

    @classmethod
    def from_files(cls, content: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Head that `to_files` described."""
        rounds = tuple(content["rounds"])
        texts = tuple(files[f"churn_{place}.txt"].decode() for place in range(len(rounds)))
        linear = None if content["linear"] is None else Linear.from_json(content["linear"])
        calibration = Calibration.from_json(content["calibration"])
        return cls(Trees(texts, rounds), linear, float(content["linear_share"]), calibration)


def mixed(trees: FloatArray, linear: FloatArray, linear_share: float) -> FloatArray:
    """Weighted mean of two scores or of their contributions."""
    mean: FloatArray = (1 - linear_share) * trees + linear_share * linear
    return mean


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
    """Two fits of one head: `honest` has seen the train fold only, `final` both folds."""

    honest: ChurnHead
    final: ChurnHead


def fit_churn(train: Rows, calibration: Rows, growing: Growing) -> ChurnFit:
    """Churn head: stopped early and calibrated on the calibration rows, then refitted on all rows.

    Parameters
    ----------
    train, calibration
        Rows of the two folds; the calibration's as_of dates are at least a horizon later.
    growing
        Settings, seeds and threads.

    Notes
    -----
    The map's shape is that of the boosters fitted on `train` alone, whose scores of the calibration rows are out of
    sample. The shipped boosters are grown on both folds, with the rounds found: the newest rows are the most like those
    to score. They have then learned part of what moved between the folds, so the map is recentred for them; keeping it
    as it was counts the move twice (on Complete Journey a mean probability of .095 where .058 left).
    """
    refuse_one_class(train.churned, "train")
    both = train.followed_by(calibration)
    stopped = fit_trees(_sample(train), BINARY, growing, validation=_sample(calibration))
    scored = stopped.raw(calibration.matrix, threads=growing.threads)
    penalty, share, linear = _best_mixture(train, calibration, scored, growing)
    honest = ChurnHead(stopped, linear, share, IDENTITY)
    final = ChurnHead(
        fit_trees(_sample(both), BINARY, growing, rounds=stopped.rounds),
        None if linear is None else _regression(both, growing, penalty),
        share,
        IDENTITY,
    )
    said, said_later = (head.raw(calibration.matrix, threads=growing.threads) for head in (honest, final))
    chosen = fit_calibration(said, calibration.churned, calibration.customers, seed=growing.seeds[0])
    centred = recentred(chosen, said_later, calibration.churned)
    return ChurnFit(replace(honest, calibration=chosen), replace(final, calibration=centred))


def _regression(rows: Rows, growing: Growing, penalty: float) -> Linear:
    """Regression on rows, thinned by whole customers: a few dozen coefficients need no more."""
    few = rows.thinned(MOST_LINEAR_ROWS, growing.seeds[0])
    return fit_linear(few.matrix, few.churned, growing.categories, penalty=penalty)


def _best_mixture(
    train: Rows, calibration: Rows, scored: FloatArray, growing: Growing
) -> tuple[float, float, Linear | None]:
    """Penalty and weight of the regression with the lowest loss on the calibration rows, and the regression."""
    best: tuple[float, float, Linear | None] = (PENALTIES[0], 0.0, None)
    if min(calibration.churned.sum(), len(calibration) - calibration.churned.sum()) < LEAST_ROWS_OF_A_CLASS:
        return best
    least = _loss_after_map(scored, calibration.churned)
    for penalty in PENALTIES:
        linear = _regression(train, growing, penalty)
        beside = linear.raw(calibration.matrix)
        for share in SHARES:
            loss = _loss_after_map(mixed(scored, beside, share), calibration.churned)
            if loss < least:
                least, best = loss, (penalty, share, linear)
    return best


def _loss_after_map(raw: FloatArray, churned: FloatArray) -> float:
    return log_loss(churned, fit_family("platt", raw, churned).probability(raw))


def _sample(rows: Rows) -> Sample:
    return Sample(rows.matrix, rows.churned)
