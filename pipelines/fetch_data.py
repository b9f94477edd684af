"""Put a reference data set where its configuration expects it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churn_value.cli import main, stdout, step
from churn_value.settings import Settings
from churn_value.tables.reference import fetch


def run(name: str, settings: Settings) -> list[Path]:
    """Files of the reference set `name`, written below the data root."""
    with step(f"fetching {name}"):
        return fetch(name, settings.data_root)


def command(
    name: Annotated[str, typer.Option("--name", help="Reference set, as in completejourney.")] = "completejourney",
) -> None:
    """Write a reference data set below the data root, where its configuration expects it."""
    for path in run(name, Settings.from_environment()):
        stdout.print(str(path))


if __name__ == "__main__":
    main(command)
