"""Make the challenger champion if the written gate holds; say why when it does not."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from churn_value.cli import ConfigPath, Overrides, main, stdout, table
from churn_value.config import Config, load_config
from churn_value.errors import GateRefused
from churn_value.scoring.bundle import load_bundle
from churn_value.settings import Settings
from churn_value.tracking import registry
from churn_value.tracking.gate import Verdict
from churn_value.tracking.promotion import Promotion, judge, promote, rollback
from churn_value.tracking.store import open_store


def run(config: Config, settings: Settings, *, number: int | None = None) -> Promotion:
    """Promote a version, the challenger unless another is named.

    Raises
    ------
    GateRefused
        When a condition of the gate does not hold; the champion stays.
    """
    return promote(
        open_store(settings.tracking_uri, state=settings.artifacts),
        config.name,
        config.gate,
        exported=settings.exported(config.name),
        verify=load_bundle,
        now=datetime.now(UTC),
        number=number,
    )


def verdict_of(config: Config, settings: Settings, *, number: int | None = None) -> Verdict:
    """What the gate says of a version; nothing is moved."""
    store = open_store(settings.tracking_uri, state=settings.artifacts)
    named = registry.version(store, config.name, number) if number else registry.challenger(store, config.name)
    return judge(store, named, config.gate, settings.exported(config.name))


def show(verdict: Verdict) -> None:
    """Print each condition of the gate."""
    rows = [("✓" if c.passed else "✗", c.code, c.text_en) for c in verdict.conditions]
    stdout.print(table("Gate", ("", "condition", "found"), rows))


def command(
    config: ConfigPath,
    version: Annotated[int | None, typer.Option(help="Registered version; the challenger by default.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what the gate finds.")] = False,
    roll_back_to: Annotated[int | None, typer.Option(help="Make this former champion champion again.")] = None,
    overrides: Overrides = None,
) -> None:
    """Move the champion alias to the challenger if the gate holds; say why when it does not (exit status 12)."""
    loaded, settings = load_config(config, tuple(overrides or ())), Settings.from_environment()
    if roll_back_to is not None:
        store = open_store(settings.tracking_uri, state=settings.artifacts)
        place = settings.exported(loaded.name)
        rollback(store, loaded.name, roll_back_to, exported=place, verify=load_bundle, now=datetime.now(UTC))
        stdout.print(f"champion of {loaded.name} is version {roll_back_to} again")
        return
    verdict = verdict_of(loaded, settings, number=version)
    show(verdict)
    if dry_run:
        return
    try:
        done = run(loaded, settings, number=version)
    except GateRefused:
        stdout.print("the champion stays")
        raise
    stdout.print(f"champion of {loaded.name} is version {done.version.number}, in {done.folder}")


if __name__ == "__main__":
    main(command)
