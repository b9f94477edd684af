"""The routes of the service as one ASGI application, guards included; no BentoML in it.

Requests meet, in this order: request id and log line; refusals as problem documents; the body's announced length; its
content type; the caller's key and scope; the route; the body's bytes; the queue for a scoring thread.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from churn_value.service.admission import Admission
from churn_value.service.answers import respond
from churn_value.service.description import describe
from churn_value.service.gate import CODE, ITEMS, REQUEST_ID, BodyLimits, Callers, Correlation, JsonOnly, Refusals
from churn_value.service.problems import problem, refusal
from churn_value.service.serving import Serving


def dump(content: object) -> bytes:
    """Strict JSON in UTF-8: a number that is not finite is a fault of ours and raises."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _json(content: object, status: int = 200) -> Response:
    return Response(dump(content), status, {"Cache-Control": "no-store"}, "application/json")


class Routes:
    """What each route does.

    Parameters
    ----------
    serving
        State of the worker.
    """

    def __init__(self, serving: Serving) -> None:
        self.serving = serving
        options = serving.options
        self.admission = Admission(options.threads, options.waiting, options.deadline_s)
        self.threads: anyio.CapacityLimiter | None = None

    async def score(self, request: Request) -> Response:
        """``POST /v1/score``: one answer per item, in the order sent."""
        body = await _whole_body(request)
        async with self.admission.slot():
            answer = await anyio.to_thread.run_sync(
                self._score, body, request.scope[REQUEST_ID], limiter=self._limiter()
            )
        request.scope[ITEMS] = answer[1]
        return Response(answer[0], 200, {"Cache-Control": "no-store"}, "application/json")

    def _limiter(self) -> anyio.CapacityLimiter:
        """Threads of this worker; made on the event loop's first request, where it belongs."""
        if self.threads is None:
            self.threads = anyio.CapacityLimiter(self.serving.options.threads)
        return self.threads

    def _score(self, body: bytes, request_id: str) -> tuple[bytes, int]:
        content = respond(body, self.serving, request_id=request_id, now=datetime.now(UTC))
        return dump(content), len(content["results"])

    async def model(self, _: Request) -> Response:
        """``GET /v1/model``: what is served, and how good it was found."""
        served = self.serving.champion.current
        if served is None:
            raise refusal("NO_MODEL")
        return _json(describe(served))

    async def livez(self, _: Request) -> Response:
        """``GET /livez``: the process answers; nothing else is meant, so that a bad model causes no restarts."""
        return _json({"alive": True})

    async def readyz(self, _: Request) -> Response:
        """``GET /readyz``: 200 when a verified model is loaded and callers can be told apart, else 503 with why."""
        blockers = self.serving.blockers()
        served = self.serving.champion.current
        content: dict[str, Any] = {
            "ready": not blockers,
            "version": served.version if served else None,
            "faults": list(self.serving.faults()),
        }
        return _json(content, 503 if blockers else 200)


async def _whole_body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect:
        raise refusal("BODY_INCOMPLETE") from None


async def _not_routed(request: Request, error: Exception) -> Response:
    """404 and 405 of the router as problem documents."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    named = refusal("METHOD_NOT_ALLOWED" if status == 405 else "NOT_FOUND")
    headers = error.headers if isinstance(error, HTTPException) else None
    request.scope[CODE] = named.code
    return problem(named, request.scope[REQUEST_ID], headers)


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours: the caller learns the request id, the log the kind of error; the server's log has the rest."""
    del error
    return problem(refusal("INTERNAL"), request.scope.get(REQUEST_ID, "-"))


def application(serving: Serving) -> Starlette:
    """ASGI application over a worker's state.

    Parameters
    ----------
    serving
        The state; the caller starts and stops it.
    """
    routes = Routes(serving)
    options = serving.options
    return Starlette(
        routes=[
            Route("/v1/score", routes.score, methods=["POST"]),
            Route("/v1/model", routes.model, methods=["GET"]),
            Route("/livez", routes.livez, methods=["GET"]),
            Route("/readyz", routes.readyz, methods=["GET"]),
        ],
        middleware=[
            Middleware(Correlation),
            Middleware(Refusals),
            Middleware(BodyLimits, largest=options.body_bytes, timeout_s=options.body_timeout_s),
            Middleware(JsonOnly),
            Middleware(Callers, keys=serving.keys),
        ],
        exception_handlers={HTTPException: _not_routed, Exception: _failed},
    )
