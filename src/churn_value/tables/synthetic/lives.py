"""Who the customers are and how they live: traits, states and what happens on which day, block by block.

Customers are drawn in blocks of `BLOCK`, each from its own generator seeded by (seed, number of the block), and a whole
block is always drawn. So customer 17 of a world of 100 is customer 17 of a world of 20,000 with the same seed, start
and days.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from churn_value.tables.synthetic.parameters import (
    FADING,
    GONE,
    NOT_YET,
    PLANS,
    SOURCES,
    UNHAPPY,
    Floats,
    Parameters,
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
States = npt.NDArray[np.uint8]

BLOCK = 500
REGIONS = 8
COLOURS = 7
GENDERS = 3
CATEGORIES = 5


@dataclass(frozen=True)
class Traits:
    """What never changes, one entry per customer; codes are positions in the lists of `parameters`."""

    signup_day: Ints  # days after the world's first day; negative before it
    plan: Ints
    source: Ints
    rate_class: Ints
    visit_class: Ints
    birth_year: Floats  # NaN: not known
    basket_log_mean: Floats
    in_panel: Bools
    by_invoice: Bools
    gender: Ints
    region: Ints
    region_after: Ints
    move_day: Ints  # of the move to region_after; beyond the span: never
    taste: Ints  # favourite category
    lucky_number: Ints
    favourite_colour: Ints

    def take(self, at: slice) -> Traits:
        """Traits of some of the customers."""
        return Traits(**{field.name: getattr(self, field.name)[at] for field in fields(self)})


def joined_traits(parts: list[Traits]) -> Traits:
    """Traits of several blocks, in order."""
    return Traits(**{field.name: np.concatenate([getattr(p, field.name) for p in parts]) for field in fields(Traits)})


def draw_traits(rng: np.random.Generator, parameters: Parameters, days: int) -> Traits:
    """Traits of one block."""
    existing = rng.random(BLOCK) < parameters.existing_share
    signup = np.where(existing, -rng.integers(1, 900, BLOCK), rng.integers(0, days, BLOCK))
    source = rng.choice(len(SOURCES), BLOCK, p=[0.45, 0.35, 0.20])
    birth_year = np.where(rng.random(BLOCK) < 0.05, np.nan, rng.integers(1945, 2006, BLOCK))
    centre = parameters.basket_prior(birth_year)
    region = rng.integers(0, REGIONS, BLOCK)
    moves = rng.random(BLOCK) < 0.15
    return Traits(
        signup_day=signup,
        plan=rng.choice(len(PLANS), BLOCK, p=parameters.plan_share),
        source=source,
        rate_class=_pick(rng, parameters.rate_share[source]),
        visit_class=rng.choice(len(parameters.visit_share), BLOCK, p=parameters.visit_share),
        birth_year=birth_year,
        basket_log_mean=rng.normal(centre, parameters.basket_log_spread),
        in_panel=rng.random(BLOCK) < parameters.panel_share,
        by_invoice=rng.random(BLOCK) < parameters.invoice_share,
        gender=rng.choice(GENDERS + 1, BLOCK, p=[0.47, 0.47, 0.03, 0.03]),
        region=region,
        region_after=(region + rng.integers(1, REGIONS, BLOCK)) % REGIONS,
        move_day=np.where(moves, np.maximum(signup, 0) + 1 + rng.integers(0, days, BLOCK), days + 1),
        taste=rng.integers(0, CATEGORIES, BLOCK),
        lucky_number=rng.integers(1, 100, BLOCK),
        favourite_colour=rng.integers(0, COLOURS, BLOCK),
    )


def _pick(rng: np.random.Generator, chance: Floats) -> Ints:
    """One position per row, drawn with the row's probabilities."""
    drawn = rng.random(len(chance))[:, None] > np.cumsum(chance, axis=1)
    return np.asarray(np.minimum(drawn.sum(axis=1), chance.shape[1] - 1))


def _switch_path(rng: np.random.Generator, on: float, off: float, days: int) -> Bools:
    """Path of one switch for each customer of a block, stationary from the first day, shape (days, BLOCK)."""
    chance = rng.random((days, BLOCK), dtype=np.float32)
    path = np.empty((days, BLOCK), dtype=np.bool_)
    path[0] = chance[0] < on / (on + off)
    turns_on, turns_off = chance < on, chance < off
    for day in range(1, days):
        path[day] = np.where(path[day - 1], ~turns_off[day], turns_on[day])
    return path


def draw_states(rng: np.random.Generator, parameters: Parameters, traits: Traits, days: int) -> States:
    """State of each customer on each day, shape (days, BLOCK): 0..7, `GONE`, or `NOT_YET` before sign-up.

    Whoever stays through day t - 1 in state s leaves before day t with the hazard of s, then the switches move.
    """
    pairs = (parameters.unhappy_switch, parameters.strained_switch, parameters.fading_switch)
    unhappy, strained, fading = (_switch_path(rng, *pair, days).astype(np.uint8) for pair in pairs)
    states = 4 * unhappy + 2 * strained + fading
    hazard = parameters.hazard.astype(np.float32)[traits.plan[None, :], states]
    first = np.maximum(traits.signup_day, 0)
    day = np.arange(days)[:, None]
    leaves = (rng.random((days, BLOCK), dtype=np.float32) < hazard) & (day >= first)
    left = np.where(leaves.any(axis=0), leaves.argmax(axis=0), days)
    states[day > left] = GONE
    states[day < first] = NOT_YET
    return states


def _by_state(when_stayed: Floats) -> Floats:
    """Lookup by state of a rate given for the eight states; zero for gone and not yet."""
    table = np.zeros((256, *when_stayed.shape[1:]))
    table[:GONE] = when_stayed
    return table


@dataclass(frozen=True)
class Happenings:
    """What happens on which day, each of shape (days, BLOCK)."""

    order: Bools
    carts: Ints
    other_visits: Ints
    asked: Bools
    answered: Bools
    complaint: Bools
    ticket: Bools
    contract_end: Bools


def draw_happenings(
    rng: np.random.Generator, parameters: Parameters, traits: Traits, states: States, calendar: Floats
) -> Happenings:
    """Events of one block by day; calendar has shape (days,)."""
    days = len(states)
    stays = states < GONE
    fading = _by_state(FADING.astype(float)).astype(np.int64)[states]
    chance = parameters.order_chance(calendar)[np.arange(days)[:, None], fading, traits.rate_class]
    carts, others = (mean[fading, traits.visit_class] * stays for mean in parameters.visit_means)
    unhappy = _by_state(UNHAPPY.astype(float)).astype(np.int64)[states]
    answers = rng.random((days, BLOCK), dtype=np.float32) < parameters.answer_share
    asks = rng.random((days, BLOCK), dtype=np.float32) < parameters.asked_rate
    return Happenings(
        order=_hit(rng, chance * stays),
        carts=rng.poisson(carts),
        other_visits=rng.poisson(others),
        asked=asks & (states != NOT_YET) & traits.in_panel,
        answered=answers & stays,
        complaint=_hit(rng, np.array(parameters.complaint_rates)[unhappy] * stays),
        ticket=_hit(rng, np.array(parameters.ticket_rates)[unhappy] * stays),
        contract_end=_first_hit(_hit(rng, _end_chance(parameters, traits, states))),
    )


def _end_chance(parameters: Parameters, traits: Traits, states: States) -> Floats:
    stayed, gone = parameters.contract_end_rates
    table = np.zeros(256)
    table[:GONE], table[GONE] = stayed, gone
    return np.asarray(table[states] * (traits.plan > 0))


def _hit(rng: np.random.Generator, chance: Floats) -> Bools:
    return np.asarray(rng.random(chance.shape) < chance)


def _first_hit(hits: Bools) -> Bools:
    """Only the first of each customer's days."""
    return np.asarray(hits & (np.cumsum(hits, axis=0) == 1))
