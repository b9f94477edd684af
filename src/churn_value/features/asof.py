"""The as-of engine: the only place in this package that compares an event's time with an as_of.

Every clock becomes a day number once (midnights from 1970-01-01), and every comparison is one of integers. A row is
past iff ``event_day < as_of_day`` and ``known_day < as_of_day``; it is then ``age_days = as_of_day - event_day >= 1``
old, and within a window of ``w`` days iff ``age_days <= w``, which is ``[as_of - w, as_of)`` at midnight precision. The
other clocks of a row (when a ticket was resolved, an invoice paid, a contract ended) are null from as_of on.

Rows are reduced to partials per (customer, event day, known day, key) before as_of dates come in. That is exact, since
all windows are whole days, and lets many as_of dates share one pass over the events. Each source and grain is read
once, for all windows and all dates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir

from churn_value.errors import LeakageError
from churn_value.features.clocks import CLOCKS, day_number_of
from churn_value.features.declare import Feature
from churn_value.features.grain import Grain, Measure, RowValue
from churn_value.features.past import Past, profile_name, windowed_name

SPINE_KEYS = ("customer_id", "as_of")
_KEYS = ("customer_id", "as_of_day")
_BEFORE_ALL_DAYS = -(10**6)


def _numbered(source: str, table: ir.Table) -> ir.Table:
    """Rows of a table with day numbers instead of time: ``event_day``, ``known_day``, and each masked clock."""
    clocks = CLOCKS[source]
    event = day_number_of(table[clocks.event])
    if source == "snapshots":
        event = event - 1
    if clocks.undated:
        event = event.fill_null(_BEFORE_ALL_DAYS)
    known = event
    if clocks.known is not None and clocks.known in table.columns:
        known = day_number_of(table[clocks.known]).fill_null(event)
    masked = {name: day_number_of(table[name]) for name in clocks.masked}
    for name, flag in clocks.flags.items():
        masked[name] = masked[name].fill_null(table[flag].ifelse(event, ibis.null("int64")))
    return table.mutate(event_day=event, known_day=known, **masked)


def _past(rows: ir.Table, asked: ir.Table, masked: Iterable[str]) -> ir.Table:
    """Numbered rows joined to each (customer_id, as_of_day) asked for, past ones only, later clocks null."""
    joined = asked.join(rows, "customer_id")
    past = joined.filter(joined.event_day < joined.as_of_day, joined.known_day < joined.as_of_day)
    hidden = {name: (past[name] < past.as_of_day).ifelse(past[name], ibis.null("int64")) for name in masked}
    return past.mutate(age_days=past.as_of_day - past.event_day, **hidden)


def _asked(spine: ir.Table) -> ir.Table:
    """Distinct (customer_id, as_of_day): a spine row given twice must not count twice."""
    return spine.select("customer_id", as_of_day=day_number_of(spine.as_of), as_of_year=spine.as_of.year()).distinct()


def past_of(source: str, events: ir.Table, spine: ir.Table) -> ir.Table:
    """Rows of a canonical table that were known before each spine row's as_of.

    Parameters
    ----------
    source
        Name of the table in the contract.
    events
        Its accepted rows.
    spine
        ``customer_id`` string, ``as_of`` date.

    Returns
    -------
    ir.Table
        The table's columns beside ``as_of``, ``as_of_day``, ``event_day``, ``known_day`` and ``age_days`` >= 1. Clocks
        of what follows later (``ended_at``, ``paid_at``, ...) are day numbers, null from as_of on.
    """
    clocks = CLOCKS[source]
    rows = _numbered(source, events)
    rows = rows.drop(*({clocks.event, clocks.known, *clocks.flags.values()} & set(rows.columns)))
    asked = spine.select(*SPINE_KEYS, as_of_day=day_number_of(spine.as_of)).distinct()
    return _past(rows, asked, clocks.masked)


class _Row:
    """A raw row as an author sees it before as_of dates come in: without what tells of a later time."""

    def __init__(self, rows: ir.Table, grain: Grain) -> None:
        self._rows = rows
        self._where = f"{grain.source}.{grain.name}"
        self._hidden = CLOCKS[grain.source].hidden

    def __getattr__(self, column: str) -> ir.Column:
        if column in self._hidden:
            raise LeakageError(
                f"{column} is not known before as_of dates come in",
                code="FEATURE_SEES_LATER_CLOCK",
                where=self._where,
                remedy="use it in a measure of `after`, where it is masked",
            )
        return self._rows[column]

    def compute(self, value: RowValue) -> ir.Value:
        """The value, refused when it looks at other rows: those may be of the future."""
        computed = value(self)
        if computed.op().find((ops.Reduction, ops.Analytic, ops.WindowFunction)):
            raise LeakageError(
                "a column computed before as_of dates come in may look at its own row only",
                code="FEATURE_SEES_OTHER_ROWS",
                where=self._where,
                remedy="move the computation to the feature's reduction",
            )
        return computed


def _combined(measures: Mapping[str, Measure], rows: ir.Table) -> dict[str, ir.Scalar]:
    """Measures of already computed columns, combined over the rows of a group."""
    return {name: getattr(rows[name], measure.how)() for name, measure in measures.items()}


def _partials(grain: Grain, sources: Mapping[str, ir.Table]) -> ir.Table:
    """Raw rows reduced to (customer, event day, known day, key, later clocks); those of several tables put together."""
    if grain.parts:
        return ibis.union(*(_partials(part, sources) for part in grain.parts))
    rows = _numbered(grain.source, sources[grain.source])
    if grain.kept is not None:
        rows = rows.filter(_Row(rows, grain).compute(grain.kept))
    row = _Row(rows, grain)
    named = {**grain.key, **grain.carried, **{name: measure.value for name, measure in grain.before.items()}}
    by = ["customer_id", "event_day", "known_day", *grain.masked, *grain.key, *grain.carried]
    rows = rows.mutate(**{name: row.compute(value) for name, value in named.items()}).select(*by, *grain.before)
    return rows.group_by(by).aggregate(**_combined(grain.before, rows))


def _days(grain: Grain, past: ir.Table) -> ir.Table:
    """Past partials as one row per (customer, as_of, day), with gaps and silence where the grain asks for them."""
    rows = past.mutate(**{name: measure.value(past) for name, measure in grain.after.items()})
    by = [*_KEYS, "event_day"]
    days = rows.group_by(by).aggregate(**_combined(grain.measures, rows))
    days = days.mutate(age_days=days.as_of_day - days.event_day)
    if grain.gaps_of is not None:
        days = _with_gaps(days, grain.gaps_of)
    return days if grain.silence_of is None else _with_silence(days, grain.silence_of)


def _with_gaps(days: ir.Table, measure: str) -> ir.Table:
    """Days with the one before on which there was something, and the days between."""
    happened = days[measure] > 0
    earlier = ibis.window(group_by=list(_KEYS), order_by=days.event_day, preceding=(None, 1))
    previous = happened.ifelse(days.event_day, ibis.null("int64")).max().over(earlier)
    days = days.mutate(previous_day=previous)
    happened = days[measure] > 0
    return days.mutate(gap_days=happened.ifelse(days.event_day - days.previous_day, ibis.null("int64")))


def _with_silence(days: ir.Table, measure: str) -> ir.Table:
    """Days marked where the last one on which there was something lies before them."""
    happened = (days[measure] > 0).ifelse(days.event_day, ibis.null("int64"))
    days = days.mutate(last_day=happened.max().over(ibis.window(group_by=list(_KEYS))))
    return days.mutate(is_silent=(days.event_day > days.last_day).fill_null(True))


def _keys(grain: Grain, past: ir.Table, windows: Sequence[int | None]) -> ir.Table:
    """Past partials as one row per (customer, as_of, key), each measure counted within each window that is used."""
    counts: dict[str, ir.Scalar] = {}
    for name, measure in grain.before.items():
        for window in windows:
            within = None if window is None else past.age_days <= window
            counts[windowed_name(name, window)] = getattr(past[name], measure.how)(where=within).fill_null(0)
    return past.group_by([*_KEYS, *grain.key]).aggregate(**counts)


def _versioned(table: ir.Table, event: str, contents: Sequence[str]) -> ir.Table:
    """Rows numbered per customer from oldest to newest; of equally old ones the order of their contents decides."""
    order = [ibis.asc(table[name], nulls_first=True) for name in (event, *contents)]
    return table.mutate(version=ibis.row_number().over(ibis.window(group_by="customer_id", order_by=order)))


def _latest(grain: Grain, features: Sequence[Feature], table: ir.Table, asked: ir.Table) -> ir.Table:
    """The newest past row of each (customer, as_of)."""
    clocks = CLOCKS[grain.source]
    times = [name for name in (clocks.event, clocks.known, *clocks.masked) if name in table.columns]
    required = sorted({column for f in features for column in f.requires})
    described = {name: profile_name(name) for name in required if name not in times}
    rows = table.select("customer_id", *times, **{own: table[name] for name, own in described.items()})
    contents = [described.get(name, name) for name in required]
    rows = _numbered(grain.source, _versioned(rows, clocks.event, contents))
    past = _past(rows, asked, clocks.masked)
    newest = past.version.max().over(ibis.window(group_by=list(_KEYS)))
    past = past.mutate(is_newest=past.version == newest)
    return past.filter(past.is_newest)


def _rows(grain: Grain, features: Sequence[Feature], sources: Mapping[str, ir.Table], asked: ir.Table) -> ir.Table:
    """Rows of the past that features of one grain see."""
    if grain.shape == "latest":
        return _latest(grain, features, sources[grain.source], asked)
    past = _past(_partials(grain, sources), asked, grain.masked)
    if grain.shape == "days":
        return _days(grain, past)
    windows = dict.fromkeys(span for f in features for span in (f.window_days, f.window_days and f.longest_days))
    if None not in windows:
        past = past.filter(past.age_days <= max(span for span in windows if span is not None))
    return _keys(grain, past, list(windows))


def _scan(grain: Grain, features: Sequence[Feature], sources: Mapping[str, ir.Table], asked: ir.Table) -> ir.Table:
    """Every feature of one source and grain, one row per (customer, as_of) that has a past there."""
    rows = _rows(grain, features, sources, asked)
    values: dict[str, ir.Scalar] = {}
    for f in features:
        past = Past(
            rows,
            dated=grain.shape != "keys",
            window_days=f.window_days,
            longest_days=f.longest_days,
            half_life_days=f.half_life_days,
        )
        values[f.name] = f.reduce(past).cast("float64" if f.dtype == "number" else "string")
    return rows.group_by(_KEYS).aggregate(**values)


def scans(
    features: Sequence[Feature], sources: Mapping[str, ir.Table], spine: ir.Table
) -> list[tuple[tuple[Feature, ...], ir.Table]]:
    """Features by source and grain, each group with the relation that computes it.

    Such a relation has ``customer_id``, ``as_of_day`` and the features, one row per (customer, as_of) that has a
    past there; where a row is absent or a value null, `Feature.empty` has still to be put.
    """
    asked = _asked(spine)
    by_grain = sorted(features, key=lambda f: (f.source, f.grain.name))
    groups = [tuple(group) for _, group in groupby(by_grain, key=lambda f: (f.source, f.grain.name))]
    return [(group, _scan(group[0].grain, group, sources, asked)) for group in groups]


def build(features: Sequence[Feature], sources: Mapping[str, ir.Table], spine: ir.Table) -> ir.Table:
    """Features of each spine row; nothing runs until the result is executed.

    Parameters
    ----------
    features
        What to compute; see `churn_value.features.catalog`.
    sources
        Canonical tables by name, at least those the features are computed from; every column of the contract exists.
    spine
        ``customer_id`` string, ``as_of`` date: one row per prediction.

    Returns
    -------
    ir.Table
        One row per spine row, in no particular order: ``customer_id``, ``as_of``, then the features as given. Numbers
        are float64, exact up to 2**53; categories are strings. `Feature.empty` stands where nothing happened.
    """
    table = spine.select(*SPINE_KEYS, as_of_day=day_number_of(spine.as_of))
    for number, (_, scan) in enumerate(scans(features, sources, spine)):
        customer, day = f"customer_{number}", f"day_{number}"
        own = scan.rename({customer: "customer_id", day: "as_of_day"})
        table = table.left_join(own, [table.customer_id == own[customer], table.as_of_day == own[day]])
    filled = {f.name: table[f.name] if f.empty is None else table[f.name].fill_null(f.empty) for f in features}
    return table.select(*SPINE_KEYS, **filled)
