"""Random small worlds whose dates are drawn at the edges of as_of and of every window, for both clocks."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta

from feature_world import LADDER

AS_OFS = (date(2025, 6, 3), date(2025, 7, 1))
CUSTOMERS = ("a", "b", "c", "d")
_OFFSETS = sorted({offset for w in LADDER for offset in (-w - 1, -w, -w + 1)} | {-1, 0, 1})
_TIMES = (time(), time(12, 30), time(23, 59, 59, 999_999))


class Draw:
    """Seeded choices: the same seed gives the same world."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def of(self, *choices):
        return self.random.choice(choices)

    def instant(self) -> datetime:
        day = self.of(*AS_OFS) + timedelta(days=self.of(*_OFFSETS))
        return datetime.combine(day, self.of(*_TIMES))

    def known(self, event: datetime) -> datetime | None:
        lag = self.of(None, None, -1, 0, 1, 1)
        return None if lag is None else event + timedelta(days=lag)

    def after(self, event: datetime) -> datetime | None:
        """A later clock of the same row: at an edge not before the event, or never."""
        later = self.instant()
        return later if later >= event else self.of(None, event + timedelta(days=self.of(0, 1, 5)))


def purchase(d: Draw) -> dict:
    event, is_return = d.instant(), d.of(False, False, False, True, None)
    amount = d.of(0, 1, 99, 1_000, 123_456_789)
    return {
        "customer_id": d.of(*CUSTOMERS),
        "event_time": event,
        "known_at": d.known(event),
        "amount_minor": -amount if is_return or (is_return is None and d.of(True, False)) else amount,
        "is_return": is_return,
        "order_id": d.of("o1", "o2", "o3", None),
        "product_id": d.of("p1", "p2", "p3", None),
        "category": d.of("food", "toys", "衣服", None),
        "channel": d.of("web", "store", None),
        "quantity": d.of(None, 1.0, 2.0, 0.125),
        "margin_minor": d.of(None, -7, 0, 50),
    }


def visit(d: Draw) -> dict:
    event = d.instant()
    return {
        "customer_id": d.of(*CUSTOMERS),
        "event_time": event,
        "known_at": d.known(event),
        "kind": d.of("view", "click", "search", "cart", "share", "own_word"),
        "item": d.of("i1", "i2", None),
        "category": d.of("food", "toys", None),
        "duration_s": d.of(None, 0.25, 30.0),
        "session_id": d.of("s1", "s2", "s3", None),
    }


def opinion(d: Draw) -> dict:
    event, kind = d.instant(), d.of("csat", "nps", "nps", "review", "complaint", "ticket")
    is_case = kind in ("complaint", "ticket")
    return {
        "customer_id": d.of(*CUSTOMERS),
        "event_time": event,
        "known_at": d.known(event),
        "kind": kind,
        "satisfaction": None if is_case else d.of(None, 0.0, 0.25, 0.6, 0.7, 0.8, 0.9, 1.0),
        "resolved_at": d.after(event) if is_case else None,
    }


def payment(d: Draw) -> dict:
    due = d.instant()
    disputed = d.of(None, False, True)
    return {
        "customer_id": d.of(*CUSTOMERS),
        "due_at": due,
        "known_at": d.of(None, due - timedelta(days=30), due + timedelta(days=1)),
        "amount_minor": d.of(1, 500, 99_999),
        "paid_at": d.of(None, due - timedelta(days=1), due, d.instant(), due + timedelta(days=2)),
        "disputed": disputed,
        "disputed_at": d.of(None, d.instant()) if disputed else None,
    }


def contract(d: Draw) -> dict:
    start = d.instant()
    return {
        "customer_id": d.of(*CUSTOMERS),
        "started_at": start,
        "known_at": d.known(start),
        "ended_at": d.after(start),
        "plan": d.of("basic", "gold", None),
        "price_minor": d.of(None, 999, 4_999),
    }


def customer(d: Draw) -> dict:
    return {
        "customer_id": d.of(*CUSTOMERS),
        "valid_from": d.of(None, d.instant()),
        "signup_at": d.of(None, d.instant()),
        "region": d.of(None, "north", "south"),
        "gender": d.of(None, "f", "m"),
        "plan": d.of("basic", "gold"),
        "birth_year": d.of(None, 1980.0, 2001.0),
        "score_band": d.of("A", "B", None),
    }


def snapshot(d: Draw) -> dict:
    return {
        "customer_id": d.of(*CUSTOMERS),
        "as_of": d.of(None, d.instant().date()),
        "balance": d.of(None, 0.0, 12.5),
    }


MAKERS = {
    "purchases": purchase,
    "visits": visit,
    "feedback": opinion,
    "payments": payment,
    "contracts": contract,
    "customers": customer,
    "snapshots": snapshot,
}
UNIQUE = {"customers": "valid_from", "snapshots": "as_of"}


def rows_at_edges(d: Draw, source: str, count: int) -> list[dict]:
    rows = [MAKERS[source](d) for _ in range(count)]
    clock = UNIQUE.get(source)
    if clock is None:
        return rows
    return list({(row["customer_id"], row[clock]): row for row in rows}.values())


def world_at_edges(seed: int, size: int = 40) -> dict[str, list[dict]]:
    d = Draw(seed)
    return {source: rows_at_edges(d, source, d.of(0, size // 2, size, size)) for source in MAKERS}


SPINE = [(c, day) for c in (*CUSTOMERS, "nobody") for day in AS_OFS]


def side_by_side(worlds: list[dict[str, list[dict]]]) -> dict[str, list[dict]]:
    """Several worlds as one, so that one query serves them all: world i's customer a is a/i."""
    together: dict[str, list[dict]] = {source: [] for source in MAKERS}
    for number, world in enumerate(worlds):
        for source, rows in world.items():
            together[source] += [row | {"customer_id": f"{row['customer_id']}/{number}"} for row in rows]
    return together


def spine_of(worlds: int) -> list[tuple[str, date]]:
    return [(f"{customer}/{number}", as_of) for number in range(worlds) for customer, as_of in SPINE]
