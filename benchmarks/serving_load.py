"""Load on a server from one process: closed loop, and open loop with latency counted from the planned arrival.

A client that waits for its answer before it sends again hides how long others would have waited; the open loop sends
when the plan says so (Poisson arrivals of a given rate, from a seed), and time in the queue of a slow server counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

OK = 200
SEED = 5
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to send, and what: bodies are sent in turn."""

    port: int
    path: str
    bodies: tuple[bytes, ...]

    def requests(self) -> tuple[bytes, ...]:
        """Whole HTTP/1.1 requests, made once."""
        head = "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        return tuple(head.format(self.path, self.port, len(body)).encode() + body for body in self.bodies)


class Connection:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer; asked again where the server had let go of an idle connection."""
        is_kept = self._streams is not None
        try:
            return await self._asked(request)
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.close()
            if not is_kept:
                raise
            return await self._asked(request)

    async def _asked(self, request: bytes) -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=2**26)
        reader, writer = self._streams
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head.split(" ", 2)[1])
        body = await _body(reader, head)
        if "connection: close" in head:
            await self.close()
        return status, body

    async def close(self) -> None:
        """Let go of the connection."""
        if self._streams is not None:
            self._streams[1].close()
            with suppress(OSError):
                await self._streams[1].wait_closed()
            self._streams = None


async def _body(reader: asyncio.StreamReader, head: str) -> bytes:
    if "content-length:" in head:
        return await reader.readexactly(int(head.partition("content-length:")[2].partition("\r\n")[0]))
    found = b""
    while size := int((await reader.readline()).strip(), 16):  # chunked
        found += await reader.readexactly(size)
        await reader.readline()
    await reader.readline()
    return found


@dataclass
class Seen:
    """Latencies [s] of good answers, the number of others, and the time from the first to the last [s]."""

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0

    def __add__(self, other: Self) -> Self:
        """Both as one, without the time between them."""
        refused, seconds = self.refused + other.refused, self.seconds + other.seconds
        return type(self)(self.latencies + other.latencies, refused, seconds)

    def summary(self, customers: int) -> Summary:
        """Of requests with so many customers each."""
        times = np.array(self.latencies or [float("nan")]) * 1_000
        rate = len(self.latencies) / self.seconds if self.seconds else 0.0
        p50, p99 = (float(one) for one in np.percentile(times, [50, 99]))
        return Summary(len(self.latencies), self.refused, p50, p99, rate, rate * customers)


@dataclass(frozen=True, slots=True)
class Summary:
    """What one load showed: requests answered and not, latency [ms], requests and customers per second."""

    answered: int
    refused: int
    p50_ms: float
    p99_ms: float
    requests_per_s: float
    customers_per_s: float

    def to_json(self) -> dict[str, Any]:
        """By name; not-a-number, where nothing was answered, as null."""
        return {name: value if value == value else None for name, value in asdict(self).items()}  # noqa: PLR0124


def arrivals(rate_per_s: float, seconds: float, seed: int = SEED) -> list[float]:
    """Planned moments [s] of Poisson arrivals within a time, from 0."""
    rng = np.random.default_rng(seed)
    moments: list[float] = []
    at = float(rng.exponential(1 / rate_per_s))
    while at < seconds:
        moments.append(at)
        at += float(rng.exponential(1 / rate_per_s))
    return moments


def _in_turn(requests: tuple[bytes, ...]) -> Iterator[bytes]:
    while True:
        yield from requests


async def _closed(target: Target, connections: int, seconds: float, clock: Clock) -> Seen:
    seen, turn, begun = Seen(), _in_turn(target.requests()), clock()

    async def one() -> None:
        connection = Connection(target.port)
        while clock() - begun < seconds:
            sent = clock()
            _note(seen, await connection.ask(next(turn)), clock() - sent)
        await connection.close()

    await asyncio.gather(*(one() for _ in range(connections)))
    seen.seconds = clock() - begun
    return seen


def _note(seen: Seen, answer: tuple[int, bytes], latency: float) -> None:
    if answer[0] == OK:
        seen.latencies.append(latency)
    else:
        seen.refused += 1


async def _open(target: Target, connections: int, planned: list[float], clock: Clock) -> Seen:
    seen, turn, begun = Seen(), _in_turn(target.requests()), clock()
    waiting: asyncio.Queue[float | None] = asyncio.Queue()

    async def one() -> None:
        connection = Connection(target.port)
        while (moment := await waiting.get()) is not None:
            answer = await connection.ask(next(turn))
            _note(seen, answer, clock() - begun - moment)
        await connection.close()

    serving = [asyncio.create_task(one()) for _ in range(connections)]
    for moment in planned:
        await asyncio.sleep(max(0.0, moment - (clock() - begun)))
        waiting.put_nowait(moment)
    for _ in serving:
        waiting.put_nowait(None)
    await asyncio.gather(*serving)
    seen.seconds = clock() - begun
    return seen


def closed(target: Target, *, connections: int, seconds: float, clock: Clock = time.perf_counter) -> Seen:
    """Each connection sends again as soon as it is answered, until the time is up."""
    return asyncio.run(_closed(target, connections, seconds, clock))


def opened(target: Target, *, connections: int, planned: list[float], clock: Clock = time.perf_counter) -> Seen:
    """Requests leave at their planned moments; those that find no free connection wait, and the wait counts."""
    return asyncio.run(_open(target, connections, planned, clock))


def first(target: Target) -> tuple[int, bytes]:
    """Status and body of one answer; status 0 while nobody listens."""

    async def once() -> tuple[int, bytes]:
        connection = Connection(target.port)
        try:
            return await connection.ask(target.requests()[0])
        finally:
            await connection.close()

    with suppress(OSError, asyncio.IncompleteReadError):
        return asyncio.run(once())
    return 0, b""
