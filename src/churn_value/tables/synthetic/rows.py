"""The rows behind each event table, still as whole numbers: position of the customer, days, seconds, minor units.

A row that the tables could not know by the end of the span is left out, and what would be stamped at or after the end
(paid, resolved, disputed) is not there yet: the tables look as if they were drawn off at the last midnight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from churn_value.tables.synthetic.lives import BLOCK, CATEGORIES, Bools, Happenings, Ints, States, Traits
from churn_value.tables.synthetic.parameters import STRAINED, UNHAPPY, Floats, Parameters

Rows = dict[str, Ints]

NEVER = -(10**6)
SURVEYS = (("csat", 1, 5), ("csat", 1, 7), ("csat", 1, 10), ("nps", 0, 10), ("review", 1, 5))
COMPLAINT, TICKET = len(SURVEYS), len(SURVEYS) + 1
KINDS = ("cart", "view", "search", "click", "login", "banner")
PRODUCTS = 40
NOON_S = 43_200


@dataclass(frozen=True)
class Life:
    """One block's life: its generator, traits, states and happenings."""

    rng: np.random.Generator
    parameters: Parameters
    traits: Traits
    states: States
    happenings: Happenings

    @property
    def days(self) -> int:
        """Length of the span."""
        return len(self.states)

    def where(self, happened: Bools) -> tuple[Ints, Ints]:
        """Customers and days of something, customer by customer."""
        customer, day = np.nonzero(happened.T)
        return customer, day

    def clock(self, size: int) -> Ints:
        """Seconds after midnight, from 06:00 on, so that nothing precedes a sign-up of the same day."""
        return self.rng.integers(21_600, 86_400, size)

    def switch(self, of_state: Ints, customer: Ints, day: Ints) -> Ints:
        """Whether a switch is on, 0 or 1; only asked of customers who have not left."""
        return np.asarray(of_state[self.states[day, customer]])

    def delay(self, chance: Floats, row: Ints) -> Ints:
        """Positions drawn from rows of a table of probabilities; `NEVER` for its last column."""
        drawn = self.rng.random(len(row))
        cumulative = np.cumsum(chance, axis=1)[:, :-1]
        found = np.empty(len(row), dtype=np.int64)
        for value, edges in enumerate(cumulative):
            at = row == value
            found[at] = np.searchsorted(edges, drawn[at], side="right")
        return np.where(found == cumulative.shape[1], NEVER, found)

    def lateness(self, size: int, share: float, longest_days: int) -> Ints:
        """Days until the tables know of an event: mostly 0, else 1..longest, uniform."""
        late = self.rng.random(size) < share
        return np.asarray(late * self.rng.integers(1, longest_days + 1, size))


def _in_order(rows: Rows) -> Rows:
    """Rows by customer and time."""
    order = np.lexsort((rows["second"], rows["day"], rows["customer"]))
    return {name: column[order] for name, column in rows.items()}


def _only(rows: Rows, keep: Bools) -> Rows:
    return {name: column[keep] for name, column in rows.items()}


def _line_amounts(rng: np.random.Generator, total: Ints, lines: Ints) -> Ints:
    """Amounts of the lines of each order in minor units; they sum to the order's total exactly."""
    weight = 0.3 + rng.exponential(size=lines.sum())
    first = np.cumsum(lines) - lines
    running = np.cumsum(weight)
    before = np.repeat(running[first] - weight[first], lines)
    whole = np.repeat(np.add.reduceat(weight, first), lines) if len(lines) else weight
    spread = np.repeat(total, lines)
    reached = np.rint((running - before) / whole * spread).astype(np.int64)
    previous = np.concatenate([[0], reached[:-1]])[: len(reached)]
    previous[first] = 0
    return np.asarray(reached - previous)


def purchase_rows(life: Life) -> tuple[Rows, Rows]:
    """Lines of the purchases table, returns included, and one row per order for the payments."""
    rng, traits, parameters = life.rng, life.traits, life.parameters
    customer, day = life.where(life.happenings.order)
    total = np.exp(rng.normal(traits.basket_log_mean[customer], parameters.order_log_spread))
    lines = rng.choice(4, len(customer), p=[0.5, 0.3, 0.15, 0.05]) + 1
    cents = np.maximum(np.rint(total).astype(np.int64), lines)
    orders = {"customer": customer, "day": day, "second": life.clock(len(customer)), "cents": cents}
    bought = {name: np.repeat(column, lines) for name, column in orders.items()}
    bought["cents"] = _line_amounts(rng, cents, lines)
    bought |= {"order_day": bought["day"], "known_after": np.zeros_like(bought["day"])}
    bought |= {"channel": np.repeat(rng.choice(3, len(lines), p=[0.5, 0.3, 0.2]), lines)}
    bought |= _goods(life, bought["customer"])
    back = _returned(life, bought, lines)
    rows = {name: np.concatenate([column, back[name]]) for name, column in bought.items()}
    rows["is_return"] = np.arange(len(rows["day"])) >= len(bought["day"])
    return _in_order(rows), orders


def _goods(life: Life, customer: Ints) -> Rows:
    """Product and pieces of each line; six lines of ten are of the customer's favourite category."""
    per_category = PRODUCTS // CATEGORIES
    liked = life.rng.random(len(customer)) < 0.6
    any_category = life.rng.integers(0, CATEGORIES, len(customer))
    category = np.where(liked, life.traits.taste[customer], any_category)
    product = category * per_category + life.rng.integers(0, per_category, len(customer))
    return {"product": product, "quantity": life.rng.choice(3, len(customer), p=[0.7, 0.2, 0.1]) + 1}


def _returned(life: Life, bought: Rows, lines: Ints) -> Rows:
    """Lines of the orders that came back before the end of the span, with negative amounts and pieces."""
    parameters, rng = life.parameters, life.rng
    first, last = parameters.return_days
    chosen = rng.random(len(lines)) < parameters.return_share
    after = rng.integers(first, last + 1, len(lines))
    known_after = rng.integers(0, parameters.return_known_days + 1, len(lines))
    second = life.clock(len(lines))
    keep = np.repeat(chosen, lines)
    back = _only(bought, keep)
    back["day"] = back["day"] + np.repeat(after, lines)[keep]
    back["second"] = np.repeat(second, lines)[keep]
    back["known_after"] = np.repeat(known_after, lines)[keep]
    back["cents"], back["quantity"] = -back["cents"], -back["quantity"]
    return _only(back, back["day"] + back["known_after"] < life.days)


def payment_rows(life: Life, orders: Rows) -> Rows:
    """One bill per order of the customers who pay by invoice."""
    bills = _only(orders, life.traits.by_invoice[orders["customer"]])
    strained = life.switch(STRAINED, bills["customer"], bills["day"])
    delay = life.delay(life.parameters.payment_chance, strained)
    due = bills["day"] + life.parameters.due_days
    paid = np.where(delay == NEVER, NEVER, due + delay - 10)
    dispute = life.rng.random(len(due)) < np.array(life.parameters.dispute_share)[strained]
    disputed = np.where(dispute, due + life.parameters.dispute_days, NEVER)
    return {
        "customer": bills["customer"],
        "cents": bills["cents"],
        "due": due,
        "paid": np.where(paid < life.days, paid, NEVER),
        "paid_second": life.clock(len(due)),
        "disputed": np.where(disputed < life.days, disputed, NEVER),
    }


def visit_rows(life: Life) -> Rows:
    """Visits, the carts among them, in order; kinds other than carts carry no meaning."""
    pieces = []
    for counts, is_cart in ((life.happenings.carts, True), (life.happenings.other_visits, False)):
        customer, day = life.where(counts > 0)
        times = counts[day, customer]
        size = int(times.sum())
        kind = np.zeros(size, dtype=np.int64) if is_cart else life.rng.integers(1, len(KINDS), size)
        pieces.append({"customer": np.repeat(customer, times), "day": np.repeat(day, times), "kind": kind})
    rows = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    size = len(rows["day"])
    parameters = life.parameters
    rows["known_after"] = life.lateness(size, parameters.late_visit_share, parameters.late_visit_days)
    rows["second"] = life.clock(size)
    rows["product"] = life.rng.integers(0, PRODUCTS, size)
    rows["channel"] = life.rng.integers(0, 3, size)
    rows["duration_s"] = np.ceil(life.rng.exponential(90, size)).astype(np.int64)
    return _in_order(_only(rows, rows["day"] + rows["known_after"] < life.days))


def feedback_rows(life: Life) -> Rows:
    """Surveys asked, answered or not, then complaints and tickets; `NEVER` where there is no score or resolution."""
    surveys = _survey_rows(life)
    complaints = _trouble_rows(life, life.happenings.complaint, COMPLAINT)
    tickets = _trouble_rows(life, life.happenings.ticket, TICKET)
    rows = {name: np.concatenate([surveys[name], complaints[name], tickets[name]]) for name in surveys}
    size = len(rows["day"])
    rows["known_after"] = life.lateness(size, life.parameters.late_feedback_share, life.parameters.late_feedback_days)
    rows["second"] = life.clock(size)
    rows["topic"] = life.rng.integers(0, 4, size)
    return _in_order(_only(rows, rows["day"] + rows["known_after"] < life.days))


def _survey_rows(life: Life) -> Rows:
    customer, day = life.where(life.happenings.asked)
    kind = life.rng.integers(0, len(SURVEYS), len(customer))
    answered = life.happenings.answered[day, customer]
    unhappy = np.where(answered, UNHAPPY[life.states[day, customer] % 8], 0)
    score = np.full(len(customer), NEVER)
    for number, (_, low, high) in enumerate(SURVEYS):
        at = kind == number
        chance = np.column_stack([life.parameters.score_chance(high - low + 1), np.zeros(2)])
        score[at] = low + life.delay(chance, unhappy[at])
    return {
        "customer": customer,
        "day": day,
        "kind": kind,
        "score": np.where(answered, score, NEVER),
        "resolved": np.full(len(customer), NEVER),
    }


def _trouble_rows(life: Life, happened: Bools, kind: int) -> Rows:
    customer, day = life.where(happened)
    unhappy = life.switch(UNHAPPY, customer, day)
    wait = life.delay(life.parameters.resolution_chance, unhappy)
    resolved = np.where(wait == NEVER, NEVER, day + wait + 1)
    return {
        "customer": customer,
        "day": day,
        "kind": np.full(len(customer), kind),
        "score": np.full(len(customer), NEVER),
        "resolved": np.where(resolved < life.days, resolved, NEVER),
    }


def contract_rows(life: Life) -> Rows:
    """One subscription from sign-up for each customer whose plan has a price."""
    customer = np.arange(BLOCK)[life.traits.plan > 0]
    ends = life.happenings.contract_end[:, customer]
    return {
        "customer": customer,
        "plan": life.traits.plan[customer],
        "started": life.traits.signup_day[customer],
        "ended": np.where(ends.any(axis=0), ends.argmax(axis=0), NEVER),
        "ended_second": life.clock(len(customer)),
    }
