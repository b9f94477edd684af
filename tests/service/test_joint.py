"""Requests answered together get the bytes that each gets alone."""

import json
import shutil
from datetime import UTC, datetime

import pandas as pd
import pytest
from served_company import AS_OF, NAME

from churn_value.errors import ChurnValueError
from churn_value.service.exchange import (
    BYTES_OF_A_ROW,
    KSERVE,
    MLFLOW,
    MLFLOW_CSV,
    OWN,
    RAW_EVENTS,
    SMALL_BYTES,
    Sent,
    exchange,
)
from churn_value.service.gathered import Gathered
from churn_value.service.joint import Question, joints_of
from churn_value.service.requests import read
from churn_value.service.store import write_features

NOW = datetime(2024, 10, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def serving(company, open_service):
    return open_service(company.settings)[0]


def body_of(*items, **envelope):
    return json.dumps({"items": list(items), **envelope}).encode()


def given(company, customer_id, **features):
    own = company.features_of(customer_id) | features
    return {"customer_id": customer_id, "as_of": AS_OF.isoformat(), "features": own}


def crowd(company):
    """Requests that share rows, differ in how they ask, or are refused."""
    known, other = given(company, "0001"), given(company, "0040")
    fewer = {**known, "features": dict(list(known["features"].items())[:-2])}
    odd = given(company, "0040", **{next(iter(other["features"])): "text"})
    by_id, nobody = {"customer_id": "0001"}, {"customer_id": "nobody"}
    raw = {"customer_id": "0001", "as_of": AS_OF.isoformat(), "events": company.events_of("0001")}
    v2 = {"inputs": [{"name": "customer_id", "shape": [2], "datatype": "BYTES", "data": ["0001", "0040"]}]}
    return [
        Sent(body_of(known), OWN, "r0"),
        Sent(body_of(by_id, other, nobody), OWN, "r1"),
        Sent(body_of(known, locale="zh", top=2), OWN, "r2"),
        Sent(b"[", OWN, "r3"),
        Sent(body_of(fewer, odd), OWN, "r4"),
        Sent(body_of(known, explain=False), OWN, "r5"),
        Sent(json.dumps({"dataframe_records": [by_id, {"customer_id": "0040"}]}).encode(), MLFLOW, "r6"),
        Sent(json.dumps(v2).encode(), KSERVE, "r7"),
        Sent(body_of(), OWN, "r8"),
        Sent(body_of(raw, by_id), OWN, "r9"),
        Sent(body_of(other, by_id), OWN, "r10"),
    ]


def told(reply):
    return (reply.code, str(reply)) if isinstance(reply, ChurnValueError) else reply


def test_a_reply_is_the_same_alone_and_in_company_to_the_byte(company, serving):
    sent = crowd(company)
    alone = [told(exchange([one], serving, now=NOW)[0]) for one in sent]
    assert [told(reply) for reply in exchange(sent, serving, now=NOW)] == alone
    assert [told(reply) for reply in exchange(sent[::-1], serving, now=NOW)] == alone[::-1]
    assert {reply[0] for reply in alone if isinstance(reply[0], str)} == {"JSON_INVALID", "ITEMS_EMPTY"}


def test_every_answer_given_in_company_is_logged_under_its_own_request(company, serving, monkeypatch):
    kept = []
    monkeypatch.setattr(serving.score_log, "append", kept.append)
    exchange(crowd(company), serving, now=NOW)
    logged = [
        (asked.request_id, row["index"]) for one in kept for asked, row in zip(one.asked, one.results, strict=True)
    ]
    expected = ["r0", "r1", "r1", "r2", "r4", "r5", "r6", "r6", "r7", "r7", "r9", "r9", "r10", "r10"]
    assert sorted(request_id for request_id, _ in logged) == sorted(expected)
    assert len(set(logged)) == len(logged)
    assert len(kept) < len(expected)


def test_without_a_model_each_request_is_refused_for_itself(copied, open_service):
    shutil.rmtree(copied.exported(NAME))
    serving, _ = open_service(copied)
    replies = exchange([Sent(body_of({"customer_id": "1"}), OWN, "a"), Sent(b"", OWN, "b")], serving, now=NOW)
    assert [reply.code for reply in replies] == ["NO_MODEL", "BODY_EMPTY"]


def test_a_customer_read_before_and_after_the_table_was_replaced_keeps_each_their_own_past(copied, open_service):
    serving, _ = open_service(copied)
    request = read({"items": [{"customer_id": "0001"}]}, serving.options)
    path = copied.scored_features(NAME)
    features = pd.read_parquet(path)

    def asked():
        (kept,) = serving.store.find(["0001"])
        offered = kept.offered(serving.champion.current.bundle.expected)
        return Question("r", request, Gathered({0: offered}, {}, {"0001": kept}))

    before, same = asked(), asked()
    previous = features[["customer_id"]].assign(tier="S", since=pd.Timestamp("2024-06-01"))
    write_features(features, path, previous=previous)
    serving.store.refresh()
    after = asked()
    first, second = joints_of([before, after, same])
    assert [[row.question for row in joint.rows] for joint in (first, second)] == [[0, 2], [1]]
    assert first.previous != second.previous
    assert second.previous["0001"]["tier"] == "S"


@pytest.mark.parametrize(
    ("body", "dialect", "customers"),
    [
        (body_of({"customer_id": "1"}), OWN, 1),
        (body_of({"customer_id": "1"}, {"customer_id": "2"}), OWN, 2),
        (body_of({"customer_id": "1", "source": "events"}), OWN, 0),
        (b"x" * SMALL_BYTES, OWN, 1),
        (b"x" * SMALL_BYTES, MLFLOW_CSV, SMALL_BYTES // BYTES_OF_A_ROW),
        (b"x", KSERVE, 1),
        (b"x" * (SMALL_BYTES + 1), OWN, 0),
        (RAW_EVENTS, OWN, 0),
    ],
)
def test_only_what_is_quick_is_joined_and_counts_its_customers(body, dialect, customers):
    assert Sent(body, dialect, "r").customers == customers
