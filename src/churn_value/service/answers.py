"""Requests with their rows in, the contents of their responses out: score, put in order.

Customers by id, by features and by events differ only in where their features come from; one `score` answers them all.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

from churn_value.errors import ChurnValueError
from churn_value.scoring.answer import SCHEMA_VERSION, Answer, ModelName, PolicyName
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.offered import Offered
from churn_value.scoring.overrides import TierOverrides
from churn_value.scoring.score import score
from churn_value.service.champion import Served
from churn_value.service.description import model_name, policy_name
from churn_value.service.isolation import isolated
from churn_value.service.joint import Joint, Question, Row, joints_of
from churn_value.service.log.entries import Asked, Pending
from churn_value.service.requests import FAULTS, ItemFault
from churn_value.service.serving import Serving

Result = dict[str, Any]
ENVELOPE_KEYS = ("model", "policy")


def respond(questions: Sequence[Question], served: Served, serving: Serving, *, now: datetime) -> list[dict[str, Any]]:
    """Content of the response to each of some ``POST /v1/score``.

    Parameters
    ----------
    questions
        What was asked; rows are scored together where they can be, whichever request they are of.
    served
        The model that answers.
    serving
        State of the worker.
    now
        Moment of scoring, UTC.
    """
    around = {
        "schema_version": SCHEMA_VERSION,
        "request_id": "",
        "scored_at": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "model": model_name(served),
        "policy": policy_name(served),
    }
    scored = _scored(questions, served, serving, now)
    return [
        {**around, "request_id": question.request_id, "results": _ordered(question, results)}
        for question, results in zip(questions, scored, strict=True)
    ]


def _ordered(question: Question, scored: dict[int, Result | ItemFault]) -> list[Result]:
    """Results of all items of a question, in the order of the items."""
    found, customer_ids = question.gathered.faults | scored, question.request.customer_ids
    return [
        _fault_result(one, index, customer_ids[index]) if isinstance(one := found[index], ItemFault) else one
        for index in range(len(question.request.items))
    ]


def _scored(
    questions: Sequence[Question], served: Served, serving: Serving, now: datetime
) -> list[dict[int, Result | ItemFault]]:
    """Results of each question's rows by index, and the faults of those that cannot be scored at all."""
    by_hand = serving.by_hand.current.known_to(served.bundle.policy.tiers.codes)
    asked = [_asked(question, served, now) for question in questions]
    results: list[dict[int, Result | ItemFault]] = [{} for _ in questions]
    for joint in joints_of(questions):
        attempt = partial(_attempt, joint, served.bundle, by_hand, now)
        for rows, outcome in isolated(joint.rows, attempt):
            if isinstance(outcome, ChurnValueError):
                results[rows[0].question][rows[0].index] = ItemFault("NOT_SCORABLE")
                continue
            found, offered = outcome
            made = [_as_result(one, row.index) for row, one in zip(rows, found, strict=True)]
            whose = [asked[row.question] for row in rows]
            serving.score_log.append(Pending(whose, offered, joint.previous, by_hand, made))
            for row, result in zip(rows, made, strict=True):
                results[row.question][row.index] = result
    return results


def _attempt(
    joint: Joint, bundle: Bundle, by_hand: TierOverrides, now: datetime, rows: Sequence[Row]
) -> tuple[list[Answer], Offered]:
    offered, wanted = Offered.joined([row.offered for row in rows]), joint.wanted
    found = score(
        bundle,
        offered,
        locale=wanted.locale,
        explain=wanted.explain,
        top=wanted.top,
        previous=joint.previous,
        overrides=by_hand,
        levers=wanted.levers,
        now=now.date(),
    )
    # Made here: whatever cannot be told of a row is that row's fault.
    return list(found), offered


def _asked(question: Question, served: Served, now: datetime) -> Asked:
    """What the score log says of how answers were asked for and by what they were made."""
    bundle, request = served.bundle, question.request
    return Asked(
        at=now,
        request_id=question.request_id,
        version=served.version,
        bundle=bundle.version,
        policy=bundle.policy.sha256,
        locale=request.locale,
        explain=request.explain,
        top=request.top,
        levers=request.levers,
    )


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
