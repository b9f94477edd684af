"""Check the service's log of answers, and score logged answers again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from churn_value.cli import ConfigPath, main, stdout, table
from churn_value.config import load_config
from churn_value.errors import DataContractError
from churn_value.service.log.check import ChainReport, answers, verify
from churn_value.service.log.replay import Replay, Replayed
from churn_value.service.log.score_log import kept_key, pseudonym
from churn_value.settings import Settings

MOST_SHOWN = 50


@dataclass(frozen=True)
class Result:
    """Reports on the chains, and the answers that were made again."""

    chains: list[ChainReport]
    replayed: list[Replayed]


def _wanted(folder: Path, request_id: str | None, customer: str | None) -> Iterator[dict[str, Any]]:
    name = None if customer is None else pseudonym(kept_key(folder), customer)
    for entry in answers(folder):
        if request_id in (None, entry["request_id"]) and name in (None, entry["customer"]):
            yield entry


def run(
    exported: Path,
    folder: Path,
    *,
    request_id: str | None,
    customer: str | None,
    all_answers: bool,
    version: str | None,
) -> Result:
    """Check every chain; score again the answers asked for.

    Raises
    ------
    DataContractError
        ``NOT_LOGGED`` when the answers asked for are not in it, ``LOG_MISSING``, ``LOG_KEY_MISSING``.
    """
    chains, replay = verify(folder), Replay(exported, version)
    named = request_id is not None or customer is not None
    found = [replay(entry) for entry in _wanted(folder, request_id, customer)] if named or all_answers else []
    if named and not found:
        raise DataContractError(
            "an answer is scored again from its entry in the log",
            code="NOT_LOGGED",
            where=str(folder),
            received=" and ".join(filter(None, (request_id, customer))),
            remedy="check the id: --request-id takes the request_id of the answer, --customer the customer's own id; "
            "lines that break a chain are not scored, --verify lists them",
        )
    return Result(chains, found)


def show(result: Result) -> None:
    """Print chains, breaks and differences."""
    rows = [(one.chain, one.answers, one.missing, one.end, one.head[:16], len(one.findings)) for one in result.chains]
    stdout.print(table("Chains", ("chain", "answers", "missing", "end", "head", "breaks"), rows))
    breaks = [(found.file, found.line, found.code) for one in result.chains for found in one.findings]
    if breaks:
        stdout.print(table("Breaks", ("file", "line", "what"), breaks[:MOST_SHOWN]))
    changes = [
        (one.request_id, one.customer[:8], c.place, c.logged, c.now) for one in result.replayed for c in one.changes
    ]
    if result.replayed:
        equal = sum(not one.changes for one in result.replayed)
        stdout.print(f"{equal:,} of {len(result.replayed):,} answers come out the same to the bit")
    if changes:
        stdout.print(table("Differences", ("request", "customer", "place", "logged", "now"), changes[:MOST_SHOWN]))


def command(  # noqa: PLR0917 - typer makes them options
    config: ConfigPath,
    log: Annotated[Path | None, typer.Option(help="Folder of the log; default: the company's own.")] = None,
    request_id: Annotated[str | None, typer.Option(help="Score the answers of this request again.")] = None,
    customer: Annotated[str | None, typer.Option(help="Score the answers of this customer again.")] = None,
    all_answers: Annotated[bool, typer.Option("--all", help="Score every logged answer again.")] = False,
    version: Annotated[
        str | None, typer.Option(help="Model version or bundle to score with; default: its own.")
    ] = None,
    check: Annotated[bool, typer.Option("--verify", help="Fail when a chain has a break.")] = False,
) -> None:
    """Check the log of answers for tampering, and score logged answers again, by their own model or another."""
    name, settings = load_config(config).name, Settings.from_environment()
    folder = log or settings.score_log(name)
    result = run(
        settings.exported(name),
        folder,
        request_id=request_id,
        customer=customer,
        all_answers=all_answers,
        version=version,
    )
    show(result)
    if check and any(one.findings for one in result.chains):
        raise DataContractError("a log of answers must be as it was written", code="LOG_BROKEN", where=str(folder))


if __name__ == "__main__":
    main(command)
