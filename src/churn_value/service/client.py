"""A typed client of the scoring service in one file: the standard library only, copy it where you need it.

Example
-------
::

    with Client("http://127.0.0.1:3000") as client:
        response = client.score([{"customer_id": "1"}], locale="en", top=3)
        for result in response["results"]:
            print(result["customer_id"], result["status"], result["tier"])

Scoring changes nothing on the server, so a request that met a closed connection, 429 or 503 is sent again.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, NotRequired, Self, TypedDict, cast
from urllib.parse import urlsplit

Scalar = str | float | bool | None


class Item(TypedDict):
    """One customer: by id alone, or with `as_of` and either `features` or `events`."""

    customer_id: str
    as_of: NotRequired[str]
    features: NotRequired[Mapping[str, Scalar]]
    events: NotRequired[Mapping[str, Sequence[Mapping[str, Scalar]]]]


class NewEvents(TypedDict):
    """New rows of one customer, by table; columns as in the table contract."""

    customer_id: str
    events: Mapping[str, Sequence[Mapping[str, Scalar]]]


class Fault(TypedDict):
    """Why one item has no answer."""

    code: str
    field: str | None
    text: str


class Result(TypedDict):
    """Answer for one item; amounts in currency units. Parts that cannot be known are None."""

    index: int
    customer_id: str | None
    status: Literal["ok", "partial", "ineligible", "not_found", "invalid"]
    as_of: str | None
    expires_at: str | None
    value: dict[str, Any] | None
    churn: dict[str, Any] | None
    scores: dict[str, Any] | None
    tier: dict[str, Any] | None
    portrait: dict[str, Any] | None
    value_at_risk: dict[str, Any] | None
    reasons: dict[str, list[dict[str, Any]]] | None
    explain: dict[str, Any] | None
    actions: list[dict[str, Any]]
    disagreements: list[dict[str, Any]]
    levers: dict[str, Any] | None
    warnings: list[dict[str, Any]]
    error: Fault | None


class Response(TypedDict):
    """Answers in the order of the items sent."""

    schema_version: str
    request_id: str
    scored_at: str
    model: dict[str, Any]
    policy: dict[str, Any]
    results: list[Result]


class ServiceRefused(Exception):  # noqa: N818 - a refusal with a reason
    """The service refused the whole request.

    Attributes
    ----------
    status, code, detail, request_id
        As in the problem document; `code` is stable.
    """

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", "UNKNOWN"))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("request_id", ""))
        super().__init__(f"{status} {self.code}: {self.detail} (request {self.request_id})")


class Client:
    """One kept-alive connection to the service; not for use by several threads at once.

    Parameters
    ----------
    base_url
        As in ``http://127.0.0.1:3000``.
    key
        API key, if the service asks for one.
    timeout_s
        Longest wait for one response [s].
    retries
        Times a request is sent again after a closed connection, 429 or 503.
    """

    def __init__(self, base_url: str, *, key: str | None = None, timeout_s: float = 10.0, retries: int = 2) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or parts.hostname is None:
            msg = f"base_url must be http://host:port or https://host:port; received {base_url!r}"
            raise ValueError(msg)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, parts.port, timeout=timeout_s)
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._retries = retries

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens it again."""
        self._connection.close()

    def score(
        self,
        items: Sequence[Item],
        *,
        locale: Literal["en", "zh"] = "en",
        explain: bool = True,
        top: int = 5,
        levers: bool = False,
        request_id: str | None = None,
    ) -> Response:
        """Answers for customers, in the order given; a bad item is an answer too, see `Result`.

        Parameters
        ----------
        items
            At most 1,000, or 100 with `explain` or `levers`.
        locale
            Language of texts.
        explain, top
            Whether to give reasons, and how many per head.
        levers
            Whether to say what would move the tier.
        request_id
            Up to 64 letters, digits, ``.``, ``_`` and ``-``; comes back and stands in the service's log.

        Raises
        ------
        ServiceRefused
            When the whole request is refused.
        OSError
            When the service cannot be reached.
        """
        asked = {"locale": locale, "explain": explain, "top": top, "levers": levers, "items": list(items)}
        body = json.dumps(asked, allow_nan=False)
        headers = {"Content-Type": "application/json", **({"X-Request-Id": request_id} if request_id else {})}
        return cast(Response, self._send("POST", "/v1/score", body.encode(), headers))

    def send_events(self, items: Sequence[NewEvents]) -> dict[str, Any]:
        """What became of new events; those accepted are on disk when this returns.

        Sending the same again does no harm: it is answered as ``duplicate``.

        Raises
        ------
        ServiceRefused
            When the whole request is refused.
        OSError
            When the service cannot be reached.
        """
        body = json.dumps({"items": list(items)}, allow_nan=False).encode()
        return self._send("POST", "/v1/events", body, {"Content-Type": "application/json"})

    def model(self) -> dict[str, Any]:
        """The model being served."""
        return self._send("GET", "/v1/model", None, {})

    def description(self) -> dict[str, Any]:
        """The service's OpenAPI document."""
        return self._send("GET", "/openapi.json", None, {})

    def alive(self) -> bool:
        """Whether the process answers."""
        return self._is_ok("/livez")

    def ready(self) -> bool:
        """Whether the service can answer now."""
        return self._is_ok("/readyz")

    def _is_ok(self, path: str) -> bool:
        try:
            self._once("GET", path, None, {})
        except (ServiceRefused, OSError, http.client.HTTPException):
            return False
        return True

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            try:
                return self._once(method, path, body, headers)
            except ServiceRefused as refused:
                if last or refused.status not in (429, 503):
                    raise
                time.sleep(2**attempt / 2)
            except (ConnectionError, http.client.IncompleteRead):
                if last:
                    raise
        raise AssertionError

    def _once(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> dict[str, Any]:
        try:
            self._connection.request(method, self._prefix + path, body, {**self._headers, **headers})
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        parsed: dict[str, Any] = json.loads(content) if content else {}
        if response.status != http.client.OK:
            raise ServiceRefused(response.status, parsed)
        return parsed
