"""Arrivals that do not wait for answers, each with its status, its time and whether it was told when to come back."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass

from benchmarks.serving_load import arrivals
from churn_value.service.serve import LOCAL


@dataclass(frozen=True)
class Met:
    """What became of one arrival: when it was planned [s], status (0: no answer), seconds from then, Retry-After."""

    planned_s: float
    status: int
    seconds: float
    retry_after: bool


async def _answer(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1]), b"\r\nretry-after:" in head, b"connection: close" in head


async def _let_go(streams):
    streams[1].close()
    with suppress(OSError):
        await streams[1].wait_closed()


async def _exchanged(port, request, idle):
    """Status and whether a time to come back was told; 0 when there was no answer on a fresh connection either."""
    while True:
        kept = bool(idle)
        with suppress(OSError, asyncio.IncompleteReadError):
            streams = idle.pop() if kept else await asyncio.open_connection(LOCAL, port)
            is_over = True
            try:
                streams[1].write(request)
                status, told, is_over = await _answer(streams[0])
            finally:
                if is_over:
                    await _let_go(streams)
            if not is_over:
                idle.append(streams)
            return status, told
        if not kept:  # the server lets go of a connection that was idle for long; that answers nobody
            return 0, False


async def _all(port, request, planned):
    idle, begun, met = [], time.perf_counter(), []

    async def one(moment):
        status, told = await _exchanged(port, request, idle)
        met.append(Met(moment, status, time.perf_counter() - begun - moment, told))

    tasks = []
    for moment in planned:
        await asyncio.sleep(max(0.0, moment - (time.perf_counter() - begun)))
        tasks.append(asyncio.create_task(one(moment)))
    await asyncio.gather(*tasks)
    for streams in idle:
        await _let_go(streams)
    return met


def arrive(port, body, rate_per_s, seconds):
    """Poisson arrivals at a rate [1/s]; latency counts from the planned moment, whatever the client was doing then."""
    head = f"POST /v1/score HTTP/1.1\r\nHost: {LOCAL}:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return asyncio.run(_all(port, request, arrivals(rate_per_s, seconds)))
