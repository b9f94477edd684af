"""OpenTelemetry traces through BentoML's own support: where they go, and that they carry no text of a caller.

BentoML makes one span per request and takes a caller's ``traceparent``. Its span's name and attributes hold the raw
path and text of the caller's headers, so they are overwritten before the span ends.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor
from opentelemetry.trace import SpanKind

from churn_value.errors import ConfigError
from churn_value.service.options import Options
from churn_value.service.routes import METHODS, label

EXPORTER = "opentelemetry.exporter"
EVERY_URL = ".*"
PATHS = frozenset({"http.target", "http.url", "url.path", "url.full", "http.route"})
TEXTS = frozenset(
    {"http.user_agent", "user_agent.original", "http.host", "http.server_name", "server.address", "url.query"}
)


def bentoml_tracing(options: Options) -> dict[str, Any]:
    """BentoML's settings for traces. Without a collector all requests are left out: unseen spans cost no less.

    Raises
    ------
    ConfigError
        ``EXPORTER_ABSENT`` when traces are wanted and the exporter is not installed.
    """
    if options.traces_to is None:
        return {"tracing": {"excluded_urls": [EVERY_URL]}}
    if find_spec(EXPORTER) is None:
        raise ConfigError(
            "traces need OpenTelemetry's exporter",
            code="EXPORTER_ABSENT",
            where="CHURN_VALUE_SERVICE_TRACES_TO",
            received="not installed",
            remedy="pip install opentelemetry-exporter-otlp-proto-http",
        )
    otlp = {"protocol": "http", "endpoint": options.traces_to}
    return {"tracing": {"exporter_type": "otlp", "sample_rate": options.traced_share, "otlp": otlp}}


class Scrub(SpanProcessor):
    """Calls each span by its route as soon as it starts."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Rename one span."""
        del parent_context
        if span.kind is not SpanKind.SERVER:
            # Spans of receiving and sending are called by method, path and what they do.
            span.update_name(f"http {span.name.rpartition(' ')[2]}")
            return
        method, _, path = span.name.partition(" ")
        span.update_name(f"{method if method in METHODS else 'other'} {label(path)}")


def scrub(path: str) -> None:
    """Overwrite what was copied from the request into the span; it is copied after the span has started."""
    span = trace.get_current_span()
    if isinstance(span, Span) and span.is_recording():
        known = (span.attributes or {}).keys()
        span.set_attributes({**dict.fromkeys(known & PATHS, label(path)), **dict.fromkeys(known & TEXTS, "")})


def note_request_id(request_id: str) -> None:
    """Put the request's id beside the span, so that a trace and a log line find each other."""
    trace.get_current_span().set_attribute("churn_value.request_id", request_id)
