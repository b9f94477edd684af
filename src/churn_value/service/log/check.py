"""Reading a score log: its entries, and whether anything was altered, removed or moved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from churn_value.errors import DataContractError
from churn_value.service.log.score_log import FIRST, chained


@dataclass(frozen=True, slots=True)
class Finding:
    """A break in a chain: which file and line (from 1), and what is wrong there."""

    file: str
    line: int
    code: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What was found of one chain.

    Parameters
    ----------
    chain
        Its name.
    answers, missing
        Answers in it, and answers that its gap entries say are missing.
    end
        ``sealed``; ``open``, a worker is writing it or was killed; ``torn``, the same, with part of a line at the end.
    head
        Hash of the last whole line: kept elsewhere, it also proves that nothing was cut off the end.
    findings
        Breaks; empty for a chain as it was written.
    """

    chain: str
    answers: int
    missing: int
    end: str
    head: str
    findings: tuple[Finding, ...]


class _Reader:
    """Walks over the lines of one chain."""

    def __init__(self) -> None:
        self.before, self.seq, self.end = FIRST, 0, "open"
        self.answers = self.missing = 0
        self.findings: list[Finding] = []

    def file(self, path: Path, number: int) -> None:
        """Check one file, which must be the chain's file `number`."""
        if self.end == "torn" or (number and self.end != "sealed"):
            self.findings.append(Finding(path.name, 1, "FILE_BEFORE_NOT_SEALED"))
        if not path.name.endswith(f"-{number:06d}.log"):
            self.findings.append(Finding(path.name, 1, "FILE_MISSING"))
        self.end = "open"
        for place, line in enumerate(path.read_bytes().splitlines(keepends=True), start=1):
            self._line(path.name, place, line)

    def _line(self, file: str, place: int, line: bytes) -> None:
        if self.end != "open":
            self.findings.append(Finding(file, place, "LINE_AFTER_THE_END"))
        if not line.endswith(b"\n"):
            self.end = "torn"
            return
        digest, content = _split(line)
        entry = _parsed(content)
        if not _fits(self.before, line) or entry is None:
            self.findings.append(Finding(file, place, "CHAIN_BROKEN"))
        elif entry.get("seq") != self.seq:
            self.findings.append(Finding(file, place, "ENTRY_MISSING"))
        self.before = digest
        self.seq = (entry or {}).get("seq", self.seq) + 1
        self._count(entry or {})

    def _count(self, entry: dict[str, Any]) -> None:
        self.answers += entry.get("kind") == "answer"
        self.missing += entry.get("missing", 0)
        self.end = "sealed" if entry.get("kind") == "seal" else self.end


def _split(line: bytes) -> tuple[str, bytes]:
    digest, _, content = line.rstrip(b"\n").partition(b" ")
    return digest.decode("ascii", "replace"), content


def _fits(before: str, line: bytes) -> bool:
    digest, content = _split(line)
    return chained(before, content) == digest


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(content)
    except ValueError:
        return None
    whole = isinstance(entry, dict) and all(isinstance(entry.get(name, 0), int) for name in ("seq", "missing"))
    return entry if whole and "seq" in entry else None


def _chains(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    files = sorted(folder.glob("*-??????.log"))
    for name, group in groupby(files, key=lambda path: path.name.rpartition("-")[0]):
        yield name, list(group)


def verify(folder: Path) -> list[ChainReport]:
    """Report on each chain of a log.

    Raises
    ------
    DataContractError
        ``LOG_MISSING`` when the folder holds none: nothing that is not there may pass for whole.

    Notes
    -----
    A line that was altered breaks the chain there, or at the next line when its own hash was made to fit; a line or
    file removed or moved breaks it where the next one stands. Lines cut off an unsealed end, or a whole chain removed,
    leave no break: compare `head` with one that was kept elsewhere.
    """
    reports = []
    for name, files in _chains(folder):
        reader = _Reader()
        for number, path in enumerate(files):
            reader.file(path, number)
        found = tuple(reader.findings)
        reports.append(ChainReport(name, reader.answers, reader.missing, reader.end, reader.before, found))
    if not reports:
        raise DataContractError(
            "a log of answers has at least one chain",
            code="LOG_MISSING",
            where=str(folder),
            remedy="give the folder the service writes to as --log; a service that has answered nobody has none",
        )
    return reports


def answers(folder: Path) -> Iterator[dict[str, Any]]:
    """Entries of answers in a log, chain by chain.

    A torn last line is left out, and so is a line whose hash does not follow from the line before: nothing says then
    that it is what was written. `verify` names those.
    """
    for _, files in _chains(folder):
        before = FIRST
        for path in files:
            for line in path.read_bytes().splitlines(keepends=True):
                digest, content = _split(line)
                entry = _parsed(content) if line.endswith(b"\n") and _fits(before, line) else None
                if entry is not None and entry.get("kind") == "answer":
                    yield entry
                before = digest
