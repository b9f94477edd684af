"""Read a company's tables and say what was accepted, what was set aside and why; nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from churn_value.cli import ConfigPath, Overrides, main, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.evaluation.continuity import continuity
from churn_value.settings import Settings
from churn_value.tables.company import company_tables
from churn_value.tables.load import Tables


@dataclass(frozen=True)
class Result:
    """Accepted tables, and the folder that rows set aside are in."""

    tables: Tables
    quarantine: Path


def run(config: Config, settings: Settings) -> Result:
    """Open and clean every table of a configuration."""
    quarantine = settings.quarantine(config.name)
    with step(f"reading the tables of {config.name}"):
        tables = company_tables(config, settings, datetime.now(UTC))
    return Result(tables, quarantine)


def command(config: ConfigPath, overrides: Overrides = None) -> None:
    """Read a company's tables; print what was accepted, what was set aside and why, and what nothing reads."""
    result = run(load_config(config, tuple(overrides or ())), Settings.from_environment())
    reports = result.tables.reports
    rows = [
        (name, report.read, report.accepted, sum(report.quarantined.values()), report.duplicates, report.late)
        for name, report in reports.items()
    ]
    stdout.print(table("Tables", ("table", "read", "accepted", "quarantined", "duplicates", "late"), rows))
    reasons = [(name, code, count) for name, r in reports.items() for code, count in r.quarantined.items()]
    if reasons:
        stdout.print(table(f"Set aside in {result.quarantine}", ("table", "reason", "rows"), reasons))
    unread = [(name, column, kind) for name, r in reports.items() for column, kind in r.unread.items()]
    if unread:
        stdout.print(table("Columns that nothing reads", ("table", "column", "type"), unread))
    if (found := continuity(result.tables.events)).result == "issue":
        stdout.print(f"{found.code}: {found.text_en}")
    stdout.print(f"first event {result.tables.span[0]}, observed through {result.tables.span[1]} (not included)")


if __name__ == "__main__":
    main(command)
