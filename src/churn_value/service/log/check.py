"""Reading a score log: its entries, and whether anything was altered, removed or moved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

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
        digest, _, content = line.rstrip(b"\n").partition(b" ")
        if not line.endswith(b"\n"):
            self.end = "torn"
            return
        entry = _parsed(content)
        if chained(self.before, content).encode() != digest or entry is None:
            self.findings.append(Finding(file, place, "CHAIN_BROKEN"))
        elif entry.get("seq") != self.seq:
            self.findings.append(Finding(file, place, "ENTRY_MISSING"))
        self.before = digest.decode("ascii", "replace")
        self.seq = (entry or {}).get("seq", self.seq) + 1
        self._count(entry or {})

    def _count(self, entry: dict[str, Any]) -> None:
        self.answers += entry.get("kind") == "answer"
        self.missing += entry.get("missing", 0)
        self.end = "sealed" if entry.get("kind") == "seal" else self.end


def _parsed(content: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(content)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("seq"), int) else None


def _chains(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    files = sorted(folder.glob("*-??????.log"))
    for name, group in groupby(files, key=lambda path: path.name.rpartition("-")[0]):
        yield name, list(group)


def verify(folder: Path) -> list[ChainReport]:
    """Report on each chain of a log.

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
    return reports


def answers(folder: Path) -> Iterator[dict[str, Any]]:
    """Entries of answers in a log, chain by chain; a torn last line is left out."""
    for _, files in _chains(folder):
        for path in files:
            for line in path.read_bytes().splitlines(keepends=True):
                entry = _parsed(line.rstrip(b"\n").partition(b" ")[2]) if line.endswith(b"\n") else None
                if entry is not None and entry.get("kind") == "answer":
                    yield entry
