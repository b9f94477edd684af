"""Refusals of a full service, made from the bytes that arrive, before anything is done for a request.

To be told 429 by the routes costs a request half a millisecond: HTTP is parsed, a task begun, guards asked, a document
and a log line written. At ten times what the service can answer that is more than a core, and nothing is left for the
answers. Here it is a few dozen microseconds. What is refused here is only what the routes would have refused: a plain
request to a route that has a queue, on a connection where nothing else is under way, when the queue is full. Whatever
is out of the ordinary goes on to the usual parser, which decides as before. Most clients send head and body apart: the
head is enough, and a body that follows a refusal is dropped.

Refusals made here are counted like all others, but have one line in the log for all of a quarter of a second.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from churn_value.service.admission import OVERLOADED
from churn_value.service.gate import MOST_HEAD_BYTES, WELL_FORMED_ID, fresh_id
from churn_value.service.problems import PROBLEMS, problem, refusal
from churn_value.service.routes import Plan, queued

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

    from churn_value.service.serving import Serving

TOLD_EVERY_S = 0.25
MOST_READ_BYTES = 124 * 1_024
"""Of a connection at once. asyncio by itself makes room for 256 KiB before each read. From 128 KiB on the C library
takes that from the system and gives it back, which is twice the time of reading and refusing a request. It is no less
than that because an overlong head that is left unread when it is refused may cost its caller the refusal."""

_MARK = "0" * 32
_HEAD_END = b"\r\n\r\n"
_HEAD = re.compile(
    rb"([A-Z]{3,7}) (/[A-Za-z0-9._~/-]*) HTTP/1\.1"
    rb"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[\x21-\x7e][ \t\x20-\x7e]*)+)"
)
_LENGTH = re.compile(rb"[0-9]{1,9}")
_OUT_OF_THE_ORDINARY = frozenset({b"transfer-encoding", b"expect", b"upgrade"})
_KEPT = b"keep-alive"
_WHOLE = (h11.DONE, h11.MUST_CLOSE)
log = logging.getLogger("churn_value.service")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a plain request asks for.

    Parameters
    ----------
    method, path
        Of its first line.
    request_id
        The id its caller gave it, or None.
    length, missing
        Bytes of its body, and those of them that are still to come.
    """

    method: str
    path: str
    request_id: bytes | None
    length: int
    missing: int


def asked(data: bytes) -> Asked | None:
    """The one request that some bytes begin; None where there is no whole head, more than one, or anything odd.

    Plain is HTTP/1.1 with a path of plain letters, a body of announced length, no header twice, on a connection that is
    kept: then where the request ends is beyond doubt.
    """
    ends = data.find(_HEAD_END, 0, MOST_HEAD_BYTES)
    found = _HEAD.fullmatch(data, 0, ends) if ends > 0 else None
    if found is None:
        return None
    lines = found[3].split(b"\r\n")[1:]
    headers = {name.lower(): value.strip(b" \t") for name, _, value in (line.partition(b":") for line in lines)}
    length = headers.get(b"content-length", b"")
    if len(headers) < len(lines) or b"host" not in headers or not _OUT_OF_THE_ORDINARY.isdisjoint(headers):
        return None
    if headers.get(b"connection", _KEPT).lower() != _KEPT or not _LENGTH.fullmatch(length):
        return None
    missing = int(length) - (len(data) - ends - len(_HEAD_END))
    if missing < 0:
        return None
    given = headers.get(b"x-request-id")
    named = given if given is not None and WELL_FORMED_ID.fullmatch(given) else None
    return Asked(found[1].decode(), found[2].decode(), named, int(length), missing)


@cache
def _template(route: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Status line, headers, and what stands before and after the request's id in the body."""
    response = problem(refusal(OVERLOADED), _MARK, path=route)
    before, _, after = bytes(response.body).partition(_MARK.encode())
    own = (b"content-length", b"x-request-id")
    kept = [name + b": " + value for name, value in response.raw_headers if name not in own]
    line = f"HTTP/1.1 {response.status_code} {HTTPStatus(response.status_code).phrase}"
    return line.encode(), b"\r\n".join(kept), before, after


def refused(route: str, request_id: bytes, default_headers: list[tuple[bytes, bytes]]) -> bytes:
    """The whole refusal of one request: status line, headers and document, as the routes would have made it.

    Parameters
    ----------
    route
        Path of the route's plan.
    request_id
        Sent back in a header and in the document.
    default_headers
        Those the server adds to every answer.
    """
    line, headers, before, after = _template(route)
    added = b"".join(b"\r\n" + name + b": " + value for name, value in default_headers)
    length = len(before) + len(request_id) + len(after)
    head = b"%s%s\r\n%s\r\ncontent-length: %d\r\nx-request-id: %s\r\n\r\n"
    return head % (line, added, headers, length, request_id) + before + request_id + after


class Crowd:
    """What the connections of one process know of each other.

    Attributes
    ----------
    serving
        State of the worker; None until it is loaded.
    entering
        Requests that have come whole and have not reached the queue yet. They do within one turn of the event loop, in
        which hundreds may arrive; without them all of those would be let in for the one place that is free.
    """

    def __init__(self) -> None:
        self.serving: Serving | None = None
        self.entering = 0
        self._untold: Counter[tuple[str, str]] = Counter()

    def is_full(self) -> bool:
        """Whether one more request would find no place to wait."""
        return self.serving is not None and not self.serving.admission.has_room_for(self.entering + 1)

    def enter(self, loop: asyncio.AbstractEventLoop) -> None:
        """Count a request as on its way until the turn of the loop in which it reaches the queue is over."""
        self.entering += 1
        loop.call_soon(self._entered)

    def _entered(self) -> None:
        self.entering -= 1

    def refuse(self, method: str, route: str, loop: asyncio.AbstractEventLoop) -> None:
        """Count a refusal; it is told with those that follow soon."""
        if not self._untold:
            loop.call_later(TOLD_EVERY_S, self.tell)
        self._untold[method, route] += 1

    def tell(self) -> None:
        """Add the refusals since the last time to the metrics, and one line for each route to the log."""
        told, self._untold = self._untold, Counter()
        status, _ = PROBLEMS[OVERLOADED]
        for (method, route), count in told.items():
            if self.serving is not None:
                self.serving.meters.refused(route, method, status, OVERLOADED, count)
            line = {"event": "refused", "method": method, "route": route, "status": status, "code": OVERLOADED}
            log.info(json.dumps({**line, "count": count}))


class Door(H11Protocol):
    """A connection of uvicorn's that refuses what has no place to wait, and hands on everything else.

    Parameters
    ----------
    crowd
        Shared by all connections of the process.
    config, server_state, app_state, _loop
        As uvicorn gives them.
    """

    def __init__(
        self,
        crowd: Crowd,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._crowd = crowd
        self._to_drop = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Read no more at once than is cheap to make room for."""
        super().connection_made(transport)
        if hasattr(transport, "max_size"):  # sockets of asyncio's loop; other loops do without
            transport.max_size = MOST_READ_BYTES

    def data_received(self, data: bytes) -> None:
        """Refuse the request that has come, or hand it on."""
        if self._to_drop:
            dropped = min(self._to_drop, len(data))
            self._to_drop -= dropped
            data = data[dropped:]
            if not data:
                return
        before = self.conn.their_state
        if before is h11.IDLE and self.conn.our_state is h11.IDLE and self._crowd.is_full() and self._refuses(data):
            return
        super().data_received(data)
        is_whole_now = before not in _WHOLE and self.conn.their_state in _WHOLE
        if is_whole_now and queued(self.scope["method"], self.scope["path"]):
            self._crowd.enter(self.loop)

    def _refuses(self, data: bytes) -> bool:
        found, serving = asked(data), self._crowd.serving
        if found is None or serving is None or found.length > serving.options.body_bytes:
            return False
        plan = queued(found.method, found.path)
        if plan is None:
            return False
        if self.flow.write_paused or self.conn.trailing_data != (b"", False):
            return False  # a caller that does not read, or one in the middle of a head
        self._to_drop = found.missing
        self._refuse(plan, found.request_id or fresh_id().encode())
        return True

    def _refuse(self, plan: Plan, request_id: bytes) -> None:
        self._crowd.refuse(plan.method, plan.path, self.loop)
        self._unset_keepalive_if_required()
        self.transport.write(refused(plan.path, request_id, self.server_state.default_headers))
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        self.server_state.total_requests += 1
