"""One request in, the content of its response out: gather features, score, put in order.

Runs in a scoring thread and reads the worker's state once, so that every answer of a response comes from one model.
Customers by id, by features and by events differ only in where their features come from; one `score` answers them all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from churn_value.errors import ChurnValueError
from churn_value.scoring.answer import SCHEMA_VERSION, Answer, ModelName, PolicyName
from churn_value.scoring.offered import Offered
from churn_value.scoring.score import score
from churn_value.service.champion import Served
from churn_value.service.description import model_name, policy_name
from churn_value.service.gathered import Gathered, gather
from churn_value.service.isolation import isolated
from churn_value.service.log_entries import Asked, Pending
from churn_value.service.problems import refusal
from churn_value.service.requests import FAULTS, ItemFault, Request
from churn_value.service.serving import Serving

Result = dict[str, Any]
ENVELOPE_KEYS = ("model", "policy")


def respond(request: Request, serving: Serving, *, request_id: str, now: datetime) -> dict[str, Any]:
    """Content of the response to ``POST /v1/score``.

    Parameters
    ----------
    request
        A checked envelope with its items.
    serving
        State of the worker.
    request_id
        Put into the response.
    now
        Moment of scoring, UTC; also what raw events may not be later than.

    Raises
    ------
    RequestError
        When no model is loaded.
    """
    served = serving.champion.current
    if served is None:
        raise refusal("NO_MODEL")
    found = gather(request, served, serving, now)
    results, more_faults = _scored(found, request, served, serving, request_id=request_id, now=now)
    for index, fault in (found.faults | more_faults).items():
        results[index] = _fault_result(fault, index, request.customer_ids[index])
    return {
        "schema_version": SCHEMA_VERSION,
        "request_id": request_id,
        "scored_at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "model": model_name(served),
        "policy": policy_name(served),
        "results": [results[index] for index in range(len(request.items))],
    }


def _scored(
    gathered: Gathered,
    request: Request,
    served: Served,
    serving: Serving,
    *,
    request_id: str,
    now: datetime,
) -> tuple[dict[int, Result], dict[int, ItemFault]]:
    """Results of the gathered rows, and the faults of those that cannot be scored at all."""
    by_hand = serving.by_hand.current.known_to(served.bundle.policy.tiers.codes)

    def attempt(indices: Sequence[int]) -> tuple[list[Answer], Offered]:
        offered = Offered.joined([gathered.rows[index] for index in indices])
        found = score(
            served.bundle,
            offered,
            locale=request.locale,
            explain=request.explain,
            top=request.top,
            previous=gathered.previous,
            overrides=by_hand,
            levers=request.levers,
            now=now.date(),
        )
        return found, offered

    asked = _asked(request, served, request_id, now)
    results: dict[int, Result] = {}
    faults: dict[int, ItemFault] = {}
    for group in _alike(gathered.rows):
        for indices, outcome in isolated(group, attempt):
            if isinstance(outcome, ChurnValueError):
                faults[indices[0]] = ItemFault("NOT_SCORABLE")
                continue
            found, offered = outcome
            made = {index: _as_result(one, index) for index, one in zip(indices, found, strict=True)}
            serving.score_log.append(Pending(asked, offered, gathered.previous, by_hand, tuple(made.values())))
            results |= made
    return results, faults


def _asked(request: Request, served: Served, request_id: str, now: datetime) -> Asked:
    """What the score log says of how answers were asked for and by what they were made."""
    bundle = served.bundle
    return Asked(
        at=now,
        request_id=request_id,
        version=served.version,
        bundle=bundle.version,
        policy=bundle.policy.sha256,
        locale=request.locale,
        explain=request.explain,
        top=request.top,
        levers=request.levers,
    )


def _alike(rows: Mapping[int, Offered]) -> Iterable[list[int]]:
    """Indices of rows that were offered the same features, so that joining invents no null."""
    groups: dict[tuple[frozenset[str], bool], list[int]] = {}
    for index, row in rows.items():
        groups.setdefault((row.there, row.habits[0] is None), []).append(index)
    return groups.values()


def _as_result(answer: Answer, index: int) -> Result:
    """An answer as an entry of the response: what holds for all entries stands around them."""
    kept = {name: value for name, value in answer.to_dict().items() if name not in ENVELOPE_KEYS}
    return {**kept, "index": index, "error": None}


def _fault_result(fault: ItemFault, index: int, customer_id: str | None) -> Result:
    """The entry of an item without an answer: every key an answer has, and why it is empty."""
    status, text = FAULTS[fault.code]
    empty = Answer(
        index=index,
        customer_id=customer_id,
        status=status,
        as_of=None,
        expires_at=None,
        model=ModelName("", "", None),
        policy=PolicyName("", 0, ""),
    )
    return {**_as_result(empty, index), "error": {"code": fault.code, "field": fault.field, "text": text}}
