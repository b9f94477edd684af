"""The OpenAPI description, made from the routes' plans and the types: what is not so cannot be said here."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from typing import Any

import churn_value
from churn_value.service import shapes
from churn_value.service.metrics import MEDIA_TYPE as EXPOSITION
from churn_value.service.options import Options
from churn_value.service.problems import MEDIA_TYPE as PROBLEM
from churn_value.service.problems import PROBLEMS
from churn_value.service.protocols import csv_table
from churn_value.service.requests import LONGEST_ID
from churn_value.service.routes import PLANS, Plan

VERSION = "3.1.0"
REQUEST_ID = {"X-Request-Id": {"description": "As sent, or made here.", "schema": {"type": "string"}}}
RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
AUTHENTICATE = {"WWW-Authenticate": {"description": "How to present a key.", "schema": {"type": "string"}}}
EXTRA_HEADERS = {429: RETRY_AFTER, 503: RETRY_AFTER, 401: AUTHENTICATE}
MEDIA = {"Exposition": EXPOSITION.split(";", maxsplit=1)[0], "Version": "text/plain"}
SCHEMAS = {csv_table.MEDIA_TYPE: "CsvTable"}
SENT_ID = {
    "name": "X-Request-Id",
    "in": "header",
    "description": "Comes back, and stands in the service's log; one that is not of this form is replaced.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
}


@cache
def openapi(options: Options) -> dict[str, Any]:
    """OpenAPI document of a service with these limits.

    Parameters
    ----------
    options
        Whose limits the description states.
    """
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for plan in PLANS:
        paths[plan.path][plan.method.lower()] = _operation(plan)
    return {
        "openapi": VERSION,
        "info": {
            "title": "churn_value",
            "version": churn_value.__version__,
            "description": _limits(options),
        },
        "paths": dict(paths),
        "components": {
            "schemas": shapes.schemas(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _limits(options: Options) -> str:
    return (
        f"At most {options.body_bytes} bytes and {options.items} items a request; {options.explained} with reasons, "
        f"{options.event_items} with events. Ids have at most {LONGEST_ID} characters. A bad item is an answer of its "
        "own and fails no other. Keys are needed when the operator has configured them."
    )


def _operation(plan: Plan) -> dict[str, Any]:
    segments = re.findall(r"\{([a-z]+)\}", plan.path)
    text = {"type": "string", "minLength": 1}
    in_path = [{"name": name, "in": "path", "required": True, "schema": text} for name in segments]
    operation: dict[str, Any] = {
        "operationId": _name(plan),
        "summary": plan.summary,
        "parameters": [SENT_ID, *in_path],
        "responses": _responses(plan),
        "security": [{}, {"key": []}] if plan.scopes else [],
    }
    if plan.request:
        content = {media: {"schema": shapes.ref(SCHEMAS.get(media, plan.request))} for media in plan.takes}
        operation["requestBody"] = {"required": True, "content": content}
    if plan.scopes:
        operation["x-scopes"] = sorted(plan.scopes)
    return operation


def _name(plan: Plan) -> str:
    return re.sub(r"[^a-z0-9]+", "_", f"{plan.method} {plan.path}".lower()).strip("_")


def _responses(plan: Plan) -> dict[str, Any]:
    by_status: dict[int, set[str]] = defaultdict(set)
    for code in plan.codes:
        by_status[PROBLEMS[code][0]].add(code)
    found = {str(status): _refused(status, frozenset(codes)) for status, codes in sorted(by_status.items())}
    content = {MEDIA.get(plan.answer, "application/json"): {"schema": shapes.ref(plan.answer)}}
    found["200"] = {"description": plan.summary, "headers": REQUEST_ID, "content": content}
    if plan.answers_unready:
        found["503"]["content"] |= content
    return dict(sorted(found.items()))


def _refused(status: int, codes: frozenset[str]) -> dict[str, Any]:
    return {
        "description": "; ".join(f"{code}: {PROBLEMS[code][1]}" for code in sorted(codes)),
        "headers": {**REQUEST_ID, **EXTRA_HEADERS.get(status, {})},
        "content": {PROBLEM: {"schema": shapes.problem(codes)}},
    }
