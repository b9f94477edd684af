"""Pack the champion of a configuration, the service and its requirements into a Bento."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from churn_value.cli import ConfigPath, main, stderr, stdout
from churn_value.config import load_config
from churn_value.errors import ModelError
from churn_value.service.packed import build
from churn_value.settings import Settings

REQUIREMENTS = Path("requirements/runtime.txt")


def command(
    config: ConfigPath,
    requirements: Annotated[Path, typer.Option(help="Locked requirements to install.")] = REQUIREMENTS,
) -> None:
    """Build a Bento that needs nothing outside its own folder; `bentoml serve TAG` starts it anywhere."""
    name = load_config(config).name
    try:
        tag = build(name, Settings.from_environment(), requirements)
    except FileNotFoundError as error:
        raise ModelError(
            "a Bento packs a promoted champion and locked requirements",
            code="NOTHING_TO_PACK",
            where=str(error.filename),
            received="no such file",
            remedy="python -m pipelines.promote with the same --config",
        ) from None
    stdout.print(tag)
    stderr.print(f"start it anywhere: bentoml serve {tag} --port 3000")


if __name__ == "__main__":
    main(command)
