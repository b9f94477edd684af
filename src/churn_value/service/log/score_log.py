"""The log of answers: appended behind the answers' backs, each entry chained to the one before by its hash.

Each worker process writes a chain of its own, file after file. A line is ``<sha256> <JSON>``, the hash taken over the
hash of the line before and the JSON, so that nothing can be altered, removed or moved without a break that `verify`
names. Answers never wait for the log: they go into a bounded queue that a thread empties, a few at a time, with a rest
after them: writing takes the interpreter from whoever answers. What does not fit, or cannot be written, is lost to the
log, counted, and told by a ``gap`` entry as soon as the log can be written again. A kill loses at most what the thread
had not written yet (`EVERY_S`, and the rests); the lines before stay whole.

Customers stand in it under a pseudonym: HMAC-SHA256 of their id with the key of the folder's ``key`` file.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import secrets
import uuid
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from threading import Event, Lock, Thread

from churn_value.errors import DataContractError
from churn_value.service.log.entries import Pending, entries_of
from churn_value.service.strict_json import dump

FIRST = "0" * 64
EVERY_S = 0.2
# About a millisecond of writing, and of rest; 2,000 answers a second are written like that.
AT_ONCE, REST_S = 4, 0.001
MOST_WAITING = 2_000
CROWDED = 0.25  # of the places to wait: no more rests then
LARGEST_FILE_BYTES = 64 * 1_048_576
KEY = "key"
log = logging.getLogger("churn_value.service")


def chained(before: str, content: bytes) -> str:
    """Hash of a line: SHA-256 over the hash of the line before and the line's JSON."""
    return hashlib.sha256(before.encode() + content).hexdigest()


def key_of(folder: Path) -> bytes:
    """Key of a folder's pseudonyms; made by whoever comes first."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{KEY}.{uuid.uuid4().hex}"
    fresh.touch(mode=0o600)
    fresh.write_bytes(secrets.token_bytes(32))
    try:
        os.link(fresh, folder / KEY)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return (folder / KEY).read_bytes()


def kept_key(folder: Path) -> bytes:
    """Key of a log that was written.

    Raises
    ------
    DataContractError
        ``LOG_KEY_MISSING``: without it nobody can tell which customer an entry is about.
    """
    path = folder / KEY
    if not path.is_file():
        raise DataContractError(
            "customers of a log are found by the key it was written with",
            code="LOG_KEY_MISSING",
            where=str(path),
            remedy="bring the key file beside the log, or look an answer up by its request id",
        )
    return path.read_bytes()


def pseudonym(key: bytes, customer_id: str) -> str:
    """What a customer is called in the log."""
    return hmac.new(key, customer_id.encode(), hashlib.sha256).hexdigest()[:32]


class Chain:
    """One chain's open end.

    Parameters
    ----------
    folder
        Of the log.
    largest_bytes
        A file that has grown to this is sealed, and the chain goes on in the next.
    """

    def __init__(self, folder: Path, largest_bytes: int) -> None:
        self._folder, self._largest = folder, largest_bytes
        self._name, self._number, self._before, self._entries = uuid.uuid4().hex, 0, FIRST, 0
        self._file = self._opened()

    def _path(self) -> Path:
        return self._folder / f"{self._name}-{self._number:06d}.log"

    def _opened(self) -> int:
        descriptor = os.open(self._path(), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._file, self._bytes = descriptor, 0
        self._write([dump({"kind": "open", "chain": self._name, "file": self._number})])
        return descriptor

    def append(self, entries: Iterable[bytes]) -> None:
        """Write entries, each a JSON object, in one piece, and go on in the next file when this one is full.

        Raises
        ------
        OSError
            When they could not be written; the chain must then be given up.
        """
        self._write(entries)
        if self._bytes >= self._largest:
            self.seal()
            self._number, self._file = self._number + 1, -1
            self._file = self._opened()

    def _write(self, entries: Iterable[bytes]) -> None:
        lines = []
        for entry in entries:
            content = b'{"seq":%d,%s' % (self._entries, entry.removeprefix(b"{"))
            self._before = chained(self._before, content)
            self._entries += 1
            lines.append(self._before.encode() + b" " + content + b"\n")
        block = b"".join(lines)
        if os.write(self._file, block) != len(block):
            raise OSError("the disk took a part only")
        self._bytes += len(block)

    def seal(self) -> None:
        """End the file: what comes after its seal is not of this chain."""
        self._write([dump({"kind": "seal"})])
        os.fsync(self._file)
        os.close(self._file)

    def give_up(self) -> None:
        """Leave the file as it is."""
        os.close(self._file)


class ScoreLog:
    """The log of one worker.

    Parameters
    ----------
    folder
        Made with the first answer.
    largest_bytes, most_waiting
        Size of a file [bytes]; answers that may wait to be written.

    Attributes
    ----------
    lost
        Answers that are missing from the log, and are told by its gap entries.
    fault
        ``SCORE_LOG_UNWRITABLE`` while the disk refuses, or None.
    """

    def __init__(
        self, folder: Path, *, largest_bytes: int = LARGEST_FILE_BYTES, most_waiting: int = MOST_WAITING
    ) -> None:
        self._folder, self._largest, self._most = folder, largest_bytes, most_waiting
        self._waiting: deque[Pending] = deque()
        self._lock, self._stop = Lock(), Event()
        self._held = 0
        self._gaps = {"overflow": 0, "disk": 0}
        self._chain: Chain | None = None
        self._key: bytes | None = None
        self._thread: Thread | None = None
        self.lost = 0
        self.fault: str | None = None

    def start(self) -> None:
        """Write what waits every `EVERY_S` seconds until `stop`."""
        self._thread = Thread(target=self._follow, name="score_log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits and seal the chain."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.flush()
        if self._chain is not None:
            self._chain.seal()
            self._chain = None

    def append(self, pending: Pending) -> None:
        """Take answers to be written; returns at once."""
        with self._lock:
            if self._held + len(pending) > self._most:
                self._lose(len(pending), "overflow")
                return
            self._held += len(pending)
            self._waiting.append(pending)

    def _name(self, customer_id: str) -> str:
        return pseudonym(self._made_key(), customer_id)

    def _made_key(self) -> bytes:
        self._key = self._key or key_of(self._folder)
        return self._key

    def _lose(self, count: int, why: str) -> None:
        self.lost += count
        self._gaps[why] += count

    def _follow(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.flush(rest_s=REST_S)

    def flush(self, *, rest_s: float = 0.0) -> None:
        """Write everything that waits, as far as the disk takes it, with a rest after every few."""
        with self._lock:
            taken, self._waiting = self._waiting, deque()
            gaps = {why: missing for why, missing in self._gaps.items() if missing}
        if not taken and not gaps:
            return
        left = sum(len(pending) for pending in taken)
        try:
            self._made_key()  # first of all, since it needs the folder too
            for few in self._few_by_few(taken):
                self._appended(few, gaps)
                left -= len(few)
                gaps = {}
                if self._held <= CROWDED * self._most:
                    self._stop.wait(rest_s)
        except OSError as error:
            self._refused(left, error)
        else:
            self.fault = None

    def _few_by_few(self, taken: Iterable[Pending]) -> Iterator[list[bytes]]:
        """Entries in the order they are written in, made when it is their turn; at least once, be it none."""
        entries = chain.from_iterable(entries_of(pending, self._name) for pending in taken)
        yield list(islice(entries, AT_ONCE))
        while few := list(islice(entries, AT_ONCE)):
            yield few

    def _appended(self, entries: Sequence[bytes], gaps: Mapping[str, int]) -> None:
        """Write entries after the gaps before them, and count what stands in the log now."""
        if self._chain is None:
            self._chain = Chain(self._folder, self._largest)
        self._chain.append([*(dump({"kind": "gap", "why": why, "missing": gaps[why]}) for why in gaps), *entries])
        with self._lock:
            for why, missing in gaps.items():
                self._gaps[why] -= missing
            self._held -= len(entries)

    def _refused(self, count: int, error: OSError) -> None:
        """Give the chain up: its last line may be torn, and the next one begins with what is missing."""
        if self.fault is None:
            log.warning(json.dumps({"event": "score_log", "error": type(error).__name__, "errno": error.errno}))
        self.fault = "SCORE_LOG_UNWRITABLE"
        with self._lock:
            self._held -= count
            self._lose(count, "disk")
        if self._chain is not None:
            self._chain.give_up()
            self._chain = None
