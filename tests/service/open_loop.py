"""Arrivals that do not wait for answers, each with its status, its time and whether it was told when to come back.

The client must not be what is measured: it speaks to sockets by callbacks, which costs it some fifty microseconds an
arrival, and hands arrivals that have become due to connections that are free before it opens further ones.
"""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from benchmarks.serving_load import arrivals
from churn_value.service.serve import LOCAL

AT_ONCE = 32


@dataclass(frozen=True)
class Met:
    """What became of one arrival: when it was planned [s], status (0: no answer), seconds from then, Retry-After."""

    planned_s: float
    status: int
    seconds: float
    retry_after: bool


class _Line(asyncio.Protocol):
    """A connection that carries one arrival at a time."""

    def __init__(self, caller):
        self.caller, self.moment, self.is_fresh, self.seen = caller, None, True, b""

    def connection_made(self, transport):
        self.transport = transport

    def ask(self, moment):
        self.moment, self.seen = moment, b""
        self.transport.write(self.caller.request)

    def data_received(self, data):
        self.seen += data
        ends = self.seen.find(b"\r\n\r\n")
        if ends < 0:
            return
        head = self.seen[:ends].lower() + b"\r\n"
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        if len(self.seen) < ends + 4 + length:
            return
        moment, self.moment, self.is_fresh = self.moment, None, False
        self.caller.met(moment, int(head.split(b" ", 2)[1]), b"\r\nretry-after:" in head)
        if b"\r\nconnection: close" in head:
            self.transport.close()
        else:
            self.caller.idle.append(self)

    def connection_lost(self, _):
        if self.moment is None:
            if self in self.caller.idle:
                self.caller.idle.remove(self)
        elif self.is_fresh or self.seen:
            self.caller.met(self.moment, 0, told=False)
        else:  # the server let go of a connection that was idle for long; that answers nobody
            self.caller.send(self.moment)


class _Caller:
    def __init__(self, port, request):
        self.port, self.request, self.idle, self.found = port, request, deque(), []
        self.begun, self.opening, self.is_over = time.perf_counter(), set(), asyncio.Event()
        self.expected = 0

    def met(self, moment, status, told):
        self.found.append(Met(moment, status, time.perf_counter() - self.begun - moment, told))
        if len(self.found) == self.expected:
            self.is_over.set()

    def send(self, moment):
        while self.idle:
            line = self.idle.pop()
            if not line.transport.is_closing():
                line.ask(moment)
                return
        task = asyncio.create_task(self._on_a_new_line(moment))
        self.opening.add(task)
        task.add_done_callback(self.opening.discard)

    async def _on_a_new_line(self, moment):
        try:
            _, line = await asyncio.get_running_loop().create_connection(lambda: _Line(self), LOCAL, self.port)
        except OSError:
            self.met(moment, 0, told=False)
        else:
            line.ask(moment)

    async def all(self, planned):
        self.expected = len(planned)
        for count, moment in enumerate(planned):
            wait = moment - (time.perf_counter() - self.begun)
            if wait > 0 or count % AT_ONCE == 0:
                await asyncio.sleep(max(0.0, wait))
            self.send(moment)
        await self.is_over.wait()
        for line in tuple(self.idle):
            line.transport.close()
        return self.found


async def _all(port, request, planned):
    return await _Caller(port, request).all(planned)


def arrive(port, body, rate_per_s, seconds):
    """Poisson arrivals at a rate [1/s]; latency counts from the planned moment, whatever the client was doing then."""
    head = f"POST /v1/score HTTP/1.1\r\nHost: {LOCAL}:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return asyncio.run(_all(port, request, arrivals(rate_per_s, seconds)))
