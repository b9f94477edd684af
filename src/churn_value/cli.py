"""The door of every job: arguments in, exit status out, a user's error without a traceback.

Results go to standard output, progress and errors to standard error. Exit status: 0 done, 2 usage, 10 configuration,
11 data contract, 12 gate refused, 13 model, 14 registry.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from churn_value.errors import ChurnValueError, ConfigError

WIDE = 120  # columns when the output goes to a file, where nobody says how wide it may be
# What is printed are a company's own names and texts: one in brackets is no style, and `:x:` no picture.
stdout = Console(width=None if sys.stdout.isatty() else WIDE, markup=False, emoji=False)
stderr = Console(stderr=True, width=None if sys.stderr.isatty() else WIDE, markup=False, emoji=False)

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", help="The company's YAML, as in configs/completejourney.yaml.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Replace one setting, as in --set tuning.trials=5; may be given several times."),
]


def progress() -> Progress:
    """Progress bars on standard error, with the time gone by."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=28),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
    )


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is being done, and that it is done, with a spinner in between."""
    with stderr.status(Text(text)):
        yield
    stderr.print(Text.assemble(("✓", "green"), f" {text}"))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Table for the terminal; numbers are right-aligned."""
    result = Table(title=title, title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows if row[index] is not None)
        result.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        result.add_row(*(_cell(value) for value in row))
    return result


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:,.4g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _application(job: Callable[..., object]) -> typer.Typer:
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command()(job)
    return app


def help_text(job: Callable[..., object], name: str) -> str:
    """What ``python -m <name> --help`` prints."""
    command = typer.main.get_command(_application(job))
    with command.make_context(name, [], resilient_parsing=True) as context:
        return "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())


def main(job: Callable[..., object]) -> None:
    """Run a job from the command line: its parameters become options, its docstring the help.

    A user's error is printed without a traceback, and its exit status becomes the process's. So is what the system
    says of a file or folder: no such place, no permission, no room.
    """
    try:
        _application(job)()
    except ChurnValueError as error:
        _refuse(error)
    except OSError as error:
        if error.filename is None:
            raise
        _refuse(_of_file(error))


def _of_file(error: OSError) -> ConfigError:
    return ConfigError(
        "the system must let this file or folder be used",
        code="FILE_REFUSED",
        where=str(error.filename),
        received=error.strerror,
        remedy="correct the path or its permissions, or make room",
    )


def _refuse(error: ChurnValueError) -> NoReturn:
    stderr.print(Text.assemble((error.code, "bold red"), f" {error}"), soft_wrap=True)
    sys.exit(error.exit_status)
