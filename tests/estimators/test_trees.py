"""Boosters take more than one thread only where their rows are worth it, and are the same trees either way."""

import numpy as np

from churn_value.estimators import trees
from churn_value.estimators.binned import dataset
from churn_value.estimators.trees import Growing, Objective, Sample, TreeParams, fit_trees, grow

BINARY = Objective("binary")


def sample(rows, columns=4):
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(rows, columns))
    return Sample(matrix, (rng.random(rows) < 1 / (1 + np.exp(-matrix[:, 0]))).astype(np.float64))


def threads_of(rows):
    booster, _ = grow(
        dataset(rows.matrix, rows.target, ()), None, BINARY, Growing(TreeParams(), (), (1,), 2), seed=1, at_most=2
    )
    return booster.params["num_threads"]


def test_threads_are_for_tables_of_four_million_cells(monkeypatch):
    assert threads_of(sample(1_000)) == 1
    monkeypatch.setattr(trees, "CELLS_WORTH_THREADS", 4_000)
    assert threads_of(sample(1_000)) == 2
    assert threads_of(sample(999)) == 1


def test_the_trees_are_the_same_with_any_number_of_threads(monkeypatch):
    growing = Growing(TreeParams(), (), (1, 2), 2)
    one = fit_trees(sample(600), BINARY, growing, rounds=(8, 8))
    monkeypatch.setattr(trees, "CELLS_WORTH_THREADS", 0)
    assert fit_trees(sample(600), BINARY, growing, rounds=(8, 8)) == one
