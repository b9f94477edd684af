"""How requests become responses, one or several at once: in the service's own words, MLflow's, or KServe's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from churn_value.errors import ChurnValueError
from churn_value.service.answers import respond
from churn_value.service.champion import Served
from churn_value.service.gathered import gather, remember
from churn_value.service.joint import Question
from churn_value.service.options import Options
from churn_value.service.problems import refusal
from churn_value.service.protocols import csv_table, invocations, v2
from churn_value.service.requests import Request, read
from churn_value.service.serving import Serving
from churn_value.service.strict_json import dump, parse

SMALL_BYTES = 8_192
RAW_EVENTS, GIVEN_FEATURES, CUSTOMER = b'"events"', b'"features"', b'"customer_id"'
# Of a table in another protocol, at the least: an id and a date.
BYTES_OF_A_ROW = 32


@dataclass(frozen=True, slots=True)
class Dialect:
    """A protocol over the same answers.

    Parameters
    ----------
    request_of
        Checked request in a parsed document.
    answer_of
        What is sent, given the answers in our own words and the document.
    document_of
        Document in a body, given the model that will answer it, if there is one, and the limits.
    """

    request_of: Callable[[object, Options], Request]
    answer_of: Callable[[Mapping[str, Any], object], Mapping[str, Any]]
    document_of: Callable[[bytes, Served | None, Options], object] = lambda body, *_: parse(body)


def _json_with_nan(body: bytes, *_: object) -> object:
    """JSON document of clients that write NaN where they mean null, as MLflow's do."""
    return parse(body, nan_is_null=True)


def _table(body: bytes, served: Served | None, options: Options) -> object:
    """CSV table in a body; the model says which of its columns are numbers."""
    if served is None:
        raise refusal("NO_MODEL")
    return csv_table.parse(body, served.bundle.expected.places, options.items)


OWN = Dialect(read, lambda content, _: content)
MLFLOW = Dialect(invocations.request_of, invocations.answer_of, _json_with_nan)
MLFLOW_CSV = Dialect(invocations.request_of, invocations.answer_of, _table)
KSERVE = Dialect(v2.request_of, v2.answer_of)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it came.

    Parameters
    ----------
    body, dialect
        Its bytes, and the protocol they are of.
    request_id
        Put into the response and the log.
    """

    body: bytes
    dialect: Dialect
    request_id: str

    @property
    def customers(self) -> int:
        """About how many it asks about where it is small and not from raw events, so that it may be joined; else 0."""
        if len(self.body) > SMALL_BYTES or RAW_EVENTS in self.body:
            return 0
        named = self.body.count(CUSTOMER) if self.dialect is OWN else len(self.body) // BYTES_OF_A_ROW
        return max(1, named)

    @property
    def is_quick(self) -> bool:
        """Whether it is small and brings features along; by id alone, features may have to come from live events."""
        return self.customers > 0 and GIVEN_FEATURES in self.body


@dataclass(frozen=True, slots=True)
class _Opened:
    """A request that can be answered, and the document it was read from."""

    question: Question
    document: object


Reply = tuple[bytes, Sequence[Mapping[str, Any]]]
"""Bytes of a response, and the results in it in our own words."""


def exchange(sent: Sequence[Sent], serving: Serving, *, now: datetime) -> list[Reply | ChurnValueError]:
    """Reply to each request, or why it is refused as a whole; all are answered by one model.

    Parameters
    ----------
    sent
        Requests; the reply to one is the same whatever others are answered with it.
    serving
        State of the worker, whose model is read once.
    now
        Moment of scoring, UTC.
    """
    served = serving.champion.current
    opened = [_opened(one, served, serving, now) for one in sent]
    questions = [one.question for one in opened if isinstance(one, _Opened)]
    remember([one.gathered for one in questions], serving.store)
    contents = iter(respond(questions, served, serving, now=now)) if served else iter(())
    return [
        one if isinstance(one, ChurnValueError) else _reply(next(contents), how.dialect, one.document)
        for how, one in zip(sent, opened, strict=True)
    ]


def _opened(sent: Sent, served: Served | None, serving: Serving, now: datetime) -> _Opened | ChurnValueError:
    try:
        document = sent.dialect.document_of(sent.body, served, serving.options)
        request = sent.dialect.request_of(document, serving.options)
        if served is None:
            return refusal("NO_MODEL")
        return _Opened(Question(sent.request_id, request, gather(request, served, serving, now)), document)
    except ChurnValueError as error:
        return error


def _reply(content: Mapping[str, Any], dialect: Dialect, document: object) -> Reply:
    return dump(dialect.answer_of(content, document)), content["results"]
