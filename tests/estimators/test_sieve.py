"""Attributes beside their shadows: what says something stays, what says nothing is left out."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_customers import Column, Columns

from churn_value.estimators.design import Design
from churn_value.estimators.rows import Rows, rows_of
from churn_value.estimators.sieve import above_shadows, one_row_a_customer, sifted

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


def test_a_gain_stands_out_only_beyond_half_as_much_again_as_the_largest_of_any_shadow():
    shadows = np.array([[10.0, 0.0], [12.0, 0.0], [8.0, 0.0]])
    assert above_shadows(np.array([18.1, 17.9]), shadows).tolist() == [True, False]


def test_a_chance_split_does_not_stand_out_where_its_own_shadows_have_none():
    shadows = np.array([[10.0, 0.0], [12.0, 0.0]])
    assert not above_shadows(np.array([0.0, 5.0]), shadows).any()


def test_attributes_that_say_something_of_either_head_stay_and_the_others_go():
    assert kept(customers(1_500, 3)).names == ("orders", "attr_plan", "attr_age")


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


def test_where_attributes_are_all_there_is_they_stay():
    frame = customers(300, 2)
    only = Columns((Column("attr_lucky_number"), Column("attr_colour", "category")))
    assert kept(frame, catalog=only).names == ("attr_lucky_number", "attr_colour")


def test_one_row_a_customer_keeps_every_customer_once():
    frame = customers(50, 4, dates=6)
    design = Design.fit(frame, CATALOG)
    rows = rows_of(frame, design, with_value=True)
    few = one_row_a_customer(rows, 1)
    assert sorted(few.customers) == sorted(set(rows.customers))
    assert len(np.unique(few.days)) > 1


@settings(max_examples=10, deadline=None)
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
