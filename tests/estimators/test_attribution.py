from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_value.errors import BundleError, FingerprintMismatch
from churn_value.estimators.attribution.kernels import BLOCK
from churn_value.estimators.attribution.text import Booster, Node, Tree, booster_of
from churn_value.estimators.attribution.trees import ROWS_A_THREAD, Attribution
from churn_value.estimators.trees import Trees, joint_attribution

NAN = float("nan")
QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True}


def number(feature, threshold, left, right, *, missing=2, default_left=False):
    return Node(feature, threshold, None, missing, default_left, left, right)


def contributions(tree, *rows, features=2):
    return Attribution.of([Booster(features, (tree,))], [1.0]).contributions(np.array(rows, dtype=float))


STUMP = Tree((number(0, 5.0, ~0, ~1),), (10,), (1.0, 3.0), (4, 6))


def test_a_stump_moves_from_the_mean_to_the_leaf():
    base = (4 * 1 + 6 * 3) / 10
    found = contributions(STUMP, [5.0, 0.0], [5.1, 0.0])
    assert found == pytest.approx(np.array([[1 - base, 0, base], [3 - base, 0, base]]), abs=1e-15)


def test_a_missing_number_goes_where_the_node_says():
    left = Tree((number(0, 5.0, ~0, ~1, default_left=True),), (10,), (1.0, 3.0), (4, 6))
    assert contributions(left, [NAN, 0.0]) == pytest.approx(contributions(left, [1.0, 0.0]))
    assert contributions(STUMP, [NAN, 0.0]) == pytest.approx(contributions(STUMP, [9.0, 0.0]))


def test_without_a_missing_type_a_missing_number_is_zero_and_with_that_of_zeros_a_zero_is_missing():
    none = Tree((number(0, -1.0, ~0, ~1, missing=0),), (10,), (1.0, 3.0), (4, 6))
    zero = Tree((number(0, -1.0, ~0, ~1, missing=1, default_left=True),), (10,), (1.0, 3.0), (4, 6))
    assert contributions(none, [NAN, 0.0]) == pytest.approx(contributions(none, [0.0, 0.0]))
    for missing in (NAN, 0.0, 1e-36, -1e-36):
        assert contributions(zero, [missing, 0.0]) == pytest.approx(contributions(zero, [-5.0, 0.0]))
    assert contributions(zero, [0.5, 0.0])[0, 0] > 0


def test_a_category_goes_left_if_its_code_is_in_the_set():
    tree = Tree((Node(0, 0.0, 0b101, 0, False, ~0, ~1),), (10,), (1.0, 3.0), (4, 6))
    found = contributions(tree, *([code, 0.0] for code in (0, 1, 2, 3, 70, -1, NAN)))[:, 0]
    assert (found < 0).tolist() == [True, False, True, False, False, False, False]


def test_two_features_share_what_only_both_explain():
    # Value 12 where both are above; 8 rows, halved twice. v() = 3, v(a) = v(b) = 6, v(ab) = 12.
    tree = Tree((number(0, 0.0, ~0, 1), number(1, 0.0, ~1, ~2)), (8, 4), (0.0, 0.0, 12.0), (4, 2, 2))
    assert contributions(tree, [1.0, 1.0]) == pytest.approx(np.array([[4.5, 4.5, 3.0]]))
    # v(a) = 0, v(b) = 6, v(ab) = 0: a takes -3 and -6, b takes 3 and 0.
    assert contributions(tree, [-1.0, 1.0]) == pytest.approx(np.array([[-4.5, 1.5, 3.0]]))


def test_a_feature_asked_twice_on_a_path_is_one_player():
    # One feature: whatever the depth, it moves from the mean to the leaf.
    tree = Tree((number(0, 0.0, ~0, 1), number(0, 5.0, ~1, ~2)), (10, 6), (1.0, 2.0, 7.0), (4, 4, 2))
    base = (4 * 1 + 4 * 2 + 2 * 7) / 10
    found = contributions(tree, [-1.0, 0.0], [3.0, 0.0], [9.0, 0.0])
    assert found[:, 0] == pytest.approx([1 - base, 2 - base, 7 - base])


def test_a_tree_of_one_leaf_is_all_base():
    assert contributions(Tree((), (), (4.0,), (1,)), [1.0, 2.0]).tolist() == [[0.0, 0.0, 4.0]]


def fitted(rows, *, seed, categories=(), leaves=12, rounds=12, **params):
    rng = np.random.default_rng(seed)
    matrix = np.round(rng.exponential(1.0, (rows, 6)) * [1, 10, 1000, 1, 0.1, 3] - 0.5, 1)
    matrix[rng.random(matrix.shape) < 0.2] = np.nan
    matrix[rng.random(matrix.shape) < 0.2] = 0.0
    for place in categories:
        matrix[:, place] = rng.integers(0, 70, rows)
    target = np.nan_to_num(matrix[:, 0]) * (np.nan_to_num(matrix[:, 1]) > 5) + (np.nan_to_num(matrix[:, 3]) % 3)
    data = lgb.Dataset(matrix, target + rng.normal(0, 0.3, rows), categorical_feature=list(categories))
    settings = {"num_leaves": leaves, "min_data_in_leaf": 3, "min_data_per_group": 5, "cat_smooth": 1.0, **params}
    booster = lgb.train({"objective": "regression", "seed": seed, **QUIET, **settings}, data, rounds)
    return booster.model_to_string(), matrix


MODELS = {
    "missing values as such": {},
    "zeros as missing": {"zero_as_missing": True},
    "nothing missing": {"use_missing": False},
    "categories": {"categories": (3, 5)},
    "many codes to a set": {"categories": (3,), "max_cat_to_onehot": 1, "max_cat_threshold": 64},
    "deep": {"leaves": 60, "min_data_in_leaf": 1},
    "one feature again and again": {"feature_fraction": 0.17, "leaves": 31},
    "wide bins": {"max_bin": 400, "leaves": 31},
    "stumps": {"leaves": 2},
    "nothing to learn": {"min_data_in_leaf": 400},
}


@pytest.fixture(scope="module", params=MODELS, ids=str)
def model(request):
    texts = [fitted(600, seed=seed, **MODELS[request.param]) for seed in (1, 2)]
    return Trees(tuple(text for text, _ in texts), (12, 12)), texts[0][1]


def lightgbm_mean(trees, matrix, **how):
    total = np.zeros(1)
    for text in trees.texts:
        total = total + lgb.Booster(model_str=text).predict(matrix, num_threads=1, **how)
    return total / len(trees.texts)


EDGES = (NAN, 0.0, -0.0, 1e-36, -1e-36, 1e-35, 2e-35, float("inf"), float("-inf"), -0.5, -1.0, 69.0, 70.0, 1e6, 3.9)


def odd_rows(matrix):
    """Rows with a value from the edges in each column by turns."""
    rows = np.repeat(matrix[:3], len(EDGES) * matrix.shape[1], axis=0)
    for place in range(len(rows)):
        rows[place, place // len(EDGES) % matrix.shape[1]] = EDGES[place % len(EDGES)]
    return rows


def test_raw_has_the_bits_of_lightgbm(model):
    trees, matrix = model
    for rows in (matrix, odd_rows(matrix)):
        assert np.array_equal(trees.raw(rows), lightgbm_mean(trees, rows, raw_score=True))


def test_contributions_are_those_of_lightgbm_and_sum_to_raw(model):
    trees, matrix = model
    for rows in (matrix, odd_rows(matrix)):
        found = trees.contributions(rows)
        assert np.abs(found - lightgbm_mean(trees, rows, pred_contrib=True)).max() < 1e-9
        assert np.abs(found.sum(axis=1) - trees.raw(rows)).max() < 1e-9


def test_a_row_has_the_same_bits_alone_in_any_batch_in_any_order(model):
    trees, matrix = model
    rows = odd_rows(matrix)
    whole, raw = trees.contributions(rows), trees.raw(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    assert np.array_equal(trees.contributions(rows[order]), whole[order])
    for size in (1, 2, BLOCK // 4, BLOCK // 4 + 1, BLOCK - 1, BLOCK + 1):
        assert np.array_equal(trees.contributions(rows[:size]), whole[:size])
        assert np.array_equal(trees.raw(rows[:size]), raw[:size])
    assert np.array_equal(np.vstack([trees.contributions(row[None]) for row in rows[:40]]), whole[:40])


def test_each_state_of_a_step_is_one_cache_line(model):
    trees, _ = model
    found = joint_attribution([(trees, 1.0)]).edges
    assert not len(found.states) or found.states.ctypes.data % 64 == 0
    assert all(state.nbytes == 64 for state in found.states)
    # Two for a first test of a feature, three for one that it is asked again.
    assert len(found.states) == 2 * len(found.again) + found.again.sum()


def test_threads_change_no_bit(model):
    trees, matrix = model
    rows = np.tile(matrix, (1 + 2 * ROWS_A_THREAD // len(matrix), 1))
    assert np.array_equal(trees.contributions(rows, threads=3), trees.contributions(rows))
    assert np.array_equal(trees.raw(rows, threads=3), trees.raw(rows))


cells = st.one_of(st.sampled_from(EDGES), st.floats(-10, 100), st.integers(-2, 80).map(float))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(cells, min_size=6, max_size=6), min_size=1, max_size=5), which=st.sampled_from([*MODELS]))
def test_whatever_the_row_lightgbm_agrees(rows, which, drawn_models):
    trees, matrix = drawn_models[which], np.array(rows)
    assert np.array_equal(trees.raw(matrix), lightgbm_mean(trees, matrix, raw_score=True))
    expected = lightgbm_mean(trees, matrix, pred_contrib=True)
    assert np.abs(trees.contributions(matrix) - expected).max() < 1e-9


@pytest.fixture(scope="module")
def drawn_models():
    return {name: Trees((fitted(300, seed=5, **how)[0],), (12,)) for name, how in MODELS.items()}


def test_parts_of_a_head_are_explained_in_one_pass(drawn_models):
    one, other = drawn_models["categories"], drawn_models["deep"]
    matrix = fitted(80, seed=9, categories=(3, 5))[1]
    joint = joint_attribution([(one, 0.25), (other, 0.75)]).contributions(matrix)
    apart = 0.25 * one.contributions(matrix) + 0.75 * other.contributions(matrix)
    assert np.abs(joint - apart).max() < 1e-12


def test_a_matrix_of_another_width_is_refused(drawn_models):
    with pytest.raises(FingerprintMismatch, match="columns"):
        drawn_models["stumps"].raw(np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("old", "new"),
    [("num_tree_per_iteration=1", "num_tree_per_iteration=3"), ("is_linear=0", "is_linear=1"), ("leaf_count=", "x=")],
)
def test_a_text_of_another_kind_or_damaged_is_refused(drawn_models, old, new):
    with pytest.raises(BundleError, match="booster"):
        booster_of(drawn_models["stumps"].texts[0].replace(old, new))
