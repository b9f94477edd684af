"""Nothing at or after as_of, by either clock, changes a feature; the same just before does."""

from datetime import datetime, time, timedelta

import pytest
from feature_world import TABLES
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from worlds_at_edges import AS_OFS, MAKERS, Draw, rows_at_edges, side_by_side, spine_of, world_at_edges

CLOCKS = {"payments": "due_at", "contracts": "started_at", "customers": "valid_from", "snapshots": "as_of"}
MASKED = {
    "feedback": ("resolved_at",),
    "payments": ("paid_at", "disputed_at"),
    "contracts": ("ended_at",),
    "customers": ("signup_at",),
}
BRIEFLY = settings(max_examples=6, deadline=None, phases=(Phase.explicit, Phase.generate), derandomize=True)


def midnight(day) -> datetime:
    return datetime.combine(day, time())


def is_future(source, row, cut) -> bool:
    """Whether either clock of the row is at or after the cut; a snapshot dated at the cut describes it."""
    event = row[CLOCKS.get(source, "event_time")]
    if event is None:
        return False
    if source == "snapshots":
        return event > cut
    return event >= midnight(cut) or (row.get("known_at") or event) >= midnight(cut)


def other_later_clocks(d, source, row, cut) -> dict:
    """The row with each clock that lies at or after the cut moved, removed or invented; what was before stays."""
    changed = dict(row)
    for clock in MASKED.get(source, ()):
        now = row.get(clock)
        dated = clock != "disputed_at" or row.get("disputed")
        if dated and now is not None and now >= midnight(cut):
            changed[clock] = d.of(midnight(cut), midnight(cut) + timedelta(days=d.of(1, 500)))
        if clock != "disputed_at" and (now is None or now >= midnight(cut)):
            changed[clock] = d.of(None, midnight(cut), midnight(cut) + timedelta(days=d.of(1, 40)))
    if row.get("disputed_at") is not None and row["disputed_at"] >= midnight(cut) and d.of(True, False):
        changed |= {"disputed": False, "disputed_at": None}
    return changed


def rewritten(d, source, row, cut) -> dict:
    """A future row with everything but its customer and clocks drawn anew."""
    clock = CLOCKS.get(source, "event_time")
    fresh = MAKERS[source](d)
    return fresh | {name: row[name] for name in ("customer_id", clock, "known_at") if name in row}


def altered_future(d, tables, cut) -> dict:
    """The same past, another future: rows deleted, rewritten and added, later clocks moved."""
    changed = {}
    for source, rows in tables.items():
        past = [other_later_clocks(d, source, row, cut) for row in rows if not is_future(source, row, cut)]
        future = [row for row in rows if is_future(source, row, cut)]
        kept = [rewritten(d, source, row, cut) for row in future if d.of(True, False)]
        added = [row for row in rows_at_edges(d, source, 40) if is_future(source, row, cut)]
        changed[source] = [*past, *kept, *added]
        d.random.shuffle(changed[source])
    return changed


@BRIEFLY
@given(seeds=st.lists(st.integers(0, 2**32), min_size=3, max_size=3, unique=True), cut=st.sampled_from(AS_OFS))
def test_another_future_changes_no_feature(engine, seeds, cut):
    worlds = [world_at_edges(seed) for seed in seeds]
    others = [altered_future(Draw(seed + 1), world, cut) for seed, world in zip(seeds, worlds, strict=True)]
    rows = engine(side_by_side([*worlds, *others]), [key for key in spine_of(6) if key[1] <= cut])
    for customer, as_of in [key for key in spine_of(3) if key[1] <= cut]:
        name, world = customer.split("/")
        assert rows[customer, as_of] == rows[f"{name}/{int(world) + 3}", as_of]


AS_OF = AS_OFS[1]
MOMENT_BEFORE = midnight(AS_OF) - timedelta(microseconds=1)
LONG_AGO = midnight(AS_OF) - timedelta(days=40)
COLUMNS = {
    "purchases": {"amount_minor": 700, "is_return": False},
    "visits": {"kind": "view"},
    "feedback": {"kind": "complaint"},
    "payments": {"amount_minor": 700},
    "contracts": {"price_minor": 700},
    "customers": {"region": "north"},
    "snapshots": {"balance": 1.0},
}
EVENTS = ("purchases", "visits", "feedback", "payments", "contracts")


def row_at(source, customer, event, known=None) -> dict:
    clock = CLOCKS.get(source, "event_time")
    return {"customer_id": customer, clock: event, "known_at": known, **COLUMNS[source]}


def changed_customers(engine, before, after) -> set:
    customers = {row["customer_id"] for tables in (before, after) for rows in tables.values() for row in rows}
    spine = [(customer, AS_OF) for customer in sorted(customers)]
    was, now = engine(before, spine), engine(after, spine)
    return {customer for customer, as_of in was if was[customer, as_of] != now[customer, as_of]}


def test_a_row_counts_from_the_day_after_both_its_clocks_and_not_a_moment_sooner(engine):
    at = midnight(AS_OF)
    clocks = {
        "both just before": (MOMENT_BEFORE, MOMENT_BEFORE),
        "known long before it happened just before": (MOMENT_BEFORE, LONG_AGO),
        "happened long before, known just before": (LONG_AGO, MOMENT_BEFORE),
        "happened at as_of": (at, at),
        "happened at as_of, known before": (at, LONG_AGO),
        "happened before, known at as_of": (LONG_AGO, at),
    }
    added = {source: [row_at(source, f"{source}: {case}", *pair) for case, pair in clocks.items()] for source in EVENTS}
    expected = {f"{source}: {case}" for source in EVENTS for case in clocks if "at as_of" not in case}
    assert changed_customers(engine, {}, added) == expected


@pytest.mark.parametrize("source", sorted(set(TABLES) - set(EVENTS)))
def test_a_profile_holds_from_the_day_after_it_is_valid_and_a_snapshot_at_its_own_date(engine, source):
    if source == "customers":
        clocks = {"undated": None, "just before": MOMENT_BEFORE, "at as_of": midnight(AS_OF)}
        expected = {"undated", "just before"}
    else:
        clocks = {"undated": None, "at its date": AS_OF, "a day later": AS_OF + timedelta(days=1)}
        expected = {"undated", "at its date"}
    rows = [row_at(source, case, moment) for case, moment in clocks.items()]
    assert changed_customers(engine, {}, {source: rows}) == expected


def test_what_follows_later_on_a_row_counts_only_when_it_lies_before_as_of(engine):
    without, following = {}, {}
    for source, clocks in MASKED.items():
        for clock in clocks:
            for case, moment in {"before": MOMENT_BEFORE, "at": midnight(AS_OF)}.items():
                row = row_at(source, f"{clock} {case}", None if source == "customers" else LONG_AGO)
                without.setdefault(source, []).append(row)
                extra = {"disputed": True} if clock == "disputed_at" else {}
                following.setdefault(source, []).append(row | extra | {clock: moment})
    expected = {f"{clock} before" for clocks in MASKED.values() for clock in clocks}
    assert changed_customers(engine, without, following) == expected


def test_a_dispute_without_a_date_is_known_when_the_payment_was_due(engine):
    due = row_at("payments", "a", LONG_AGO)
    assert changed_customers(engine, {"payments": [due]}, {"payments": [due | {"disputed": True}]}) == {"a"}
