"""Averaged boosters: LightGBM in, text out, the same bytes from one thread or two and from rows in any order.

Raw scores of several seeds are averaged, so that contributions stay additive: the mean of sums is the sum of means.
A booster is always read back from its text before it predicts, so what was measured is what is shipped; the text is
walked by `attribution`, which gives LightGBM's bits without it. So LightGBM is imported where boosters are grown and
nowhere else: a process that scores has no part of it, and is smaller and starts sooner.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.attribution.text import Booster, booster_of
from churn_value.estimators.attribution.trees import Attribution, Walk
from churn_value.estimators.binned import MAX_BIN, dataset

if TYPE_CHECKING:
    import lightgbm as lgb

LEAST_ROUNDS = 10
# Rows times features. With idle threads asleep, ms a tree with one thread and with two: 1.6 and 3.3 at 2,500 rows of
# 150 features, 2.9 and 4.6 at 10,000, 8.7 and 6.7 at 40,000.
CELLS_WORTH_THREADS = 4_000_000


@dataclass(frozen=True)
class TreeParams:
    """Settings of a booster; the defaults suit tables of customers without tuning.

    Attributes
    ----------
    learning_rate
        Shrinkage of each tree.
    num_leaves
        Of a tree; shallow trees lose nothing on such data and are explained fast.
    min_leaf_rows
        Rows a leaf needs; null: a two-hundredth of the rows, within 10 and 100.
    feature_share, row_share
        Drawn for each tree, 0 to 1.
    l2
        Ridge on leaf values.
    category_smooth, category_l2, category_picks
        Rows of the whole that a category's mean is smoothed with, ridge on leaf values of a split by categories, and
        categories at most on one side of it.
    random_thresholds
        Whether each split has the best of one threshold a feature, drawn at random, instead of the best of all (Geurts,
        Ernst & Wehenkel 2006, Machine Learning 63, doi:10.1007/s10994-006-6226-1).
    max_rounds
        Trees at most; early stopping takes fewer.
    patience
        Rounds without a better validation loss before stopping.
    """

    learning_rate: float = 0.05
    num_leaves: int = 12
    min_leaf_rows: int | None = None
    feature_share: float = 0.5
    row_share: float = 0.7
    l2: float = 1.0
    category_smooth: float = 20.0
    category_l2: float = 10.0
    category_picks: int = 32
    random_thresholds: bool = False
    max_rounds: int = 1_000
    patience: int = 40

    @classmethod
    def of(cls, settings: Mapping[str, Any] | None) -> Self:
        """Settings by name over the defaults."""
        return cls().over(settings)

    def over(self, settings: Mapping[str, Any] | None) -> Self:
        """These with settings by name put over them; names of other things are ignored."""
        known = {field.name for field in fields(self)}
        return replace(self, **{name: value for name, value in (settings or {}).items() if name in known})

    def for_rows(self, rows: int) -> Self:
        """The same with the leaf size settled for a number of rows."""
        return (
            self if self.min_leaf_rows is not None else replace(self, min_leaf_rows=int(np.clip(rows / 200, 10, 100)))
        )

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Objective:
    """A loss of LightGBM with its own parameters, used for fitting and for stopping."""

    name: str
    extra: tuple[tuple[str, float], ...] = ()

    @property
    def metric(self) -> str:
        """LightGBM's name of the same loss as a measure."""
        return {"binary": "binary_logloss"}.get(self.name, self.name)


def lightgbm_params(params: TreeParams, objective: Objective, *, seed: int, threads: int) -> dict[str, Any]:
    """Parameters for LightGBM, deterministic for any number of threads."""
    return {
        "objective": objective.name,
        "metric": objective.metric,
        **dict(objective.extra),
        "learning_rate": params.learning_rate,
        "num_leaves": params.num_leaves,
        "min_data_in_leaf": params.min_leaf_rows,
        "feature_fraction": params.feature_share,
        "bagging_fraction": params.row_share,
        "bagging_freq": 1,
        "lambda_l2": params.l2,
        "cat_smooth": params.category_smooth,
        "cat_l2": params.category_l2,
        "max_cat_threshold": params.category_picks,
        "extra_trees": params.random_thresholds,
        "min_data_per_group": 50,
        "max_bin": MAX_BIN,
        "feature_pre_filter": False,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": threads,
        "verbosity": -1,
    }


def _text(booster: lgb.Booster, rounds: int) -> str:
    """Text of a booster without the number of threads it was fitted with, which changes no prediction."""
    return re.sub(r"\[num_threads: \d+\]", "[num_threads: 1]", booster.model_to_string(num_iteration=rounds))


@dataclass(frozen=True)
class Trees:
    """Boosters whose raw scores are averaged.

    Attributes
    ----------
    texts
        LightGBM's text of each booster.
    rounds
        Trees in each.
    """

    texts: tuple[str, ...]
    rounds: tuple[int, ...]

    @cached_property
    def boosters(self) -> tuple[Booster, ...]:
        """Trees read from the texts."""
        return tuple(booster_of(text) for text in self.texts)

    @cached_property
    def _walk(self) -> Walk:
        return Walk.of(self.boosters)

    @cached_property
    def _attribution(self) -> Attribution:
        return joint_attribution([(self, 1.0)])

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Mean raw score, shape (n,): log-odds for `binary`, the log of the mean for `tweedie` and `gamma`.

        The bits are those of LightGBM's own predictions, added one by one and divided.
        """
        return self._walk.raw(matrix, threads=threads)

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive Shapley values of the raw score, shape (n, k + 1), the base last; a row sums to `raw`.

        References
        ----------
        Lundberg et al. (2020), Nature Machine Intelligence 2, doi:10.1038/s42256-019-0138-9 (TreeSHAP).
        """
        return self._attribution.contributions(matrix, threads=threads)


def joint_attribution(parts: Sequence[tuple[Trees, float]]) -> Attribution:
    """Contributions to the weighted sum of several parts over the same features, in one pass over a row."""
    weighed = [(booster, weight / len(trees.texts)) for trees, weight in parts for booster in trees.boosters]
    return Attribution.of([booster for booster, _ in weighed], [weight for _, weight in weighed])


@dataclass(frozen=True)
class Sample:
    """Rows to fit or to stop on: matrix (n, k) and target (n,)."""

    matrix: FloatArray
    target: FloatArray


@dataclass(frozen=True)
class Growing:
    """How boosters are grown.

    Attributes
    ----------
    params
        Settings.
    categories
        Columns holding category codes.
    seeds
        One for each booster.
    threads
        For LightGBM; changes no result.
    """

    params: TreeParams
    categories: tuple[int, ...]
    seeds: tuple[int, ...]
    threads: int


def fit_trees(
    train: Sample,
    objective: Objective,
    growing: Growing,
    *,
    validation: Sample | None = None,
    rounds: Sequence[int] | None = None,
) -> Trees:
    """One booster a seed, each stopped early on `validation`, or grown to given `rounds`.

    Parameters
    ----------
    train
        Rows in an order that does not depend on how they came, for the row draws follow it.
    objective
        Loss.
    growing
        Settings, seeds and threads.
    validation
        Later rows, purged from `train`; without them `rounds` or ``max_rounds`` trees are grown.
    rounds
        Trees of each booster, instead of stopping early.
    """
    rows = dataset(train.matrix, train.target, growing.categories)
    valid = None if validation is None else dataset(validation.matrix, validation.target, growing.categories, rows)
    return grown_trees(rows, valid, objective, growing, rounds=rounds)


def grown_trees(
    rows: lgb.Dataset,
    valid: lgb.Dataset | None,
    objective: Objective,
    growing: Growing,
    *,
    rounds: Sequence[int] | None = None,
) -> Trees:
    """`fit_trees` on rows that are binned already."""
    texts, grown = [], []
    for place, seed in enumerate(growing.seeds):
        at_most = growing.params.max_rounds if rounds is None else rounds[place]
        booster, best = grow(rows, valid, objective, growing, seed=seed, at_most=at_most)
        texts.append(_text(booster, best))
        grown.append(best)
    return Trees(tuple(texts), tuple(grown))


def grow(
    rows: lgb.Dataset,
    valid: lgb.Dataset | None,
    objective: Objective,
    growing: Growing,
    *,
    seed: int,
    at_most: int,
) -> tuple[lgb.Booster, int]:
    """One booster and the number of its trees to use."""
    import lightgbm as lgb  # noqa: PLC0415 - see the module

    params = growing.params
    booster = lgb.train(
        lightgbm_params(params.for_rows(rows.num_data()), objective, seed=seed, threads=_worth(growing.threads, rows)),
        rows,
        num_boost_round=at_most,
        valid_sets=None if valid is None else [valid],
        callbacks=None if valid is None else [lgb.early_stopping(params.patience, verbose=False)],
    )
    grown = booster.current_iteration()
    return booster, grown if valid is None else min(max(booster.best_iteration, LEAST_ROUNDS), grown)


def _worth(threads: int, rows: lgb.Dataset) -> int:
    """As many threads as the rows are worth: to wake one for each tree takes longer than a small tree."""
    return threads if rows.num_data() * rows.num_feature() >= CELLS_WORTH_THREADS else 1


def lightgbm_gains(
    rows: lgb.Dataset, params: TreeParams, objective: Objective, *, rounds: int, seed: int, threads: int
) -> FloatArray:
    """Total gain of the splits on each column, shape (k,), in one booster of so many rounds."""
    import lightgbm as lgb  # noqa: PLC0415 - see the module

    own = _worth(threads, rows)
    settings = lightgbm_params(params.for_rows(rows.num_data()), objective, seed=seed, threads=own)
    gains = lgb.train(settings, rows, num_boost_round=rounds).feature_importance("gain")
    return np.asarray(gains, dtype=np.float64)
