"""The routes of the service as one ASGI application, guards included; no BentoML in it.

Requests meet, in this order: request id and log line; refusals as problem documents; the body's announced length; its
content type; the caller's key and scope; whether there is a place to wait; the route; the body's bytes; the queue for a
scoring thread, where it is not answered at once. What `door` refuses comes to none of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

import churn_value
from churn_value.errors import ChurnValueError
from churn_value.service.champion import Served
from churn_value.service.description import describe, readiness
from churn_value.service.events.arrivals import receive
from churn_value.service.exchange import KSERVE, MLFLOW, MLFLOW_CSV, OWN, Dialect, Reply, Sent, exchange
from churn_value.service.gate import (
    CODE,
    ITEMS,
    MEDIA,
    REQUEST_ID,
    BodyLimits,
    Callers,
    Correlation,
    JsonOnly,
    Refusals,
    Shedding,
)
from churn_value.service.metrics import MEDIA_TYPE
from churn_value.service.openapi import openapi
from churn_value.service.problems import problem, refusal
from churn_value.service.protocols import csv_table, invocations, v2
from churn_value.service.routes import PLANS
from churn_value.service.serving import Serving
from churn_value.service.strict_json import dump, parse

Handler = Callable[[Request], Awaitable[Response]]


def _json(content: object, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store", **({"Retry-After": "1"} if status == 503 else {})}
    return Response(dump(content), status, headers, "application/json")


class Routes:
    """What each route does.

    Parameters
    ----------
    serving
        State of the worker.
    """

    def __init__(self, serving: Serving) -> None:
        self.serving = serving

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """Handler of each route by method and path, in the order of the plans."""
        found: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/score"): self._scored_in(OWN),
            ("POST", "/v1/events"): self.events,
            ("POST", "/invocations"): self._scored_in(MLFLOW, MLFLOW_CSV),
            ("GET", "/v1/model"): self.model,
            ("GET", "/livez"): self.livez,
            ("GET", "/readyz"): self.readyz,
            ("GET", "/ping"): self.readyz,
            ("GET", "/health"): self.readyz,
            ("GET", "/version"): self.version,
            ("GET", "/metrics"): self.metrics,
            ("GET", "/openapi.json"): self.openapi,
            ("GET", "/v2"): self.v2_server,
            ("GET", "/v2/health/live"): self.v2_live,
            ("GET", "/v2/health/ready"): self.v2_ready,
        }
        for base in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            found["GET", base] = self.v2_model
            found["GET", f"{base}/ready"] = self.v2_ready
            found["POST", f"{base}/infer"] = self._scored_in(KSERVE)
        return {(plan.method, plan.path): found[plan.method, plan.path] for plan in PLANS}

    def _scored_in(self, dialect: Dialect, as_csv: Dialect | None = None) -> Handler:
        """Handler that answers for customers in the words of a protocol, which may have others for CSV."""

        async def scored(request: Request) -> Response:
            self._check_named(request)
            body = await _whole_body(request)
            with self.serving.meters.inside.track_inprogress():
                spoken = as_csv if as_csv and request.scope[MEDIA] == csv_table.MEDIA_TYPE else dialect
                sent = Sent(body, spoken, request.scope[REQUEST_ID])
                content, results = await self.serving.admission.outcome(
                    self._exchange, sent, customers=sent.customers, is_quick=sent.is_quick
                )
            request.scope[ITEMS] = len(results)
            afterwards = BackgroundTask(self._count, results)
            return Response(content, 200, {"Cache-Control": "no-store"}, "application/json", afterwards)

        return scored

    async def _count(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Count answers that were sent; no caller waits for it."""
        self.serving.meters.scored(results)

    async def events(self, request: Request) -> Response:
        """``POST /v1/events``: rows of customers, answered when they are on disk."""
        body = await _whole_body(request)
        content = await self.serving.admission.outcome(self._receive, (body, request.scope[REQUEST_ID]))
        self.serving.meters.received(content["counts"])
        request.scope[ITEMS] = len(content["results"])
        return _json(content)

    def _receive(self, sent: Sequence[tuple[bytes, str]]) -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        return [receive(parse(body), self.serving, request_id=request_id, now=now) for body, request_id in sent]

    def _exchange(self, sent: Sequence[Sent]) -> list[Reply | ChurnValueError]:
        return exchange(sent, self.serving, now=datetime.now(UTC))

    def _served(self) -> Served:
        served = self.serving.champion.current
        if served is None:
            raise refusal("NO_MODEL")
        return served

    def _check_named(self, request: Request) -> None:
        """Refuse a model or version in the path that is not the one being served."""
        name, version = request.path_params.get("model"), request.path_params.get("version")
        current = self.serving.champion.current
        if name not in (None, self.serving.options.name) or (version is not None and current is None):
            raise refusal("MODEL_UNKNOWN")
        if current is not None and version not in (None, current.version):
            raise refusal("MODEL_UNKNOWN")

    async def model(self, _: Request) -> Response:
        """``GET /v1/model``: what is served, and how good it was found."""
        return _json(describe(self._served()))

    async def livez(self, _: Request) -> Response:
        """``GET /livez``: the process answers; nothing else is meant, so that a bad model causes no restarts."""
        return _json({"alive": True})

    async def readyz(self, _: Request) -> Response:
        """``GET /readyz``: 200 when a verified model is loaded and callers can be told apart, else 503 with why."""
        content = readiness(self.serving)
        return _json(content, 200 if content["ready"] else 503)

    async def version(self, _: Request) -> Response:
        """``GET /version``: as MLflow's scoring server, its version and nothing else."""
        return Response(invocations.mlflow_version(), 200, {"Cache-Control": "no-store"}, "text/plain")

    async def metrics(self, _: Request) -> Response:
        """``GET /metrics``: figures of all workers; read from files, so not on the event loop."""
        content = await anyio.to_thread.run_sync(self.serving.meters.exposition)
        return Response(content, 200, {"Cache-Control": "no-store"}, MEDIA_TYPE)

    async def openapi(self, _: Request) -> Response:
        """``GET /openapi.json``: every route, status and schema."""
        return _json(openapi(self.serving.options))

    async def v2_server(self, _: Request) -> Response:
        """``GET /v2``."""
        return _json(v2.server_metadata(churn_value.__version__))

    async def v2_live(self, _: Request) -> Response:
        """``GET /v2/health/live``."""
        return _json({"live": True})

    async def v2_ready(self, request: Request) -> Response:
        """``GET /v2/health/ready`` and of a model."""
        self._check_named(request)
        ready = not self.serving.blockers()
        return _json({"ready": ready}, 200 if ready else 503)

    async def v2_model(self, request: Request) -> Response:
        """``GET /v2/models/{model}``."""
        self._check_named(request)
        served = self._served()
        return _json(v2.model_metadata(self.serving.options.name, served.version, served.bundle))


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
    return problem(named, request.scope[REQUEST_ID], headers, path=request.scope["path"])


async def _failed(request: Request, error: Exception) -> Response:
    """A fault of ours: the caller learns the request id, the log the kind of error; the server's log has the rest."""
    del error
    return problem(refusal("INTERNAL"), request.scope.get(REQUEST_ID, "-"), path=request.scope["path"])


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
        routes=[Route(path, handler, methods=[method]) for (method, path), handler in routes.handlers().items()],
        middleware=[
            Middleware(Correlation, meters=serving.meters),
            Middleware(Refusals),
            Middleware(BodyLimits, largest=options.body_bytes, timeout_s=options.body_timeout_s),
            Middleware(JsonOnly),
            Middleware(Callers, keys=serving.keys),
            Middleware(Shedding, admission=serving.admission),
        ],
        exception_handlers={HTTPException: _not_routed, Exception: _failed},
    )
