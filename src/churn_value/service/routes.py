"""Every route of the service, once: who may call it, what it refuses, and the name it has in logs and metrics."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Scope = Literal["score", "events", "admin"]
MediaType = Literal["application/json", "text/csv"]
ANY_KEY: frozenset[Scope] = frozenset({"score", "events", "admin"})
SCORE: frozenset[Scope] = frozenset({"score"})
EVENTS: frozenset[Scope] = frozenset({"events"})

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")  # known; others are called other
GUARDS = frozenset(
    {
        "BODY_LENGTH_INVALID",
        "BODY_TOO_LARGE",
        "HEAD_TOO_LARGE",
        "KEYS_REQUIRED",
        "HOST_NOT_LOCAL",
        "INTERNAL",
        "STARTING",
    }
)
KEYED = frozenset({"KEY_MISSING", "KEY_INVALID", "SCOPE_MISSING"})
BODY = frozenset(
    {
        "BODY_EMPTY",
        "BODY_NOT_UTF8",
        "BODY_INCOMPLETE",
        "BODY_TIMEOUT",
        "CHARSET_UNSUPPORTED",
        "CONTENT_TYPE_UNSUPPORTED",
        "ENCODING_UNSUPPORTED",
        "JSON_DUPLICATE_KEY",
        "JSON_INVALID",
        "JSON_NOT_FINITE",
        "JSON_NUMBER_TOO_LONG",
        "JSON_TOO_DEEP",
        "TEXT_HAS_NUL",
        "TEXT_HAS_SURROGATE",
        "REQUEST_NOT_OBJECT",
    }
)
CSV = frozenset({"CSV_INVALID", "CSV_HEADER_INVALID", "CSV_ROW_RAGGED", "CSV_NUMBER_INVALID"})
QUEUE = frozenset({"OVERLOADED", "WAITED_TOO_LONG"})
ITEMS = frozenset(
    {"FIELD_MISSING", "FIELD_UNKNOWN", "FIELD_INVALID", "ITEMS_EMPTY"}
    | {"ITEMS_TOO_MANY", "EXPLAINED_TOO_MANY", "EVENTS_TOO_MANY"}
)
NO_MODEL = frozenset({"NO_MODEL"})
NAMED = frozenset({"MODEL_UNKNOWN"})
SCORED = BODY | QUEUE | ITEMS | NO_MODEL
KEPT = (
    BODY
    | QUEUE
    | NO_MODEL
    | {"FIELD_MISSING", "FIELD_UNKNOWN", "FIELD_INVALID", "ITEMS_EMPTY", "ITEMS_TOO_MANY"}
    | {"EVENTS_UNAVAILABLE", "STORAGE_FULL"}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One route.

    Parameters
    ----------
    method, path
        ``GET`` or ``POST``, and its path, in which ``{model}`` and ``{version}`` stand for one segment.
    summary
        What it does.
    answer
        Name of the schema of its 200.
    scopes
        A key needs one of these; empty: open to everyone.
    request
        Name of the schema of its body, or None.
    refusals
        Codes of `PROBLEMS` it can answer with, apart from those of the guards.
    takes
        Media types of its body.
    answers_unready
        Whether its schema also comes with 503.
    """

    method: Literal["GET", "POST"]
    path: str
    summary: str
    answer: str
    scopes: frozenset[Scope] = ANY_KEY
    request: str | None = None
    refusals: frozenset[str] = frozenset()
    takes: tuple[MediaType, ...] = ("application/json",)
    answers_unready: bool = False

    @property
    def codes(self) -> frozenset[str]:
        """Codes of every refusal it can answer with."""
        return self.refusals | GUARDS | (KEYED if self.scopes else frozenset())


_ADMIN: frozenset[Scope] = frozenset({"admin"})
_MODEL = "/v2/models/{model}"
_VERSION = "/v2/models/{model}/versions/{version}"
_INFER = SCORED | NAMED | {"TENSOR_INVALID", "OUTPUT_UNKNOWN"}

PLANS: tuple[Plan, ...] = (
    Plan("POST", "/v1/score", "Answers for customers, in the order sent.", "Response", SCORE, "Request", SCORED),
    Plan("POST", "/v1/events", "New events of customers, kept when answered.", "Receipt", EVENTS, "Arrivals", KEPT),
    Plan("GET", "/v1/model", "The model being served.", "Description", SCORE | _ADMIN, refusals=NO_MODEL),
    Plan("GET", "/livez", "The process answers.", "Liveness", frozenset()),
    Plan("GET", "/readyz", "Whether it can score.", "Readiness", frozenset(), answers_unready=True),
    Plan("GET", "/metrics", "Figures for Prometheus.", "Exposition", _ADMIN),
    Plan("GET", "/openapi.json", "This description.", "OpenApi"),
    Plan(
        "POST",
        "/invocations",
        "Predictions as MLflow's scoring server gives them.",
        "Predictions",
        SCORE,
        "Invocation",
        SCORED | {"TABLE_INVALID"} | CSV,
        ("application/json", "text/csv"),
    ),
    Plan("GET", "/version", "Version of the MLflow whose scoring protocol is spoken.", "Version"),
    Plan("GET", "/ping", "Readiness, where MLflow's client asks for it.", "Readiness", answers_unready=True),
    Plan("GET", "/health", "The same, under its other name.", "Readiness", answers_unready=True),
    Plan("GET", "/v2", "Metadata of the server (KServe V2).", "ServerMetadata"),
    Plan("GET", "/v2/health/live", "Liveness (KServe V2).", "V2Live"),
    Plan("GET", "/v2/health/ready", "Readiness (KServe V2).", "V2Ready", answers_unready=True),
    *(
        plan
        for base in (_MODEL, _VERSION)
        for plan in (
            Plan("GET", base, "Metadata of the model (KServe V2).", "ModelMetadata", refusals=NAMED | NO_MODEL),
            Plan("GET", f"{base}/ready", "Readiness of the model.", "V2Ready", refusals=NAMED, answers_unready=True),
            Plan("POST", f"{base}/infer", "Inference (KServe V2).", "InferResponse", SCORE, "InferRequest", _INFER),
        )
    ),
)

OPEN_ROUTES = frozenset(plan.path for plan in PLANS if not plan.scopes)
_EXACT = {plan.path: plan for plan in PLANS if "{" not in plan.path}
_PATTERNS = tuple((re.compile(re.sub(r"\{[a-z]+\}", "[^/]+", plan.path)), plan) for plan in PLANS if "{" in plan.path)


def plan_of(path: str) -> Plan | None:
    """Plan of the route a path leads to, or None."""
    if path in _EXACT:
        return _EXACT[path]
    return next((plan for pattern, plan in _PATTERNS if pattern.fullmatch(path)), None)


def queued(method: str, path: str) -> Plan | None:
    """Plan of the route a request leads to if it waits there for its turn, or None."""
    plan = plan_of(path)
    return plan if plan is not None and plan.method == method and plan.refusals >= QUEUE else None


def label(path: str) -> str:
    """Name of a path in logs and metrics: its route's, never a caller's own text."""
    plan = plan_of(path)
    return plan.path if plan else "other"
