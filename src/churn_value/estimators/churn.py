"""The churn head: averaged boosters of log-odds and a calibration fitted on later rows. No class weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from churn_value.errors import TooLittleData
from churn_value.estimators import FloatArray
from churn_value.estimators.calibration import Calibration, fit_calibration, recentred
from churn_value.estimators.rows import Rows
from churn_value.estimators.trees import Growing, Objective, Sample, Trees, fit_trees

BINARY = Objective("binary")
LEAST_ROWS_OF_A_CLASS = 10


@dataclass(frozen=True)
class ChurnHead:
    """P(churn within the horizon).

    Attributes
    ----------
    trees
        Give raw log-odds, in which contributions are additive.
    calibration
        Monotone map to the probability.
    """

    trees: Trees
    calibration: Calibration

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Log-odds before calibration, shape (n,)."""
        return self.trees.raw(matrix, threads=threads)

    def probability(self, raw: FloatArray) -> FloatArray:
        """Calibrated probability of raw log-odds, shape (n,), strictly between 0 and 1."""
        return self.calibration.probability(raw)

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to the raw log-odds, shape (n, k + 1), base last."""
        return self.trees.contributions(matrix, threads=threads)

    def to_files(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """JSON content, and the boosters' texts by file name."""
        files = {f"churn_{place}.txt": text.encode() for place, text in enumerate(self.trees.texts)}
        return {"rounds": list(self.trees.rounds), "calibration": self.calibration.to_json()}, files

    @classmethod
    def from_files(cls, content: Mapping[str, Any], files: Mapping[str, bytes]) -> Self:
        """Head that `to_files` described."""
        rounds = tuple(content["rounds"])
        texts = tuple(files[f"churn_{place}.txt"].decode() for place in range(len(rounds)))
        return cls(Trees(texts, rounds), Calibration.from_json(content["calibration"]))


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
    stopped = fit_trees(_sample(train), BINARY, growing, validation=_sample(calibration))
    scored = stopped.raw(calibration.matrix, threads=growing.threads)
    chosen = fit_calibration(scored, calibration.churned, calibration.customers, seed=growing.seeds[0])
    final = fit_trees(_sample(train.followed_by(calibration)), BINARY, growing, rounds=stopped.rounds)
    centred = recentred(chosen, final.raw(calibration.matrix, threads=growing.threads), calibration.churned)
    return ChurnFit(ChurnHead(stopped, chosen), ChurnHead(final, centred))


def _sample(rows: Rows) -> Sample:
    return Sample(rows.matrix, rows.churned)
