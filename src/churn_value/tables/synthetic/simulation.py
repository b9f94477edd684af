"""From a seed to a world: blocks of customers live, and their rows become the seven tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from churn_value.errors import ConfigError
from churn_value.tables.synthetic.frames import MAKERS, Tables
from churn_value.tables.synthetic.lives import (
    BLOCK,
    States,
    Traits,
    draw_happenings,
    draw_states,
    draw_traits,
    joined_traits,
)
from churn_value.tables.synthetic.parameters import PARAMETERS, Floats
from churn_value.tables.synthetic.rows import (
    Life,
    Rows,
    contract_rows,
    feedback_rows,
    payment_rows,
    purchase_rows,
    visit_rows,
)
from churn_value.tables.synthetic.snapshots import snapshots
from churn_value.tables.synthetic.world import World
from churn_value.timeline import day_number


@dataclass(frozen=True)
class _Block:
    """What is kept of one block's life."""

    traits: Traits
    states: States
    rows: dict[str, Rows]


def _block(seed: int, number: int, *, calendar: Floats, customers: int) -> _Block:
    """Life of one block, from its own generator, without the customers beyond the world's last."""
    rng = np.random.default_rng([seed, number])
    traits = draw_traits(rng, PARAMETERS, len(calendar))
    states = draw_states(rng, PARAMETERS, traits, len(calendar))
    happenings = draw_happenings(rng, PARAMETERS, traits, states, calendar)
    rows = _rows(Life(rng, PARAMETERS, traits, states, happenings))
    return _Block(traits, states, {name: _kept(part, number, customers) for name, part in rows.items()})


def _rows(life: Life) -> dict[str, Rows]:
    purchases, orders = purchase_rows(life)
    return {
        "purchases": purchases,
        "visits": visit_rows(life),
        "feedback": feedback_rows(life),
        "payments": payment_rows(life, orders),
        "contracts": contract_rows(life),
    }


def _kept(rows: Rows, block: int, customers: int) -> Rows:
    """Rows of the world's customers, by their position in the world."""
    customer = rows["customer"] + block * BLOCK
    keep = customer < customers
    return {name: column[keep] for name, column in (rows | {"customer": customer}).items()}


def simulate(customers: int, *, seed: int, start: date = date(2023, 1, 1), days: int = 730) -> World:
    """Simulate a world.

    Parameters
    ----------
    customers
        How many, at least 1; a customer is the same in a larger world of the same seed, start and days.
    seed
        Any integer from 0 on.
    start, days
        The tables cover ``[start, start + days)``; at least 30 days.

    Returns
    -------
    World
        The same, to the byte, for the same arguments.

    Raises
    ------
    ConfigError
        When customers or days are too few.
    """
    for name, received, least in (("customers", customers, 1), ("days", days, 30), ("seed", seed, 0)):
        if received < least:
            raise ConfigError(f"{name} must be at least {least}", where=f"simulate: {name}", received=received)
    calendar = PARAMETERS.calendar(day_number(start), days)
    count = -(-customers // BLOCK)
    blocks = [_block(seed, number, calendar=calendar, customers=customers) for number in range(count)]
    tables = Tables(day_number(start), days, customers)
    frames = {name: make(tables, _joined([block.rows[name] for block in blocks])) for name, make in MAKERS.items()}
    traits = joined_traits([block.traits for block in blocks]).take(slice(customers))
    states = np.concatenate([block.states for block in blocks], axis=1)[:, :customers]
    frames["customers"] = tables.customers(traits)
    world = World(frames, seed, start, days, traits, states)
    outcomes = world.outcomes(world.snapshot_as_of, world.snapshot_horizon_days)
    frames["snapshots"] = snapshots(frames, world.snapshot_as_of, outcomes)
    return world


def _joined(parts: list[Rows]) -> Rows:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
