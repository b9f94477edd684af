"""Every refusal of the service: its stable code, HTTP status and title, and the document it is sent as.

A refusal names the rule and, where it helps, the field; it never repeats an id or a value that was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from starlette.responses import Response

from churn_value.errors import ChurnValueError, RequestError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:churn-value:problem:"
RETRY_AFTER_S = 1

PROBLEMS: Mapping[str, tuple[int, str]] = MappingProxyType(
    {
        # the bytes
        "BODY_EMPTY": (400, "The body is empty; send a JSON object."),
        "BODY_NOT_UTF8": (400, "The body must be UTF-8 text."),
        "BODY_INCOMPLETE": (400, "The connection ended before the whole body had arrived."),
        "BODY_LENGTH_INVALID": (400, "Content-Length must be one whole number."),
        "JSON_INVALID": (400, "The body must be one JSON document."),
        "JSON_DUPLICATE_KEY": (400, "An object has the same key twice."),
        "JSON_NOT_FINITE": (400, "Numbers must be finite; NaN and Infinity are not JSON. Send null for unknown."),
        "JSON_NUMBER_TOO_LONG": (400, "A whole number has more than 18 digits."),
        "JSON_TOO_DEEP": (400, "The document is nested too deeply."),
        "CSV_INVALID": (400, "The body must be one CSV table: commas, double quotes, a header."),
        "CSV_HEADER_INVALID": (400, "Every column of the header must have a name of its own."),
        "CSV_ROW_RAGGED": (400, "A row has more or fewer cells than the header."),
        "CSV_NUMBER_INVALID": (400, "A cell of a numeric feature is not a finite number; leave it empty for unknown."),
        "TEXT_HAS_NUL": (400, "Texts must not hold the NUL character."),
        "TEXT_HAS_SURROGATE": (400, "Texts must not hold half of a surrogate pair."),
        "BODY_TIMEOUT": (408, "The body did not arrive in time."),
        "BODY_TOO_LARGE": (413, "The body is larger than the service accepts."),
        "HEAD_TOO_LARGE": (431, "The request's target and headers are larger than the service accepts."),
        "ITEMS_TOO_MANY": (413, "More items than one request may hold; split the list."),
        "EXPLAINED_TOO_MANY": (413, "More items than a request with reasons or levers may have; split the list."),
        "EVENTS_TOO_MANY": (413, "More items with events than one request may hold; split the list."),
        "CONTENT_TYPE_UNSUPPORTED": (415, "Content-Type must be application/json; /invocations takes text/csv too."),
        "CHARSET_UNSUPPORTED": (415, "The charset must be utf-8."),
        "ENCODING_UNSUPPORTED": (415, "The body must not be compressed."),
        # the caller
        "KEY_MISSING": (401, "Send one header: Authorization: Bearer <key>."),
        "KEY_INVALID": (401, "The key is not known."),
        "KEYS_REQUIRED": (403, "Without configured keys the service answers on the loopback address only."),
        "HOST_NOT_LOCAL": (403, "Without configured keys the Host header must name the loopback address."),
        "SCOPE_MISSING": (403, "The key lacks the scope this route needs."),
        # the place
        "NOT_FOUND": (404, "There is no such route."),
        "MODEL_UNKNOWN": (404, "The service does not serve that model, or not in that version."),
        "METHOD_NOT_ALLOWED": (405, "The route does not have this method."),
        # the document
        "REQUEST_NOT_OBJECT": (422, "The document must be an object with the key items."),
        "FIELD_MISSING": (422, "A required key is missing."),
        "FIELD_UNKNOWN": (422, "The object has a key that is not part of the request."),
        "FIELD_INVALID": (422, "A key has a value of the wrong type or range."),
        "ITEMS_EMPTY": (422, "items must hold at least one item."),
        "TABLE_INVALID": (
            422,
            "Send dataframe_split, dataframe_records, instances or inputs: one, in its own form.",
        ),
        "TENSOR_INVALID": (422, "Inputs are columns of one length whose shape, datatype and data agree."),
        "OUTPUT_UNKNOWN": (422, "An output asked for is not one the model has."),
        # the state of the service
        "OVERLOADED": (429, "Too many requests are waiting; try again shortly."),
        "INTERNAL": (500, "The service failed; the operator's log has the request id."),
        "NO_MODEL": (503, "No verified model is loaded yet."),
        "EVENTS_UNAVAILABLE": (503, "Events cannot be kept now, or this company keeps none; nothing was kept."),
        "STORAGE_FULL": (507, "The disk takes no more; nothing was kept."),
        "WAITED_TOO_LONG": (503, "The request waited too long for its turn; try again shortly."),
        "STARTING": (503, "The service is starting or stopping."),
    }
)


def refusal(code: str, *, field: str | None = None) -> RequestError:
    """Error that becomes the problem document of `code`.

    Parameters
    ----------
    code
        One of `PROBLEMS`.
    field
        Name of the key at fault, when it is one this service knows, or a row's number; never text of the caller.
    """
    status, title = PROBLEMS[code]
    return RequestError(title, http_status=status, code=code, where=field)


def document(error: ChurnValueError, request_id: str) -> tuple[int, dict[str, Any]]:
    """HTTP status and problem document (RFC 7807, 9457) of an error.

    An error whose code is not in `PROBLEMS` comes from a room below, and its message may quote data: only its code
    and status are told.
    """
    known = PROBLEMS.get(error.code)
    status, title = known or (error.http_status, "The request cannot be answered.")
    content: dict[str, Any] = {
        "type": TYPE_PREFIX + error.code.lower().replace("_", "-"),
        "title": title,
        "status": status,
        "detail": f"{error.where}: {title}" if known and error.where else title,
        "code": error.code,
        "request_id": request_id,
    }
    if known and error.where:
        content["field"] = error.where
    return status, content


def in_dialect(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """A problem document with the keys that clients of another protocol look for on its routes."""
    if path.startswith("/v2"):
        return {**content, "error": content["detail"]}
    if path == "/invocations":
        return {**content, "error_code": content["code"], "message": content["detail"]}
    return dict(content)


def problem(
    error: ChurnValueError, request_id: str, headers: Mapping[str, str] | None = None, *, path: str = ""
) -> Response:
    """Response that carries the problem document of an error on a path."""
    status, content = document(error, request_id)
    extra = {"X-Request-Id": request_id, "Cache-Control": "no-store", **(headers or {})}
    if status in (429, 503):
        extra.setdefault("Retry-After", str(RETRY_AFTER_S))
    if status == 401:
        extra.setdefault("WWW-Authenticate", "Bearer")
    body = json.dumps(in_dialect(content, path), ensure_ascii=False, allow_nan=False).encode()
    return Response(body, status, extra, MEDIA_TYPE)
