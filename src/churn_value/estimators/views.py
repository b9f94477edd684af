"""Boosters over two views of the same rows, averaged: the features themselves, and their ranks within the date.

What holds in one view fails in the other: thresholds on days and amounts carry from date to date where the base rate is
stable, ranks where a season moves everybody. Their mean was at or near the better of the two on every set tried
(``benchmarks``: ablation). Of the seeds, every second one is fitted on ranks; on a single date both views are the same
up to binning, and all are fitted on the features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from churn_value.estimators.binned import Binned, Target
from churn_value.estimators.ranks import Anchor, anchored, newest, within_dates
from churn_value.estimators.rows import Folds, Rows
from churn_value.estimators.trees import Growing, Objective, Trees, grown_trees

TargetOf = Callable[[Rows], Target]


@dataclass(frozen=True, eq=False)
class Viewed:
    """Rows in both views; ranks and bins are made once, for whatever is fitted on them.

    Attributes
    ----------
    rows
        Of one or more dates.
    categories
        Columns holding codes.
    """

    rows: Rows
    categories: tuple[int, ...]

    @cached_property
    def anchor(self) -> Anchor:
        """Numbers of the newest date, that ranks stand for."""
        return Anchor.of(newest(self.rows).matrix, self.categories)

    @cached_property
    def plain(self) -> Binned:
        """The features as they are."""
        return Binned(self.rows.matrix, self.categories)

    @cached_property
    def ranked(self) -> Binned:
        """Their ranks within the date."""
        return Binned(within_dates(self.rows, self.categories).matrix, self.categories)

    @cached_property
    def has_one_date(self) -> bool:
        """Whether both views are the same up to binning."""
        return len(np.unique(self.rows.days)) == 1


class FoldViews:
    """What a model is fitted on, in both views.

    Parameters
    ----------
    folds
        Rows.
    categories
        Columns holding codes.
    """

    def __init__(self, folds: Folds, categories: tuple[int, ...]) -> None:
        self.folds = folds
        self.train = Viewed(folds.train, categories)
        self.together = Viewed(folds.together, categories)

    def stopped(self, target_of: TargetOf, objective: Objective, growing: Growing) -> Trees:
        """Boosters grown on the train fold, in both views, each stopped early on the calibration fold.

        A calibration row is ranked among the newest train rows, as a row to score will be.
        """
        plain, ranked = _seeds_by_view(self.train, growing)
        target, later = target_of(self.train.rows), target_of(self.folds.calibration)
        rows = self.train.plain.of(target)
        trees = grown_trees(rows, self._later_plain.of(later, rows), objective, plain)
        if not ranked.seeds:
            return trees
        rows = self.train.ranked.of(target)
        beside = grown_trees(rows, self._later_ranked.of(later, rows), objective, ranked)
        return _both(trees, beside, self.train.anchor)

    @cached_property
    def _later_plain(self) -> Binned:
        return Binned(self.folds.calibration.matrix, self.train.categories, self.train.plain)

    @cached_property
    def _later_ranked(self) -> Binned:
        ranks = self.train.anchor.ranks(self.folds.calibration.matrix)
        return Binned(ranks, self.train.categories, self.train.ranked)


def fit_views(
    train: Viewed, target_of: TargetOf, objective: Objective, growing: Growing, rounds: Sequence[int]
) -> Trees:
    """One booster a seed, in both views, all of them over the features as they are.

    Parameters
    ----------
    train
        Rows.
    target_of
        Rows to what is fitted.
    objective, growing
        As for `fit_trees`.
    rounds
        Trees of each booster.
    """
    plain, ranked = _seeds_by_view(train, growing)
    target, few = target_of(train.rows), len(plain.seeds)
    trees = grown_trees(train.plain.of(target), None, objective, plain, rounds=rounds[:few])
    if not ranked.seeds:
        return trees
    beside = grown_trees(train.ranked.of(target), None, objective, ranked, rounds=rounds[few:])
    return _both(trees, beside, train.anchor)


def _both(plain: Trees, ranked: Trees, anchor: Anchor) -> Trees:
    texts = (*plain.texts, *(anchored(text, anchor) for text in ranked.texts))
    return Trees(texts, (*plain.rounds, *ranked.rounds))


def _seeds_by_view(train: Viewed, growing: Growing) -> tuple[Growing, Growing]:
    """How the boosters of each view are grown; on a single date none is fitted on ranks."""
    if train.has_one_date:
        return growing, replace(growing, seeds=())
    return replace(growing, seeds=growing.seeds[0::2]), replace(growing, seeds=growing.seeds[1::2])
