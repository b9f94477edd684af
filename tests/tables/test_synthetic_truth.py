"""The synthetic world's truth: worked through by enumeration, and against what its customers go on to do."""

import itertools
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from churn_value.tables.synthetic import simulate
from churn_value.tables.synthetic.evidence import Evidence
from churn_value.tables.synthetic.frames import customer_ids
from churn_value.tables.synthetic.lives import Traits
from churn_value.tables.synthetic.outlook import expected_basket, outlook, refunds_to_come
from churn_value.tables.synthetic.parameters import GONE, PARAMETERS
from churn_value.timeline import day_number

START = date(2023, 1, 2)  # a Monday
MID = date(2024, 3, 1)
P = PARAMETERS


@pytest.fixture(scope="module")
def world():
    return simulate(6000, seed=23)


@pytest.fixture(scope="module")
def scored(world):
    """Truth, latent truth and outcomes of everyone known at mid-date, side by side."""
    truth, latent, outcomes = world.truth(MID, 90), world.latent_truth(MID, 90), world.outcomes(MID, 90)
    assert truth["customer_id"].equals(latent["customer_id"])
    assert truth["customer_id"].tolist() == outcomes["customer_id"].tolist()
    return truth.assign(
        churned=outcomes["churned"].to_numpy(),
        value_minor=outcomes["value_minor"].to_numpy(),
        latent_churn=latent["churn_probability"].to_numpy(),
        latent_value=latent["expected_value_minor"].to_numpy(),
    )


def log_loss(churned, probability):
    probability = np.clip(probability, 1e-12, 1 - 1e-12)
    return -np.mean(churned * np.log(probability) + (1 - churned) * np.log(1 - probability))


# ---- one customer, three days, everything enumerated -------------------------------------------------------------


def stamp(day, hour=12):
    return pd.Timestamp(START, tz="UTC") + pd.Timedelta(days=day, hours=hour)


def three_days_of_one_customer():
    """Signs up before the start; an order on day 0, two visits and a bad score on day 1, a complaint on day 2."""
    world = simulate(1, seed=1, start=START, days=30)
    person = (
        world.frames["customers"]
        .head(1)
        .assign(signup_at=stamp(-50), valid_from=stamp(-50), plan="plus", source="search", birth_year=1980.0)
    )
    who = person["customer_id"].iloc[0]
    line = {"customer_id": who, "event_time": stamp(0), "known_at": stamp(0), "is_return": False, "order_id": "o"}
    visit = {"customer_id": who, "event_time": stamp(1), "known_at": stamp(1)}
    score = {"customer_id": who, "event_time": stamp(1), "known_at": stamp(1), "kind": "csat", "score": 2.0}
    complaint = {"customer_id": who, "event_time": stamp(2), "known_at": stamp(2), "kind": "complaint"}
    feedback = pd.DataFrame([score | {"scale_min": 1.0, "scale_max": 5.0}, complaint])
    contract = pd.DataFrame(
        {"customer_id": [who], "started_at": [stamp(-50)], "ended_at": pd.to_datetime([None], utc=True)}
    )
    frames = {
        "customers": person,
        "purchases": pd.DataFrame([line | {"amount": 20.0}, line | {"amount": 10.0}]),
        "visits": pd.DataFrame([visit | {"kind": "cart"}, visit | {"kind": "view"}]),
        "feedback": feedback.assign(resolved_at=pd.to_datetime([None, None], utc=True)),
        "payments": world.frames["payments"].head(0),
        "contracts": contract,
    }
    return replace(world, frames=frames)


def moves(before, after):
    """Probability of one day's move between states 0..7 (three switches) and 8 (gone), from the rates themselves."""
    if before == GONE:
        return float(after == GONE)
    unhappy, strained, fading = before & 4, before & 2, before & 1
    hazard = P.plan_hazard[1] * (P.unhappy_hazard if unhappy else 1) * (P.strained_hazard if strained else 1)
    hazard *= P.fading_hazard if fading else 1
    if after == GONE:
        return hazard
    chance = 1 - hazard
    for bit, (on, off) in zip((4, 2, 1), (P.unhappy_switch, P.strained_switch, P.fading_switch), strict=True):
        flips = off if before & bit else on
        chance *= flips if (before & bit) != (after & bit) else 1 - flips
    return chance


def first(state):
    chance = 1.0
    for bit, (on, off) in zip((4, 2, 1), (P.unhappy_switch, P.strained_switch, P.fading_switch), strict=True):
        chance *= (on if state & bit else off) / (on + off)
    return chance


def season(day):
    since_september = day_number(START) + day - 244
    return 1 + P.season_swing * np.sin(2 * np.pi * since_september / 365.25)  # days 0..4 are a Monday to a Friday


def order_chance(day, state, rate):
    return season(day) * rate * (P.fading_orders if state & 1 else 1) if state != GONE else 0.0


def likelihood(day, state, rate, visits):
    """Of what the tables show on one of the three days, seen on day 3."""
    if state == GONE:
        return 0.0 if day in (0, 1, 2) else 1.0
    unhappy, fading = bool(state & 4), bool(state & 1)
    age = 3 - day
    order = order_chance(day, state, rate)
    chance = order if day == 0 else 1 - order
    seen = 0.95 + 0.05 * (age - 1) / 5  # 5 % of visits are known 1 to 5 days late
    mean = seen * visits * (P.fading_visits if fading else 1)
    cart = P.cart_share[fading]
    chance *= np.exp(-mean) * ((mean * cart) * (mean * (1 - cart)) if day == 1 else 1)
    heard = 0.92 + 0.08 * (age - 1) / 8
    complaint, ticket = P.complaint_rates[unhappy] * heard, P.ticket_rates[unhappy] * heard
    chance *= (complaint if day == 2 else 1 - complaint) * (1 - ticket)
    if day == 1:
        a, b = (1.2, 2.6) if unhappy else (4.5, 1.4)
        chance *= P.answer_share * ((1 - 0.2**a) ** b - (1 - 0.4**a) ** b)
    return chance * (1 - P.contract_end_rates[0])


def outcome_of_days_3_and_4(rate, step):
    """By state on day 2: P(no order) and expected orders, over the 81 pairs of states of the two days."""
    quiet, orders = np.zeros(9), np.zeros(9)
    for third, fourth in itertools.product(range(9), repeat=2):
        chance = step[:, third] * step[third, fourth]
        p, q = order_chance(3, third, rate), order_chance(4, fourth, rate)
        quiet += chance * (1 - p) * (1 - q)
        orders += chance * (p + q)
    return quiet, orders


def enumerated():
    """P(no order on days 3 and 4) and expected orders there, over all paths of five days' states and 18 habits."""
    shares = P.rate_share[1]
    habits = [
        (share * other, rate, visits)
        for share, rate in zip(shares, P.order_rates, strict=True)
        for other, visits in zip(P.visit_share, P.visit_rates, strict=True)
    ]
    step = np.array([[moves(a, b) for b in range(9)] for a in range(9)])
    evidence = quiet = orders = 0.0
    seen = {
        (habit, day): np.array([likelihood(day, s, rate, visits) for s in range(9)])
        for habit, (_, rate, visits) in enumerate(habits)
        for day in range(3)
    }
    ahead = [outcome_of_days_3_and_4(rate, step) for _, rate, _ in habits]
    for path in itertools.product(range(8), repeat=3):  # a sign of life on each of the three days: never gone
        moved = first(path[0]) * step[path[0], path[1]] * step[path[1], path[2]]
        for habit, (share, _, _) in enumerate(habits):
            weight = moved * share * np.prod([seen[habit, day][state] for day, state in enumerate(path)])
            evidence += weight
            quiet += weight * ahead[habit][0][path[2]]
            orders += weight * ahead[habit][1][path[2]]
    return quiet / evidence, orders / evidence


def test_truth_of_one_customer_equals_the_sum_over_all_paths():
    truth = three_days_of_one_customer().truth(START + timedelta(days=3), 2).iloc[0]
    quiet, orders = enumerated()
    # One order of 30.00, prior mean of its logarithm 8.1: the normal posterior by hand.
    weight = 0.75**2 / (0.75**2 + 0.55**2)
    mean, variance = 8.1 + weight * (np.log(3000) - 8.1), 0.75**2 * (1 - weight)
    basket = np.exp(mean + variance / 2 + 0.55**2 / 2)
    # Goods come back 3 to 20 days after the order; the 3rd and 4th of these days are in the window of two.
    refund = 0.07 * 3000 * 2 / 18
    assert truth["churn_probability"] == pytest.approx(quiet, rel=1e-10)
    assert truth["expected_value_minor"] == pytest.approx(orders * basket - refund, rel=1e-10)
    assert truth["value_if_retained_minor"] == pytest.approx(orders * basket / (1 - quiet) - refund, rel=1e-9)


def bill(due, paid=None, disputed=None):
    """Likelihood, with the strained switch off and on, of one bill as the tables show it on day 30."""
    world = three_days_of_one_customer()
    stamps = {"due_at": due, "paid_at": paid, "disputed_at": disputed}
    row = {name: pd.to_datetime([None if day is None else stamp(day)], utc=True) for name, day in stamps.items()}
    frames = world.frames | {"payments": pd.DataFrame(row | {"customer_id": world.frames["customers"]["customer_id"]})}
    evidence = Evidence(frames, P, origin=day_number(START), as_of_day=30)
    return evidence._bills.iloc[0] if len(evidence._bills) else None


def test_a_bill_says_how_late_it_was_paid_or_how_long_it_has_not_been():
    undisputed = np.array([0.99, 0.92])
    paid_early = bill(20, paid=18)
    assert paid_early["day"] == 6  # evidence of the day of the order, two weeks before
    assert paid_early[["off", "on"]].tolist() == pytest.approx(undisputed * [0.92 / 11, 0.25 / 11])
    two_days_late = [0.08 * (3 / 4) / 4, 0.75 * (15 / 16) / 16]
    assert bill(20, paid=22)[["off", "on"]].tolist() == pytest.approx(undisputed * two_days_late)
    ten_days_or_more = [0.08 * (3 / 4) ** 9, 0.75 * (15 / 16) ** 9]
    for not_paid in (None, 30, 41):
        assert bill(20, paid=not_paid)[["off", "on"]].tolist() == pytest.approx(undisputed * ten_days_or_more)
    assert bill(20, disputed=23)[["off", "on"]].tolist() == pytest.approx(np.array([0.01, 0.08]) * ten_days_or_more)
    # Due three days ago: a dispute would be stamped today at the earliest, and is not known either way.
    three_days_or_more = [0.08 * (3 / 4) ** 2, 0.75 * (15 / 16) ** 2]
    assert bill(27)[["off", "on"]].tolist() == pytest.approx(three_days_or_more)
    assert bill(30) is None


def test_an_open_ticket_speaks_for_unhappiness_the_longer_it_stays_open():
    world = three_days_of_one_customer()
    row = world.frames["feedback"].tail(1).assign(kind="ticket")
    frames = world.frames | {"feedback": row}
    evidence = Evidence(frames, P, origin=day_number(START), as_of_day=8)
    seen = 0.92 + 0.08 * 5 / 8  # six days old
    odds = [0.0025 * seen / (1 - 0.0025 * seen), 0.009 * seen / (1 - 0.009 * seen)]
    open_for_six_days = [(2 / 3) ** 5, (6 / 7) ** 5]  # not closed after 1 .. 5 days
    found = evidence._feedback.iloc[0][["off", "on"]].tolist()
    assert found == pytest.approx(np.multiply(odds, open_for_six_days))


def test_a_return_is_expected_less_the_longer_it_stays_away():
    orders = pd.DataFrame(
        {"customer": [0, 1, 2, 3], "day": [99, 90, 80, 95], "total_minor": 1000.0, "returned": [False] * 3 + [True]}
    )
    refunds = refunds_to_come(P, orders, 4, as_of_day=100, horizon=90)
    # Placed yesterday: 7 % of the order. Ten days ago: returns after 3..9 days would be past, of which the tables know
    # those of 3..9, 3..8, 3..7 and 3..6 days by a lag of 0..3 days. Twenty days ago: one possible day is left.
    known = 0.07 * np.mean([7, 6, 5, 4]) / 18
    later = 0.07 * np.mean([17, 16, 15, 14]) / 18
    assert refunds == pytest.approx([70.0, 1000 * 0.07 * 11 / 18 / (1 - known), 1000 * 0.07 / 18 / (1 - later), 0.0])


def test_a_basket_without_orders_is_the_prior_of_the_age():
    none = pd.DataFrame({"customer": np.array([], dtype=np.int64), "total_minor": np.array([], dtype=float)})
    baskets = expected_basket(P, none, np.array([1980.0, 1950.0, np.nan]))
    middle = np.exp(8.1 + 0.75**2 / 2 + 0.55**2 / 2)
    assert baskets == pytest.approx([middle, middle * np.exp(0.4), middle])


def test_the_outlook_of_one_day_is_the_chance_of_the_day():
    ahead = outlook(P, np.array([1.0]))
    still = replace(P, unhappy_switch=(0.0, 0.0), strained_switch=(0.0, 0.0), fading_switch=(0.0, 0.0))
    one = outlook(still, np.array([1.0]))
    hazard = P.plan_hazard[0] * P.fading_hazard
    assert one.quiet[0, 1, 2] == pytest.approx(hazard + (1 - hazard) * (1 - P.order_rates[2] * P.fading_orders))
    assert ahead.orders == pytest.approx(1 - ahead.quiet)
    assert (np.diff(ahead.quiet, axis=2) < 0).all()


# ---- thousands of customers and what they went on to do ----------------------------------------------------------


def test_churn_happens_as_often_as_truth_says_in_every_tenth(scored):
    for _, part in scored.sort_values("churn_probability").groupby(np.arange(len(scored)) * 10 // len(scored)):
        p = part["churn_probability"]
        error = np.sqrt((p * (1 - p)).sum()) + 0.01
        assert abs(part["churned"].sum() - p.sum()) < 3.5 * error + 0.5


def test_churn_and_money_come_as_the_latent_truth_says_in_every_tenth(scored):
    gone = scored["latent_churn"] == 1
    assert scored.loc[gone, "churned"].all()
    alive = scored[~gone].sort_values("latent_churn")
    for _, part in alive.groupby(np.arange(len(alive)) * 10 // len(alive)):
        p = part["latent_churn"]
        assert abs(part["churned"].sum() - p.sum()) < 3.5 * np.sqrt((p * (1 - p)).sum())
        gap = part["value_minor"] - part["latent_value"]
        assert abs(gap.mean()) < 3.5 * gap.std() / np.sqrt(len(part))


def test_truth_is_the_mean_of_the_latent_truth_in_every_tenth(scored):
    """Sharper than outcomes: the tower law E[latent truth | tables] = truth, with the spread of the latent truth."""
    for _, part in scored.sort_values("churn_probability").groupby(np.arange(len(scored)) * 10 // len(scored)):
        gap = part["latent_churn"] - part["churn_probability"]
        assert abs(gap.mean()) < 3.5 * gap.std() / np.sqrt(len(part)) + 1e-4
        value = part["latent_value"] - part["expected_value_minor"]
        assert abs(value.mean()) < 3.5 * value.std() / np.sqrt(len(part)) + 1


@pytest.mark.parametrize("by", ["expected_value_minor", "churn_probability"])
def test_money_comes_in_as_expected_in_total_and_in_every_fifth(scored, by):
    parts = [part for _, part in scored.sort_values(by).groupby(np.arange(len(scored)) * 5 // len(scored))]
    for part in [scored, *parts]:
        gap = part["value_minor"] - part["expected_value_minor"]
        assert abs(gap.mean()) < 3.5 * gap.std() / np.sqrt(len(part)) + 5


def test_those_who_stay_spend_what_value_if_retained_says(scored):
    stayed = scored[scored["churned"] == 0]
    gap = stayed["value_minor"] - stayed["value_if_retained_minor"]
    assert abs(gap.mean()) < 3.5 * gap.std() / np.sqrt(len(stayed))


def test_truth_has_a_lower_log_loss_than_any_shifted_sharpened_flattened_or_noisy_copy(scored):
    p, churned = scored["churn_probability"].clip(1e-9, 1 - 1e-9).to_numpy(), scored["churned"].to_numpy()
    logit = np.log(p / (1 - p))
    noise = np.random.default_rng(0).normal(size=len(p))
    best = log_loss(churned, p)
    for worse in (
        logit + 0.35,
        logit - 0.35,
        1.3 * logit,
        0.75 * logit,
        logit + 0.5 * noise,
        np.full_like(logit, logit.mean()),
    ):
        assert log_loss(churned, 1 / (1 + np.exp(-worse))) > best
    assert log_loss(churned, scored["latent_churn"]) < best


def test_the_future_does_not_reach_the_truth(world):
    small = simulate(300, seed=5, days=300)
    as_of = date(2023, 8, 1)
    midnight = pd.Timestamp(as_of, tz="UTC")
    clocks = {"purchases": "event_time", "visits": "event_time", "feedback": "event_time", "payments": "due_at"}
    past = {
        name: frame[(frame[clocks[name]] < midnight) & (frame.get("known_at", frame[clocks[name]]) < midnight)]
        if name in clocks
        else frame
        for name, frame in small.frames.items()
    }
    for name, column in (
        ("feedback", "resolved_at"),
        ("payments", "paid_at"),
        ("payments", "disputed_at"),
        ("contracts", "ended_at"),
    ):
        past[name] = past[name].assign(**{column: past[name][column].where(past[name][column] < midnight)})
    shuffled = {name: frame.sample(frac=1, random_state=1) for name, frame in past.items() if name != "customers"}
    without_future = replace(small, frames=small.frames | shuffled)
    pd.testing.assert_frame_equal(small.truth(as_of, 60), without_future.truth(as_of, 60), rtol=1e-9)
    last_day = past["visits"]["event_time"] >= midnight - pd.Timedelta(days=40)
    forgetful = replace(small, frames=past | {"visits": past["visits"][~last_day]})
    gap = forgetful.truth(as_of, 60)["churn_probability"] - small.truth(as_of, 60)["churn_probability"]
    assert gap.max() > 0.2


def test_a_longer_horizon_never_raises_churn_and_may_reach_beyond_the_span(world):
    small = simulate(200, seed=9, days=200)
    short, long = small.truth(small.end, 30), small.truth(small.end, 400)
    assert (long["churn_probability"] <= short["churn_probability"]).all()
    assert (long["value_if_retained_minor"] > short["value_if_retained_minor"]).mean() > 0.9


# ---- what raises the hazard --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bit", "factor"),
    [(4, P.unhappy_hazard), (2, P.strained_hazard), (1, P.fading_hazard)],
    ids=["unhappy", "strained", "fading"],
)
def test_each_switch_raises_the_rate_of_leaving_by_its_factor(world, bit, factor):
    before, after = world.states[:-1], world.states[1:]
    rate = {}
    for on in (False, True):
        days = (before < GONE) & (((before & bit) > 0) == on)
        others = 7 - bit
        leaving = [(after[days & ((before & others) == state)] == GONE).mean() for state in range(8) if not state & bit]
        rate[on] = leaving
    ratio = np.array(rate[True]).mean() / np.array(rate[False]).mean()
    assert ratio == pytest.approx(factor, rel=0.3)


QUARTERS = [date(2023, 6, 1) + timedelta(days=90 * quarter) for quarter in range(6)]


def left_within(world, as_of, ids):
    """Of customers who had not left by as_of, whether they leave in the next 90 days."""
    at = pd.Index(customer_ids(len(world.traits.plan))).get_indexer(ids)
    day = (as_of - world.start).days
    here = at[world.states[day - 1, at] < GONE]
    return world.states[day + 90 - 1, here] == GONE


def clearly_more(world, groups):
    """Whether more leave of the first than of the second group, pooled over the quarters, beyond three errors."""
    pairs = [groups(as_of) for as_of in QUARTERS]
    high, low = (
        np.concatenate([left_within(world, as_of, pair[side]) for as_of, pair in zip(QUARTERS, pairs, strict=True)])
        for side in (0, 1)
    )
    error = np.sqrt(high.var() / len(high) + low.var() / len(low))
    return (high.mean() - low.mean()) / error > 3 and high.mean() > 1.3 * low.mean()


def recent(frame, clock, as_of, days):
    midnight = pd.Timestamp(as_of, tz="UTC")
    return frame[(frame[clock] < midnight) & (frame[clock] >= midnight - pd.Timedelta(days=days))]


def test_the_dissatisfied_leave_more(world):
    def groups(as_of):
        feedback = recent(world.frames["feedback"], "event_time", as_of, 90).dropna(subset="score")
        share = (feedback["score"] - feedback["scale_min"]) / (feedback["scale_max"] - feedback["scale_min"])
        mean = share.groupby(feedback["customer_id"]).mean()
        return mean.index[mean < 0.45], mean.index[mean > 0.65]

    assert clearly_more(world, groups)


def test_complainers_leave_more(world):
    def groups(as_of):
        feedback = recent(world.frames["feedback"], "event_time", as_of, 90)
        complainers = feedback.loc[feedback["kind"] == "complaint", "customer_id"].unique()
        people = world.frames["customers"]["customer_id"].drop_duplicates()
        return complainers, people[~people.isin(complainers)]

    assert clearly_more(world, groups)


def test_late_payers_leave_more(world):
    def groups(as_of):
        bills = recent(world.frames["payments"], "due_at", as_of, 120)
        late = (~(bills["paid_at"] <= bills["due_at"].dt.ceil("D"))).groupby(bills["customer_id"]).mean()
        return late.index[late > 0.6], late.index[late < 0.2]

    assert clearly_more(world, groups)


def test_customers_whose_visits_fade_leave_more(world):
    def groups(as_of):
        earlier = recent(world.frames["visits"], "event_time", as_of - timedelta(days=45), 100)
        lately = recent(world.frames["visits"], "event_time", as_of, 45).groupby("customer_id").size()
        usual = earlier.groupby("customer_id").size()[lambda n: n > 12] * 0.45
        ratio = (lately.reindex(usual.index) / usual).dropna()
        return ratio.index[ratio < 0.55], ratio.index[ratio > 0.8]

    assert clearly_more(world, groups)


def test_latent_traits_are_one_entry_per_customer(world):
    assert isinstance(world.traits, Traits)
    assert {len(column) for column in vars(world.traits).values()} == {6000}
    assert world.states.shape == (730, 6000)
