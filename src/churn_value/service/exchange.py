"""How one request becomes one response: in the service's own words, MLflow's, or KServe's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from churn_value.service import invocations, v2
from churn_value.service.answers import respond
from churn_value.service.options import Options
from churn_value.service.requests import Request, read
from churn_value.service.serving import Serving
from churn_value.service.strict_json import dump, parse


@dataclass(frozen=True, slots=True)
class Dialect:
    """A protocol over the same answers.

    Parameters
    ----------
    request_of
        Checked request in a parsed document.
    answer_of
        What is sent, given the answers in our own words and the document.
    nan_is_null
        Whether its clients write NaN where they mean null, as MLflow's do.
    """

    request_of: Callable[[object, Options], Request]
    answer_of: Callable[[Mapping[str, Any], object], Mapping[str, Any]]
    nan_is_null: bool = False


OWN = Dialect(read, lambda content, _: content)
MLFLOW = Dialect(invocations.request_of, invocations.answer_of, nan_is_null=True)
KSERVE = Dialect(v2.request_of, v2.answer_of)


def exchange(body: bytes, serving: Serving, dialect: Dialect, *, request_id: str, now: datetime) -> tuple[bytes, int]:
    """Bytes of the response to a body, and how many customers it answers.

    Raises
    ------
    RequestError
        When the request as a whole is refused, or no model is loaded.
    """
    document = parse(body, nan_is_null=dialect.nan_is_null)
    request = dialect.request_of(document, serving.options)
    content = respond(request, serving, request_id=request_id, now=now)
    serving.meters.scored(content["results"])
    return dump(dialect.answer_of(content, document)), len(content["results"])
