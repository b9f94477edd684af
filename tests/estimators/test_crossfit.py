"""On a single date every row is scored by parts that have not seen it, and rounds, weights and map are learned so."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_customers import CATALOG, frame

from churn_value.estimators import crossfit
from churn_value.estimators.churn import BINARY, fit_churn
from churn_value.estimators.crossfit import (
    DENSE,
    FOLDS,
    SCATTERED,
    WARY,
    crossed,
    crossed_regressions,
    kinds_tried,
    on_one_date,
)
from churn_value.estimators.design import Design
from churn_value.estimators.linear.regression import fit_linear
from churn_value.estimators.metrics import log_loss
from churn_value.estimators.rows import Folds, Rows, customer_folds, rows_of
from churn_value.estimators.trees import Growing, Sample, TreeParams, fit_trees
from churn_value.estimators.views import FoldViews

QUICK = TreeParams(max_rounds=40, patience=10)


def folds_at(*as_ofs, customers=500, seed=3) -> tuple[Folds, Growing]:
    rows = frame(customers, seed, as_ofs)
    design = Design.fit(rows, CATALOG)
    later = rows["as_of"].eq(rows["as_of"].max()) if len(as_ofs) > 1 else rows.index % 4 == 0
    train, calibration = (rows_of(part, design, with_value=True) for part in (rows[~later], rows[later]))
    return Folds(train, calibration), Growing(QUICK, design.category_places, (7, 11), 1)


@pytest.fixture(scope="module")
def snapshot():
    return folds_at("2024-01-01")


def test_one_date_is_told_from_two(snapshot):
    two, _ = folds_at("2024-01-01", "2024-06-01", customers=40)
    assert on_one_date(snapshot[0])
    assert not on_one_date(two)


def test_settings_are_blended_by_what_they_are_worth_out_of_fold(snapshot):
    folds, growing = snapshot
    views = FoldViews(folds, growing.categories)
    hopeless = TreeParams(num_leaves=2, learning_rate=0.001, max_rounds=11, patience=1)
    alone = fit_churn(views, growing, None).final
    for usual, beside in ((growing.params, hopeless), (hopeless, growing.params)):
        chosen = fit_churn(views, replace(growing, params=usual), None, beside=[beside]).final
        assert chosen.texts == alone.texts
        assert chosen.weights == pytest.approx(alone.weights, abs=0.05)
    both = fit_churn(views, growing, None, beside=[growing.params.over({"random_thresholds": True})]).final
    assert len(both.trees) == 2
    assert len(both.weights) == 3
    assert sum(both.weights) == pytest.approx(1)
    matrix = folds.together.matrix[:50]
    assert both.contributions(matrix).sum(axis=1) == pytest.approx(both.raw(matrix), abs=1e-9)
    assert type(both).from_files(*both.to_files()) == both


def test_thresholds_drawn_at_random_help_where_they_err_elsewhere():
    """A smooth slope: steps at drawn places, averaged, follow it better than the same steps of the best fit."""
    rng = np.random.default_rng(5)
    matrix = rng.normal(size=(3_000, 4))
    p = 1 / (1 + np.exp(-1.2 * matrix.sum(axis=1)))
    churned = (rng.random(3_000) < p).astype(np.float64)
    names = np.array([f"c{number}" for number in range(3_000)], dtype=object)
    rows = Rows(matrix, churned, np.zeros(3_000), names, np.zeros(3_000, dtype=np.int64))
    growing = Growing(TreeParams(), (), (7,), 1)
    found = [crossed(rows, BINARY, replace(growing, params=one)).raw for one in (DENSE, SCATTERED)]
    loss = [log_loss(churned, 1 / (1 + np.exp(-raw))) for raw in (*found, np.mean(found, axis=0))]
    assert loss[2] < loss[0]


def coded(codes: int, rows: int = 3_000, seed: int = 1) -> Rows:
    """One number that says something, and twelve columns of codes that say nothing."""
    rng = np.random.default_rng(seed)
    number = rng.normal(size=rows)
    matrix = np.column_stack([number, rng.integers(0, codes, (rows, 12))]).astype(np.float64)
    churned = (rng.random(rows) < 1 / (1 + np.exp(1 - number))).astype(np.float64)
    names = np.array([f"c{number}" for number in range(rows)], dtype=object)
    return Rows(matrix, churned, np.zeros(rows), names, np.full(rows, "2024-01-01", dtype="datetime64[D]"))


def test_the_wary_kin_of_a_setting_is_tried_only_where_a_category_has_many_texts():
    usual, dense = TreeParams(), TreeParams(num_leaves=31)
    places = tuple(range(1, 13))
    both, wary = (usual, dense), (usual.over(WARY), dense.over(WARY))
    assert kinds_tried(both, coded(10), places) == [both]
    assert kinds_tried((usual, usual), coded(10), places) == [(usual,)]
    assert kinds_tried(both, coded(11), ()) == [both]
    assert kinds_tried(both, coded(11), places) == [both, wary]
    nothing_known = replace(coded(11), matrix=np.full((3_000, 13), np.nan))
    assert kinds_tried(both, nothing_known, places) == [both]


def test_many_codes_that_say_nothing_cost_less_under_the_wary_setting_and_it_is_taken():
    rows = coded(60)
    growing = Growing(QUICK, tuple(range(1, 13)), (7,), 1)
    free, wary = (crossed(rows, BINARY, replace(growing, params=one)) for one in (QUICK, QUICK.over(WARY)))
    loss, lower = (log_loss(rows.churned, 1 / (1 + np.exp(-one.raw))) for one in (free, wary))
    assert lower < loss - 0.002
    early = rows.days == rows.days[0]
    early[2_000:] = False
    views = FoldViews(Folds(rows.where(early), rows.where(~early)), growing.categories)
    assert "[cat_smooth: 100]" in fit_churn(views, growing, None).final.texts[0]


def test_a_fifth_is_scored_by_parts_fitted_on_the_other_four(snapshot):
    folds, growing = snapshot
    rows: Rows = folds.together
    found, regressions = crossed(rows, BINARY, growing), crossed_regressions(rows, growing, (0.3,), len(rows))
    held = customer_folds(rows.customers, FOLDS, growing.seeds[0]) == 2
    others, fifth = rows.where(~held), rows.where(held)
    said = (Sample(part.matrix, part.churned) for part in (others, fifth))
    trees = fit_trees(next(said), BINARY, growing, validation=next(said))
    linear = fit_linear(others.matrix, others.churned, growing.categories, penalty=0.3)
    assert found.raw[held].tobytes() == trees.raw(fifth.matrix).tobytes()
    assert regressions[0.3][held].tobytes() == linear.raw(fifth.matrix).tobytes()
    assert len(found.rounds) == len(growing.seeds)


def test_what_is_learned_by_heart_does_not_show_in_the_scores(snapshot):
    """Outcomes tossed by a coin: whoever scored rows they had seen would look better than a coin."""
    folds, growing = snapshot
    rows = folds.together
    tossed = Rows(
        rows.matrix,
        np.random.default_rng(1).permutation(rows.churned),
        rows.amount_minor,
        rows.customers,
        rows.days,
    )
    found = crossed(tossed, BINARY, growing)
    rate = tossed.churned.mean()
    by_coin = log_loss(tossed.churned, np.full(len(tossed), rate))
    assert log_loss(tossed.churned, 1 / (1 + np.exp(-found.raw))) > by_coin - 0.01


def test_the_head_of_one_date_has_cross_fitted_rounds_and_no_recentring(snapshot):
    folds, growing = snapshot
    fitted = fit_churn(FoldViews(folds, growing.categories), growing, None)
    assert fitted.final.calibration == fitted.honest.calibration
    assert fitted.final.weights == fitted.honest.weights
    assert fitted.final.trees[0].rounds == crossed(folds.together, BINARY, growing).rounds
    assert sum(fitted.final.weights) == pytest.approx(1)


def test_the_head_of_one_date_predicts_customers_it_has_not_seen(snapshot):
    folds, growing = snapshot
    head = fit_churn(FoldViews(folds, growing.categories), growing, None).final
    fresh = frame(2_000, 99, ("2024-01-01",))
    rows = rows_of(fresh, Design.fit(frame(500, 3, ("2024-01-01",)), CATALOG), with_value=True)
    p = head.probability(head.raw(rows.matrix))
    base = np.full(len(p), folds.together.churned.mean())
    assert log_loss(rows.churned, p) < log_loss(rows.churned, base) - 0.05
    assert p.mean() == pytest.approx(rows.churned.mean(), abs=0.05)


def test_the_planted_bug_of_scoring_seen_rows_would_be_caught(snapshot, monkeypatch):
    """The parts fitted on all rows, the fifth among them: the coin's outcomes are then known by heart."""
    folds, growing = snapshot
    rows = folds.together
    tossed = Rows(
        rows.matrix, np.random.default_rng(1).permutation(rows.churned), rows.amount_minor, rows.customers, rows.days
    )
    everything = np.zeros(len(rows), dtype=bool)
    monkeypatch.setattr(crossfit, "_held", lambda *_: iter([~everything]))
    monkeypatch.setattr(Rows, "where", lambda self, _: self)
    found = crossed(tossed, BINARY, growing)
    rate = tossed.churned.mean()
    assert (
        log_loss(tossed.churned, 1 / (1 + np.exp(-found.raw)))
        < log_loss(tossed.churned, np.full(len(tossed), rate)) - 0.01
    )
