"""Write the documents that are generated from the code, or check that they are current."""

from __future__ import annotations

from typing import Annotated

import typer

from churn_value.cli import main, stdout
from churn_value.documents import generated
from churn_value.errors import ConfigError
from pipelines import (
    backfill,
    backtest,
    build_bento,
    check_data,
    contact_list,
    demo,
    fetch_data,
    monitor,
    preview_policy,
    promote,
    read_out,
    replay,
    score,
    serve,
    simulate,
    train,
)

JOBS = (
    *(fetch_data, simulate, check_data, train, backtest, promote, score, preview_policy, serve, build_bento),
    *(backfill, replay),
    *(monitor, contact_list, read_out, demo),
)


def command(
    check: Annotated[bool, typer.Option("--check", help="Only say whether they are current.")] = False,
) -> None:
    """Write the documents that are generated from the code: settings, contract, features, commands."""
    for path, content in generated({job.__name__: job.command for job in JOBS}).items():
        current = path.exists() and path.read_text(encoding="utf-8") == content
        if not current and check:
            raise ConfigError(
                "a generated document must be what the code says", where=str(path), remedy="run make docs"
            )
        if not current:
            path.write_text(content, encoding="utf-8")
        stdout.print(f"{path}: {'current' if current else 'written'}")


if __name__ == "__main__":
    main(command)
