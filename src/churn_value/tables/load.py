"""Opening, cleaning and keeping all tables of a configuration."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from churn_value.config import Config
from churn_value.errors import SchemaError
from churn_value.tables.attributes import AttributeType
from churn_value.tables.contract import CONTRACT
from churn_value.tables.files.sources import opened
from churn_value.tables.files.text_files import TextFormat
from churn_value.tables.frames import mapped_frame
from churn_value.tables.joins import joined
from churn_value.tables.mapping import mapped_source, with_nulls
from churn_value.tables.number_formats import with_numbers
from churn_value.tables.reading import Rules
from churn_value.tables.report import TableReport
from churn_value.tables.store import Stored, keep, keep_nothing
from churn_value.tables.time_formats import with_times


@dataclass(frozen=True)
class Tables:
    """Accepted rows of all tables, and the account of how they came about.

    Parameters
    ----------
    connection
        The Ibis backend (DuckDB in memory) that holds the rows; closed with the object's life.
    events
        Accepted rows by table, under the contract's stored names; every column of the contract exists.
    present
        By table, the optional columns the source really has, and the names of its attributes.
    reports
        Account of each table.
    sha256
        Hash of all accepted rows, independent of their order: the data hash of a run.
    span
        Day of the first event and first day not observed.
    attribute_types
        By table, whether each attribute is a number or a category.
    """

    connection: Any
    events: Mapping[str, ir.Table]
    present: Mapping[str, frozenset[str]]
    reports: Mapping[str, TableReport]
    sha256: str
    span: tuple[date, date]
    attribute_types: Mapping[str, Mapping[str, AttributeType]] = field(default_factory=dict)


def open_connection(threads: int) -> Any:
    """DuckDB in memory, in UTC whatever the machine's zone, that reads files in their order."""
    connection = ibis.duckdb.connect(threads=threads)
    connection.raw_sql("SET TimeZone = 'UTC'")
    connection.raw_sql("SET preserve_insertion_order = true")
    return connection


def utc_naive(moment: datetime) -> datetime:
    """Moment without zone, in UTC; naive moments are taken to be UTC already."""
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)


def rules_of(config: Config, name: str, observed_now: datetime | ir.TimestampValue) -> Rules:
    """Cleaning rules of one table of a configuration."""
    settings = config.tables[name]
    return Rules(
        currency=config.currency,
        rates=config.rates,
        positive=config.churn.positive if config.is_snapshot else None,
        time_zone=settings.time_zone,
        observed_now=observed_now,
        late_after_days=settings.late_after_days,
    )


OUTCOME_TABLE = {"no_purchase": "purchases", "no_visit": "visits", "contract_end": "contracts", "label": "snapshots"}


def span_of(config: Config, stored: Mapping[str, Stored], observed_now: datetime) -> tuple[date, date]:
    """Day of the first event, and first day not observed, of the tables that outcomes are read from.

    Churn and value of a day can only be told where the tables that define them reach: of several, the earliest last
    event counts. Contract ends up to `observed_now` are events. Without any event both days are that of `observed_now`.
    """
    names = {OUTCOME_TABLE[config.churn.definition]} | ({"purchases"} if config.has_value else set())
    ends = [_observed(name, stored[name], observed_now) for name in sorted(names) if name in stored]
    known = [pair for pair in ends if pair is not None]
    if not known:
        return observed_now.date(), observed_now.date()
    first = min(pair[0] for pair in known)
    return first.date(), min(pair[1] for pair in known).date() + timedelta(days=1)


def _observed(name: str, stored: Stored, observed_now: datetime) -> tuple[datetime, datetime] | None:
    first, last = stored.report.first, stored.report.last
    if first is None or last is None:
        return None
    if name == "contracts":
        ended = stored.table.ended_at
        past_end = stored.table.filter(ended <= ibis.literal(observed_now, "timestamp(6)")).ended_at.max().execute()
        last = last if pd.isna(past_end) else max(last, past_end.to_pydatetime())
    return first, last


def assembled(connection: Any, config: Config, stored: Mapping[str, Stored], observed_now: datetime) -> Tables:
    """All tables of a run together, with one hash over their content."""
    hashes = json.dumps({name: kept.sha256 for name, kept in stored.items()}, sort_keys=True)
    return Tables(
        connection=connection,
        events={name: kept.table for name, kept in stored.items()},
        present={name: kept.present for name, kept in stored.items()},
        reports={name: kept.report for name, kept in stored.items()},
        sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        span=span_of(config, stored, observed_now),
        attribute_types={name: kept.types for name, kept in stored.items()},
    )


def load_tables(
    config: Config,
    *,
    data_root: Path,
    observed_now: datetime,
    quarantine_dir: Path | None = None,
    threads: int = 2,
) -> Tables:
    """Open, map, clean and keep every table of a configuration.

    Parameters
    ----------
    config
        Says where tables are and how their columns are named.
    data_root
        Folder that paths are relative to.
    observed_now
        Moment of loading; naive counts as UTC. Later events are quarantined.
    quarantine_dir
        Folder for rows set aside, one Parquet file per table; None keeps only their counts.
    threads
        DuckDB threads; they do not change results.

    Raises
    ------
    SchemaError
        When a table as a whole cannot be used: file or column missing, wrong type, no row accepted.
    ConfigError
        When a derived column's expression is outside the language.
    """
    connection = open_connection(threads)
    now = utc_naive(observed_now)
    stored = {
        name: _load_table(
            connection,
            config,
            name,
            root=data_root,
            rules=rules_of(config, name, now),
            quarantine_dir=quarantine_dir,
        )
        for name in CONTRACT
        if name in config.tables
    }
    return assembled(connection, config, stored, now)


def _load_table(
    connection: Any, config: Config, name: str, *, root: Path, rules: Rules, quarantine_dir: Path | None
) -> Stored:
    settings = config.tables[name]
    where = f"{config.source_file or config.name}: tables.{name}"
    written = TextFormat(settings.separator, settings.encoding)
    with ExitStack() as stack:
        source = stack.enter_context(
            opened(
                connection,
                f"source_{name}",
                settings.path,
                root=root,
                where=where,
                table=settings.table,
                written=written,
            )
        )
        raw = with_nulls(source.raw, settings.null_values, where)
        for number, join in enumerate(settings.joins):
            place = f"{where}.joins[{number}]"
            looked_up = joined(
                connection,
                raw,
                join,
                name=f"source_{name}_{number}",
                root=root,
                where=place,
                written=written,
            )
            raw = stack.enter_context(looked_up)
        raw = with_times(raw, settings.time_formats, where)
        raw = with_numbers(raw, settings.number_formats, where)
        mapped = replace(mapped_source(config, name, raw), broken=source.broken)
        stored = keep(connection, mapped, rules, returns=settings.returns, quarantine_dir=quarantine_dir)
    _check_not_empty(stored, where)
    return stored


def _check_not_empty(stored: Stored, where: str) -> None:
    report = stored.report
    if report.accepted:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in report.quarantined.items())
    raise SchemaError(
        "a table must have at least one usable row",
        code="EMPTY_TABLE",
        where=where,
        received=f"{report.read} rows" + (f", quarantined for {reasons}" if reasons else ""),
        remedy="correct the mapping of the columns these reasons name" if reasons else "bring a table with rows",
    )


def tables_from_frames(
    config: Config,
    frames: Mapping[str, pd.DataFrame],
    *,
    observed_now: datetime,
    quarantine_dir: Path | None = None,
    threads: int = 2,
    attribute_types: Mapping[str, Mapping[str, AttributeType]] | None = None,
) -> Tables:
    """Clean frames that have the contract's column names already.

    Parameters
    ----------
    config
        Its tables decide which tables exist; of each, `time_zone`, `returns`, `attributes` and `constants` apply.
    frames
        By table; a table of the configuration without a frame is empty. Money is in `amount` (major units) or
        `amount_minor` (integer minor units).
    observed_now
        Moment of loading; naive counts as UTC.
    quarantine_dir
        Folder for rows set aside; None keeps only their counts.
    threads
        DuckDB threads; they do not change results.
    attribute_types
        Types to read attributes as, by table, where a few rows would not show them.

    Raises
    ------
    SchemaError
        When a frame lacks a required column, or holds what no column may.
    """
    connection = open_connection(threads)
    now = utc_naive(observed_now)
    stored = {}
    for name in CONTRACT:
        if name not in config.tables:
            continue
        frame, types = frames.get(name), (attribute_types or {}).get(name, {})
        if frame is None or frame.empty:
            columns = () if frame is None else tuple(frame.columns)
            stored[name] = keep_nothing(connection, CONTRACT[name], columns, types)
            continue
        stored[name] = keep(
            connection,
            mapped_frame(connection, config, name, frame),
            rules_of(config, name, now),
            types=types,
            returns=config.tables[name].returns,
            quarantine_dir=quarantine_dir,
        )
    return assembled(connection, config, stored, now)
