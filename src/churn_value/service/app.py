"""The BentoML service: `bentoml serve churn_value.service.app:ChurnValue`; the only importer of bentoml.

BentoML brings the worker processes, their sockets and supervision, tracing, and packaging. Every HTTP request is
answered by our own application, which stands in front of BentoML's router as a middleware: of BentoML's own routes
(``/``, ``/docs.json``, ``/schema.json``, ``/metrics``, ``/healthz`` and the multipart parsing of its APIs, which can be
made to answer 500) none can be reached. Its access log and metrics stay off: both carry the raw path of a request, in
which a caller may have put an id.

BentoML's own limits lie outside ours and are set so wide that ours refuse first, with a document and a Retry-After.
BentoML lets uvicorn choose how connections are read; what uvicorn would choose by itself is replaced by `door.Door`.
"""

from __future__ import annotations

import logging
from functools import partial
from threading import Lock, current_thread, main_thread

import bentoml
from bentoml._internal.configuration.containers import BentoMLContainer
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import HTTP_PROTOCOLS

from churn_value.scoring.collector import collect_rarely
from churn_value.service.door import Crowd, Door
from churn_value.service.drain import drain_on_sigterm
from churn_value.service.http import application
from churn_value.service.options import Options
from churn_value.service.packed import options_here, settings_here
from churn_value.service.problems import problem, refusal
from churn_value.service.serving import Serving
from churn_value.service.tracing import Scrub, bentoml_tracing, scrub
from churn_value.settings import Settings

OPTIONS = options_here()
LONGEST_S = 60.0
LOCAL = "127.0.0.1"
PORT = 3000


class _Front:
    """Holds the application of this process between the service's start and its end."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.serving: Serving | None = None
        self.crowd = Crowd()
        self.application: ASGIApp | None = None

    def open(self, options: Options, settings: Settings) -> None:
        """Load and follow the champion; answer from it."""
        with self._lock:
            serving = Serving(options, settings)
            serving.start()
            collect_rarely()
            self.serving, self.application = serving, application(serving)
            self.crowd.serving = serving

    def drain(self) -> None:
        """Be no longer ready."""
        if self.serving is not None:
            self.serving.drain()

    def close(self) -> None:
        """Stop following; requests still inside are answered."""
        with self._lock:
            if self.serving is not None:
                self.serving.stop()


FRONT = _Front()
CONNECTION = partial(Door, FRONT.crowd)
HTTP_PROTOCOLS["auto"] = f"{__name__}:CONNECTION"


class InFront:
    """Middleware that answers every request itself and hands BentoML only its start and end."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, _then_drain(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            scrub(scope["path"])
            await (FRONT.application or _STARTING)(scope, receive, send)


_STARTING = problem(refusal("STARTING"), "-")


def _then_drain(send: Send) -> Send:
    """Send that, once the server has started, puts our end in front of its own."""

    async def started(message: Message) -> None:
        await send(message)
        if message["type"] == "lifespan.startup.complete" and current_thread() is main_thread():
            drain_on_sigterm(FRONT.drain, OPTIONS.drain_s)

    return started


@bentoml.service(
    name="churn_value",
    workers=OPTIONS.workers,
    threads=OPTIONS.threads,
    traffic={"timeout": LONGEST_S, "max_concurrency": 4_096 * OPTIONS.workers},
    http={"host": LOCAL, "port": PORT, "cors": {"enabled": False}},
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    **bentoml_tracing(OPTIONS),
)
class ChurnValue:
    """One governed answer per customer: value, churn, satisfaction, tier, reasons, actions."""

    def __init__(self) -> None:
        _log_to_stderr()
        BentoMLContainer.tracer_provider.get().add_span_processor(Scrub())
        FRONT.open(OPTIONS, settings_here())

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def close(self) -> None:
        """Stop following the champion."""
        FRONT.close()


ChurnValue.add_asgi_middleware(InFront)  # type: ignore[attr-defined]  # the decorator made it a Service


def _log_to_stderr() -> None:
    """One JSON line per request on standard error, outside BentoML's own log format."""
    logger = logging.getLogger("churn_value.service")
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
