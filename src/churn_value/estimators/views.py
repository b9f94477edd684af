"""Boosters over two views of the same rows, averaged: the features themselves, and their ranks within the date.

What holds in one view fails in the other: thresholds on days and amounts carry from date to date where the base rate is
stable, ranks where a season moves everybody. Their mean was at or near the better of the two on every set tried
(``benchmarks``: ablation). Of the seeds, every second one is fitted on ranks; on a single date both views are the same
up to binning, and all are fitted on the features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from churn_value.estimators.ranks import Anchor, anchored, newest, within_dates
from churn_value.estimators.rows import Rows
from churn_value.estimators.trees import Growing, Objective, Sample, Trees, fit_trees


def fit_views(
    train: Rows,
    sample_of: Callable[[Rows], Sample],
    objective: Objective,
    growing: Growing,
    *,
    validation: Rows | None = None,
    rounds: Sequence[int] | None = None,
) -> Trees:
    """One booster a seed, in both views, all of them over the features as they are.

    Parameters
    ----------
    train
        Rows of one or more dates.
    sample_of
        Rows to what is fitted: some of them, and the target.
    objective, growing, validation, rounds
        As for `fit_trees`; a validation row is ranked among the newest train rows, as a row to score will be.
    """
    plain, ranked = _seeds_by_view(train, growing)
    stop = None if validation is None else sample_of(validation)
    few = None if rounds is None else rounds[: len(plain.seeds)]
    trees = fit_trees(sample_of(train), objective, plain, validation=stop, rounds=few)
    if not ranked.seeds:
        return trees
    anchor = Anchor.of(newest(train).matrix, growing.categories)
    beside = fit_trees(
        sample_of(within_dates(train, growing.categories)),
        objective,
        ranked,
        validation=None if validation is None else sample_of(_ranked_among(validation, anchor)),
        rounds=None if rounds is None else rounds[len(plain.seeds) :],
    )
    return Trees((*trees.texts, *(anchored(text, anchor) for text in beside.texts)), (*trees.rounds, *beside.rounds))


def _ranked_among(rows: Rows, anchor: Anchor) -> Rows:
    return replace(rows, matrix=anchor.ranks(rows.matrix))


def _seeds_by_view(train: Rows, growing: Growing) -> tuple[Growing, Growing]:
    """How the boosters of each view are grown; on a single date none is fitted on ranks."""
    if len(np.unique(train.days)) == 1:
        return growing, replace(growing, seeds=())
    return replace(growing, seeds=growing.seeds[0::2]), replace(growing, seeds=growing.seeds[1::2])
