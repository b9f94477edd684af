"""Write the synthetic world: all seven tables, and the truth about every customer beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churn_value.cli import main, stdout, step
from churn_value.settings import Settings
from churn_value.tables.synthetic import simulate


def run(customers: int, seed: int, settings: Settings) -> list[Path]:
    """Files of a world, written to ``synthetic/`` below the data root."""
    with step(f"simulating {customers:,} customers"):
        world = simulate(customers, seed=seed)
        return world.write(settings.data_root / "synthetic")


def command(
    customers: Annotated[int, typer.Option(min=50, max=2_000_000, help="Number of customers.")] = 5_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same world.")] = 7,
) -> None:
    """Write a synthetic world, for configs/synthetic.yaml."""
    for path in run(customers, seed, Settings.from_environment()):
        stdout.print(str(path))


if __name__ == "__main__":
    main(command)
