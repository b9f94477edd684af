"""On a single date, every row is scored once by parts that have not seen it.

Rows of one date differ from rows to score by chance only, so nothing need be kept back as *later*: the train and
calibration folds are put together and parted anew by customer into five, and the parts are fitted on four and score the
fifth. Rounds, penalty, weights and map are then learned from all rows instead of a quarter of them: a level alone,
learned from 570 rows, costs about 1 / (2 * 570) = .0009 of log-loss, where the whole loss is .1 (`iranian`). The
families of the map are chosen by cross-validation alone, for there is no drift to mistake for a shape, and the map is
not recentred.

Boosters are grown in three settings and blended: the usual one, `DENSE`, and `SCATTERED`. Drawing half the features and
seven tenths of the rows for a tree keeps windows that are near copies, and customers who stand on many dates, from
counting many times; on a single date nobody stands twice, and snapshots have few columns, none of them a window of
another. Whether few leaves are enough depends on the table; and trees whose thresholds are drawn at random are worse
alone and err elsewhere. Weights are learned out of fold, and settings that weigh little are left out.

Where a category has many texts, all settings are also tried with `WARY`. Sorting hundreds of texts by their few rows'
outcomes and parting them where it fits best always finds something: on made-up tables with such columns, of 20,000 rows
to learn from, columns that say nothing cost .025 of a log-loss of .47; smoothed and with four texts to a side at most
they cost .003. Where the texts do say something, and on small tables, free splits can be better. So it is asked: the
kind of boosters whose blend has the lower out-of-fold loss is taken.

Over several dates none of this holds, and none of it is done: see `churn`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.linear.regression import fit_path
from churn_value.estimators.rows import Folds, Rows, customer_folds
from churn_value.estimators.trees import Growing, Objective, Sample, TreeParams, fit_trees

FOLDS = 5
DENSE = TreeParams(num_leaves=31, feature_share=0.8, row_share=0.9)
SCATTERED = replace(DENSE, random_thresholds=True)
WARY = {"category_smooth": 100.0, "category_l2": 50.0, "category_picks": 4}
MANY_TEXTS = 10


@dataclass(frozen=True)
class Crossed:
    """Scores of rows by boosters that have not seen them.

    Attributes
    ----------
    raw
        (n,) raw log-odds.
    rounds
        Trees of each booster: the mean over the fits.
    """

    raw: FloatArray
    rounds: tuple[int, ...]


def on_one_date(folds: Folds) -> bool:
    """Whether all rows are of the same date."""
    return len(np.unique(folds.together.days)) == 1


def beside(params: Mapping[str, Any] | None) -> tuple[TreeParams, ...]:
    """Settings that boosters are grown with beside the usual ones, where `params` were found by a search or given."""
    return DENSE.over(params), SCATTERED.over(params)


def kinds_tried(settings: Sequence[TreeParams], rows: Rows, categories: Sequence[int]) -> list[tuple[TreeParams, ...]]:
    """Kinds of boosters to choose from, each as the settings to blend.

    Parameters
    ----------
    settings
        The same one counts once.
    rows, categories
        Rows, and the columns of their matrix that hold codes: with more than ten codes in one, the wary kin of all
        settings are tried too.
    """
    free = tuple(dict.fromkeys(settings))
    codes = rows.matrix[:, list(categories)]
    most = int(np.nanmax(codes, initial=-1.0)) + 1
    return [free] if most <= MANY_TEXTS else [free, tuple(one.over(WARY) for one in free)]


def crossed(rows: Rows, objective: Objective, growing: Growing) -> Crossed:
    """Every row scored by boosters fitted on other customers.

    Parameters
    ----------
    rows
        Of one date, both classes among them.
    objective
        Of the boosters.
    growing
        Settings, seeds and threads.
    """
    raw, rounds = np.empty(len(rows)), []
    for held in _held(rows, growing.seeds[0]):
        others, fold = rows.where(~held), rows.where(held)
        boosters = fit_trees(_sample(others), objective, growing, validation=_sample(fold))
        raw[held] = boosters.raw(fold.matrix, threads=growing.threads)
        rounds.append(boosters.rounds)
    return Crossed(raw, tuple(round(mean) for mean in np.mean(rounds, axis=0)))


def crossed_regressions(
    rows: Rows, growing: Growing, penalties: tuple[float, ...], most_rows: int
) -> dict[float, FloatArray]:
    """Every row scored by regressions fitted on other customers, `most_rows` of theirs at most: by penalty, (n,)."""
    raw = {penalty: np.empty(len(rows)) for penalty in penalties}
    for held in _held(rows, growing.seeds[0]):
        others, fold = rows.where(~held).thinned(most_rows, growing.seeds[0]), rows.where(held)
        path = fit_path(others.matrix, others.churned, growing.categories, penalties)
        for penalty, scores in raw.items():
            scores[held] = path[penalty].raw(fold.matrix)
    return raw


def _held(rows: Rows, seed: int) -> Iterator[np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    fold = customer_folds(rows.customers, FOLDS, seed)
    return (fold == number for number in range(FOLDS))


def _sample(rows: Rows) -> Sample:
    return Sample(rows.matrix, rows.churned)
