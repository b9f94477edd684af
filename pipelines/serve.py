"""Serve the champion of a configuration until stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from churn_value.cli import ConfigPath, main, stderr
from churn_value.config import load_config
from churn_value.service.options import Options
from churn_value.service.serve import LOCAL, PORT, serve


def command(
    config: ConfigPath,
    host: Annotated[str, typer.Option(help="Address to bind; others than loopback need --keys.")] = LOCAL,
    port: Annotated[int, typer.Option(min=1, max=65_535)] = PORT,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes.")] = 1,
    keys: Annotated[Path | None, typer.Option(help="File of hashed API keys.")] = None,
) -> None:
    """Serve the champion; MLflow need not be up. Promotions are picked up while it runs."""
    name = load_config(config).name
    stderr.print(f"serving {name} on http://{host}:{port} – POST /v1/score, GET /v1/model; Ctrl-C ends")
    serve(replace(Options.from_environment(), name=name, workers=workers, keys_file=keys), host=host, port=port)


if __name__ == "__main__":
    main(command)
