"""The guards in front of the routes, outermost first: correlation, refusals, callers, body.

All are plain ASGI: they decide from the head of a request, before a byte of its body is kept. What passes has a known
caller, is JSON by its own word, and cannot bring more bytes, or take longer to bring them, than allowed.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
import time
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from churn_value.errors import ChurnValueError
from churn_value.service.admission import OVERLOADED, Admission
from churn_value.service.auth import KeyStore, check_key, check_local
from churn_value.service.metrics import Meters
from churn_value.service.problems import document, problem, refusal
from churn_value.service.routes import METHODS, OPEN_ROUTES, MediaType, label, plan_of, queued
from churn_value.service.tracing import note_request_id

REQUEST_ID = "churn_value.request_id"
CODE = "churn_value.code"
ITEMS = "churn_value.items"
MEDIA = "churn_value.media"
JSON: MediaType = "application/json"
HTTP_OK = 200
CALLER_GONE = 499
MOST_HEAD_BYTES = 32_768
WELL_FORMED_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_LENGTH = re.compile(rb"[0-9]{1,18}")
log = logging.getLogger("churn_value.service")


def values(scope: Scope, name: bytes) -> list[bytes]:
    """Values of every header of that lower-case name."""
    return [value for key, value in scope["headers"] if key == name]


class Correlation:
    """Give each request an id, send it back, and write one log line without ids or values of customers.

    Health checks that went well are not logged: an orchestrator asks every few seconds.

    Parameters
    ----------
    app
        What is behind.
    meters
        Counts each request.
    """

    def __init__(self, app: ASGIApp, meters: Meters) -> None:
        self.app = app
        self.meters = meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope[REQUEST_ID] = request_id = _request_id(scope)
        note_request_id(request_id)
        started, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = _with_id(message, request_id)
            await send(message)

        ended = False
        try:
            await self.app(scope, receive, note)
            ended = True
        except asyncio.CancelledError:
            status = status or CALLER_GONE
            raise
        finally:
            if status == 0:
                # The answer to a fault of ours is made further out.
                status = CALLER_GONE if ended else 500
                scope[CODE] = None if ended else "INTERNAL"
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route, method = label(scope["path"]), scope["method"] if scope["method"] in METHODS else "other"
        self.meters.answered(route, method, status, scope.get(CODE), seconds)
        if status != HTTP_OK or route not in OPEN_ROUTES:
            log.info(_line(scope, route, method, status, seconds))


def _request_id(scope: Scope) -> str:
    """The caller's id when it is one short plain word, otherwise a fresh one."""
    sent = values(scope, b"x-request-id")
    if len(sent) == 1 and WELL_FORMED_ID.fullmatch(sent[0]):
        return sent[0].decode("ascii")
    return fresh_id()


def fresh_id() -> str:
    """An id for a request that brought none: it names a request and guards nothing."""
    return f"{random.getrandbits(128):032x}"


def _with_id(message: Message, request_id: str) -> Message:
    headers = [pair for pair in message.get("headers", []) if pair[0].lower() != b"x-request-id"]
    return {**message, "headers": [*headers, (b"x-request-id", request_id.encode("ascii"))]}


def _line(scope: Scope, route: str, method: str, status: int, seconds: float) -> str:
    line = {
        "event": "request",
        "request_id": scope[REQUEST_ID],
        "method": method,
        "route": route,
        "status": status,
        "code": scope.get(CODE),
        "items": scope.get(ITEMS),
        "ms": round(seconds * 1000, 3),
    }
    return json.dumps({key: value for key, value in line.items() if value is not None})


class Refusals:
    """Turn each named error from within into its problem document."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, note)
        except ChurnValueError as error:
            if started:
                raise
            scope[CODE] = error.code
            _, content = document(error, scope[REQUEST_ID])
            log.debug(json.dumps(content))
            await problem(error, scope[REQUEST_ID], path=scope["path"])(scope, receive, send)


class Callers:
    """Let through who may call: by key and scope, or from this machine when no keys are configured."""

    def __init__(self, app: ASGIApp, keys: KeyStore) -> None:
        self.app = app
        self.keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] not in OPEN_ROUTES:
            if self.keys.required:
                check_key(self.keys, scope["path"], values(scope, b"authorization"))
            else:
                check_local(scope.get("server"), values(scope, b"host"))
        await self.app(scope, receive, send)


class Shedding:
    """Refuse what has no place to wait before its body is read and its route looked for.

    Under a flood refusals are most of the work, and what they cost is taken from the answers. Plain requests are
    refused before they come here, see `door`.
    """

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self.app = app
        self.admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self.admission.is_full and scope["type"] == "http" and queued(scope["method"], scope["path"]):
            raise refusal(OVERLOADED)
        await self.app(scope, receive, send)


def head_bytes(scope: Scope) -> int:
    """Bytes of a request's target and headers."""
    target = len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
    return target + sum(len(name) + len(value) for name, value in scope["headers"])


class BodyLimits:
    """Refuse a head that is too large and a body by its announced length; count and time the bytes that do come.

    The server's own limit on heads does not see one that arrives in a single piece.

    Parameters
    ----------
    app
        What is behind.
    largest
        Bytes, at most.
    timeout_s
        Time from the first look for the body to its end [s].
    """

    def __init__(self, app: ASGIApp, largest: int, timeout_s: float) -> None:
        self.app = app
        self.largest = largest
        self.timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if head_bytes(scope) > MOST_HEAD_BYTES:
            raise refusal("HEAD_TOO_LARGE")
        announced = values(scope, b"content-length")
        if len(announced) > 1 or any(not _LENGTH.fullmatch(value) for value in announced):
            raise refusal("BODY_LENGTH_INVALID")
        if announced and int(announced[0]) > self.largest:
            raise refusal("BODY_TOO_LARGE")
        await self.app(scope, self._counted(receive), send)

    def _counted(self, receive: Receive) -> Receive:
        total = 0
        ends: float | None = None

        async def counted() -> Message:
            nonlocal total, ends
            clock: Callable[[], float] = asyncio.get_running_loop().time
            ends = clock() + self.timeout_s if ends is None else ends
            message = await _before(ends, receive)
            total += len(message.get("body", b""))
            if total > self.largest:
                raise refusal("BODY_TOO_LARGE")
            return message

        return counted


async def _before(ends: float, receive: Receive) -> Message:
    try:
        async with asyncio.timeout_at(ends):
            return await receive()
    except TimeoutError:
        raise refusal("BODY_TIMEOUT") from None


class JsonOnly:
    """Refuse every body that does not declare itself plain UTF-8 JSON, or what else its route takes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            plan = plan_of(scope["path"])
            types, encodings = values(scope, b"content-type"), values(scope, b"content-encoding")
            scope[MEDIA] = check_content_type(types, encodings, plan.takes if plan else (JSON,))
        await self.app(scope, receive, send)


def check_content_type(types: list[bytes], encodings: list[bytes], taken: tuple[MediaType, ...]) -> MediaType:
    """Media type of a body: exactly one of those taken, with no charset or with utf-8, uncompressed.

    Raises
    ------
    RequestError
        ``CONTENT_TYPE_UNSUPPORTED``, ``CHARSET_UNSUPPORTED`` or ``ENCODING_UNSUPPORTED``.
    """
    if len(types) != 1:
        raise refusal("CONTENT_TYPE_UNSUPPORTED")
    named, *parameters = (part.strip().lower() for part in types[0].decode("latin-1").split(";"))
    media = next((one for one in taken if one == named), None)
    if media is None:
        raise refusal("CONTENT_TYPE_UNSUPPORTED")
    if any(part.replace('"', "") != "charset=utf-8" for part in parameters if part):
        raise refusal("CHARSET_UNSUPPORTED")
    if any(value.strip().lower() not in (b"", b"identity") for value in encodings):
        raise refusal("ENCODING_UNSUPPORTED")
    return media
