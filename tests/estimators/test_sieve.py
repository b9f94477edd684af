"""What attributes are worth to unseen customers: what says something stays, what says nothing is left out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_customers import Column, Columns

from churn_value.estimators import sieve
from churn_value.estimators.binned import dataset
from churn_value.estimators.design import Design
from churn_value.estimators.rows import Rows, rows_of
from churn_value.estimators.sieve import Asked, leaving, one_row_a_customer, sifted, turns_of, worth_of
from churn_value.estimators.trees import Growing, Objective, TreeParams, lightgbm_gains


def log_losses(churned, raw):
    return np.logaddexp(0.0, raw) - churned * raw


CATALOG = Columns(
    (
        Column("orders"),
        Column("attr_plan", "category"),
        Column("attr_age"),
        Column("attr_lucky_number"),
        Column("attr_colour", "category"),
    )
)


def customers(number, seed, dates=1):
    """Churn by orders and plan, spend by age; a number and a colour that say nothing."""
    rng = np.random.default_rng(seed)
    plan = rng.choice(["basic", "premium"], number)
    age = rng.integers(18, 80, number).astype(float)
    fixed = {"attr_plan": plan, "attr_age": age, "attr_lucky_number": rng.integers(0, 1000, number).astype(float)}
    fixed["attr_colour"] = rng.choice(["red", "green", "blue", "white"], number)
    orders = rng.poisson(3, number).astype(float)
    churned = (rng.random(number) < 1 / (1 + np.exp(orders - 3 + 1.5 * (plan == "premium")))).astype(float)
    amount = (1 - churned) * np.round(rng.gamma(3.0, 20.0 * age)) + 0.0
    ids = [f"c{place:05d}" for place in range(number)]
    one = pd.DataFrame({"customer_id": ids, **fixed, "orders": orders, "churned": churned, "value_minor": amount})
    days = pd.date_range("2024-01-01", periods=dates, freq="30D")
    return pd.concat([one.assign(as_of=day) for day in days], ignore_index=True)


def kept(frame, *, with_value=True, catalog=CATALOG, seed=7):
    design = Design.fit(frame, catalog)
    rows = rows_of(frame, design, with_value=with_value)
    return sifted(design, rows, with_value=with_value, seed=seed, threads=1)


def asked_of(churned):
    return Asked(Objective("binary"), np.asarray(churned, dtype=np.float64), log_losses)


def growing(seed=1):
    return Growing(TreeParams(), (), (seed,), 1)


def test_the_lowest_below_the_bound_leave_a_quarter_of_all_at_a_time_and_one_at_least():
    worth = {"a": 5.0, "b": 0.1, "c": 2.4, "d": 2.5, "e": 0.5, "f": 9.0, "g": 3.0, "h": 4.0}
    assert leaving(worth, 2.5) == {"b", "e"}
    assert leaving({name: worth[name] for name in "acdfgh"}, 2.5) == {"c"}
    assert leaving({name: worth[name] for name in "adfgh"}, 2.5) == set()
    assert leaving({"a": 0.0, "b": -0.1, "c": 0.1}, 0.0) == {"b"}
    assert leaving({}, 2.5) == set()


def test_every_step_and_every_turn_of_it_ask_in_other_folds_and_by_other_draws(monkeypatch):
    seeds = []
    once = sieve._worth

    def asked(matrix, asked, places, growing):
        seeds.append(growing.seeds[0])
        return once(matrix, asked, places, growing)

    monkeypatch.setattr(sieve, "_worth", asked)
    kept(customers(400, 5), with_value=False)
    assert len(seeds) >= 8
    assert len(set(seeds)) == len(seeds)


@pytest.mark.parametrize(
    ("number", "turns"), [(1, 4), (5_000, 4), (5_001, 3), (6_667, 2), (10_000, 2), (10_001, 1), (20_000, 1), (10**6, 1)]
)
def test_few_customers_are_asked_four_times_and_many_once(number, turns):
    assert turns_of(number) == turns


def test_of_equal_worth_the_first_by_name_leave():
    assert leaving({"d": 1.0, "b": 1.0, "c": 1.0, "a": 1.0, "e": 1.0}, 2.5) == {"a", "b"}


def test_a_column_that_no_split_is_on_is_worth_nothing_and_one_that_says_it_all_much():
    says = np.repeat([0.0, 1.0], 300)
    matrix = np.column_stack([says, np.full(600, 7.0)])
    found = worth_of(matrix, asked_of(1 - says), [0, 1], growing())
    assert found[0] > 20
    assert found[1] == 0.0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("texts", [2, 5, 600])
def test_noise_is_worth_about_nothing_whether_a_flag_or_a_number_of_each_customers_own(seed, texts):
    rng = np.random.default_rng(seed)
    says, noise = rng.normal(size=600), rng.integers(0, texts, 600).astype(float)
    churned = rng.random(600) < 1 / (1 + np.exp(-says))
    found = worth_of(np.column_stack([says, noise]), asked_of(churned), [0, 1], growing(seed))
    assert found[0] > 3
    assert abs(found[1]) < 3


def test_a_flag_that_says_something_stays_beside_numbers_that_say_nothing():
    """Boosters gain more by splits on numbers of each customer's own, whatever they say: gains would hide the flag."""
    rng = np.random.default_rng(3)
    flag = rng.integers(0, 2, 3_000).astype(float)
    matrix = np.column_stack([np.ones(3_000), flag, *(rng.normal(size=3_000) for _ in range(8))])
    churned = (rng.random(3_000) < np.where(flag, 0.34, 0.22)).astype(float)
    gains = lightgbm_gains(
        dataset(matrix, churned, ()), TreeParams(), Objective("binary"), rounds=100, seed=1, threads=1
    )
    assert gains[1] < gains[2:].min()
    names = ("orders", "attr_flag", *(f"attr_number_{place}" for place in range(8)))
    frame = pd.DataFrame(dict(zip(names, matrix.T, strict=True)), index=range(3_000))
    frame = frame.assign(
        customer_id=[f"c{place:05d}" for place in range(3_000)],
        churned=churned,
        value_minor=0.0,
        as_of=pd.Timestamp("2024-01-01"),
    )
    stayed = kept(frame, catalog=Columns(tuple(map(Column, names)))).names
    assert "attr_flag" in stayed
    assert len(stayed) <= 4


@pytest.mark.parametrize("seed", range(8))
def test_attributes_that_say_something_of_either_head_stay_and_the_others_go(seed):
    assert kept(customers(1_500, seed)).names == ("orders", "attr_plan", "attr_age")


def test_without_amounts_what_only_spending_knows_goes_too():
    assert kept(customers(1_500, 3), with_value=False).names == ("orders", "attr_plan")


def test_a_number_that_is_only_one_customers_is_not_learned_by_heart_over_many_dates():
    assert kept(customers(400, 5, dates=12)).names == kept(customers(400, 5)).names
    assert "attr_lucky_number" not in kept(customers(400, 5, dates=12)).names


def test_only_kept_categories_have_codes():
    assert set(kept(customers(1_500, 3)).categories) == {"attr_plan"}


def test_a_feature_made_of_events_is_never_left_out():
    frame = customers(500, 1).assign(orders=1.0)
    assert kept(frame).names[0] == "orders"


SNAPSHOT = Columns(tuple(map(Column, ("attr_says", *(f"attr_number_{place}" for place in range(8))))))


def snapshot(number, seed):
    """One column that says something of eight that do not."""
    rng = np.random.default_rng(seed)
    says, *numbers = (rng.normal(size=number) for _ in SNAPSHOT.features)
    frame = pd.DataFrame({f"attr_number_{place}": column for place, column in enumerate(numbers)})
    churned = (rng.random(number) < 1 / (1 + np.exp(1.0 - says))).astype(float)
    ids = [f"c{place:05d}" for place in range(number)]
    return frame.assign(attr_says=says, customer_id=ids, churned=churned, as_of=pd.Timestamp("2024-01-01"))


@pytest.mark.parametrize("seed", range(5))
def test_of_a_snapshot_leave_columns_without_which_the_unseen_are_predicted_better(seed):
    names = kept(snapshot(1_500, seed), catalog=SNAPSHOT, with_value=False).names
    assert "attr_says" in names
    assert len(names) < 6


def test_what_says_a_little_stays_in_a_snapshot_and_leaves_beside_events(monkeypatch):
    worths = {"attr_says": 9.0, "attr_number_0": 1.0, "attr_number_1": 0.0, "attr_number_2": -0.5}

    def asked(matrix, asked, places, growing):
        return np.array(list(worths.values()))[: len(places)]

    monkeypatch.setattr(sieve, "worth_of", asked)
    columns = tuple(map(Column, worths))
    few = snapshot(300, 1)
    assert kept(few, catalog=Columns(columns), with_value=False).names == tuple(worths)[:3]
    beside = kept(few.assign(orders=1.0), catalog=Columns((Column("orders"), *columns)), with_value=False)
    assert beside.names == ("orders", "attr_says")


def test_a_snapshot_of_which_nothing_would_be_left_stays_as_it_is(monkeypatch):
    monkeypatch.setattr(sieve, "worth_of", lambda matrix, asked, places, growing: np.full(len(places), -1.0))
    frame = snapshot(300, 2)
    assert kept(frame, catalog=SNAPSHOT, with_value=False).names == tuple(column.name for column in SNAPSHOT.features)


def test_one_row_a_customer_keeps_every_customer_once():
    frame = customers(50, 4, dates=6)
    design = Design.fit(frame, CATALOG)
    rows = rows_of(frame, design, with_value=True)
    few = one_row_a_customer(rows, 1)
    assert sorted(few.customers) == sorted(set(rows.customers))
    assert len(np.unique(few.days)) > 1


@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_what_is_kept_does_not_depend_on_threads_and_is_a_part_of_the_design(seed):
    frame = customers(200, seed)
    design = Design.fit(frame, CATALOG)
    rows: Rows = rows_of(frame, design, with_value=True)
    one, two = (sifted(design, rows, with_value=True, seed=seed, threads=threads) for threads in (1, 2))
    assert one == two
    assert set(one.names) <= set(design.names)


@pytest.mark.parametrize("seed", range(5))
def test_noise_rarely_passes(seed):
    names = kept(customers(800, 100 + seed), seed=seed).names
    assert not {"attr_lucky_number", "attr_colour"} & set(names)


def test_noise_passes_about_once_in_fifty():
    """In 50 worlds .9 % of columns of noise passed a head; of 20 that two heads ask, more than two do once in 200."""
    passed = [set(kept(customers(600, 200 + seed), seed=seed).names) for seed in range(10)]
    assert sum(len({"attr_lucky_number", "attr_colour"} & names) for names in passed) <= 2
    assert all("attr_plan" in names for names in passed)
