"""POST /v1/events: what is acknowledged is kept, counts once, and is in the customer's next score as in a batch's."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import httpx
import pandas as pd
import pytest
from served_company import AS_OF, NAME, NOW, config

from churn_value.dataset import features_for
from churn_value.recommendation.habits import with_habits
from churn_value.scoring.score import score
from churn_value.service.events.features import live_as_of
from churn_value.service.events.history import load_history
from churn_value.service.events.ledger import merged
from churn_value.service.events.store import EventStore
from churn_value.service.options import Options
from churn_value.service.serve import running
from churn_value.tables.load import tables_from_frames

ROW = {"event_id": "e-1", "event_time": "2024-09-20T10:15:00Z", "amount": 1999.0, "order_id": "n-1", "category": "c1"}
KEYS = ("value", "churn", "scores", "tier", "portrait", "value_at_risk", "reasons", "explain", "actions")


def post(client, customer_id, rows, table="purchases"):
    return client.post("/v1/events", json={"items": [{"customer_id": customer_id, "events": {table: rows}}]})


def statuses(response):
    assert response.status_code == 200, response.text
    return [row["status"] for result in response.json()["results"] for row in result["rows"]]


def codes(response):
    assert response.status_code == 200, response.text
    return [row["error"] and row["error"]["code"] for result in response.json()["results"] for row in result["rows"]]


def ask(client, *items, **envelope):
    response = client.post("/v1/score", json={"items": list(items), **envelope})
    assert response.status_code == 200, response.text
    return response.json()["results"]


def from_events(customer_id, as_of=None):
    return {"customer_id": customer_id, "source": "events"} | ({"as_of": as_of.isoformat()} if as_of else {})


def batch(company, frames, pairs, now):
    """Answers as a batch over these tables gives them."""
    tables = tables_from_frames(
        config(), frames, observed_now=now, threads=1, attribute_types={"customers": company_attributes(company)}
    )
    rows = pd.DataFrame({"customer_id": [one for one, _ in pairs], "as_of": pd.to_datetime([day for _, day in pairs])})
    features = features_for(tables, company.bundle.catalog.rebuilt(), rows)
    (day,) = {day for _, day in pairs}
    features = with_habits(features, tables, day, company.bundle.recommender)
    return {answer.customer_id: answer.to_dict() for answer in score(company.bundle, features, now=None)}


def company_attributes(company):
    return company.bundle.catalog.parameters["attributes"]


def purchases_with(company, *new):
    """The company's purchases with new rows, as its own table would have them: with ids and when they were known."""
    fresh = pd.DataFrame(new)
    return pd.concat([company.purchases, fresh], ignore_index=True)


@pytest.fixture
def kept(company, copied, open_service):
    """A copy of the company whose tables are the history of its event store, and a caller of its service."""
    frames = {"purchases": company.purchases, "customers": company.customers}
    tables = tables_from_frames(config(), frames, observed_now=NOW, threads=1)
    load_history(EventStore.create(copied.events(NAME), "GBP"), tables, now=NOW)
    return open_service(copied)


def test_without_a_store_events_are_refused_by_name(client):
    response = post(client, "0001", [ROW])
    assert (response.status_code, response.json()["code"]) == (503, "EVENTS_UNAVAILABLE")
    assert ask(client, from_events("0001"))[0]["error"]["code"] == "EVENTS_UNSUPPORTED"


def test_history_alone_scores_as_the_batch_does_and_leaves_the_scored_table_in_charge(kept, company):
    serving, client = kept
    assert serving.events.count() == len(company.purchases) + len(company.customers)
    stored, live = ask(client, {"customer_id": "0001"}, from_events("0001", AS_OF))
    assert {key: stored[key] for key in KEYS} == {key: live[key] for key in KEYS}
    assert stored["as_of"] == AS_OF.isoformat()


def test_the_next_score_reflects_a_new_event_to_the_bit_of_a_batch(kept, company):
    _, client = kept
    before = ask(client, {"customer_id": "0001"})[0]
    assert statuses(post(client, "0001", [ROW])) == ["accepted"]
    now = datetime.now(UTC)
    after = ask(client, {"customer_id": "0001"})[0]
    assert after["as_of"] == live_as_of(now).isoformat()
    assert after["churn"] != before["churn"]
    row = {"customer_id": "0001", **ROW, "known_at": now.isoformat()}
    frames = {"purchases": purchases_with(company, row), "customers": company.customers}
    expected = batch(company, frames, [("0001", live_as_of(now))], datetime.now(UTC))["0001"]
    assert {key: after[key] for key in KEYS} == {key: expected[key] for key in KEYS}
    other = ask(client, {"customer_id": "0040"})[0]
    assert other["as_of"] == AS_OF.isoformat()


def test_many_customers_with_news_are_answered_together_as_a_batch_would(kept, company):
    _, client = kept
    ids = list(company.features["customer_id"][:25])
    rows = {one: {**ROW, "event_id": f"new-{one}", "known_at": "2024-09-21T00:00:00Z"} for one in ids}
    items = [{"customer_id": one, "events": {"purchases": [row]}} for one, row in rows.items()]
    assert set(statuses(client.post("/v1/events", json={"items": items}))) == {"accepted"}
    frames = {
        "purchases": purchases_with(company, *({"customer_id": one, **row} for one, row in rows.items())),
        "customers": company.customers,
    }
    expected = batch(company, frames, [(one, AS_OF) for one in ids], NOW)
    for result in ask(client, *(from_events(one, AS_OF) for one in ids)):
        assert {key: result[key] for key in KEYS} == {key: expected[result["customer_id"]][key] for key in KEYS}


def test_an_event_that_became_known_on_a_day_is_not_past_at_its_midnight(kept):
    _, client = kept
    day = date(2024, 9, 25)
    before = ask(client, from_events("0001", day), from_events("0001", day + timedelta(days=1)))
    post(client, "0001", [{**ROW, "known_at": f"{day}T00:00:00Z"}])
    after = ask(client, from_events("0001", day), from_events("0001", day + timedelta(days=1)))
    assert after[0] == before[0]
    assert after[1]["churn"] != before[1]["churn"]


def test_without_known_at_an_event_is_known_when_it_came(kept):
    serving, client = kept
    earliest = datetime.now(UTC)
    post(client, "0001", [ROW])
    (row,) = [row for row in serving.events.rows(["0001"])["0001"]["purchases"] if row.get("event_id") == "e-1"]
    assert earliest.timestamp() * 1e6 - 1 <= row["known_at"] <= time.time() * 1e6
    assert (row["amount_minor"], row["event_time"]) == (199_900, 1_726_827_300_000_000)


def test_the_same_id_again_is_a_duplicate_and_other_content_a_conflict(kept):
    serving, client = kept
    assert statuses(post(client, "0001", [ROW, ROW])) == ["accepted", "duplicate"]
    count = serving.events.count()
    again = post(client, "0001", [{**ROW, "event_time": "2024-09-20T12:15:00+02:00"}, {**ROW, "amount": 5.0}])
    assert statuses(again) == ["duplicate", "conflict"]
    assert codes(again) == [None, "EVENT_CONFLICT"]
    assert statuses(post(client, "0002", [ROW])) == ["conflict"]
    assert serving.events.count() == count


REFUSED = {
    "no id": ({**ROW, "event_id": None}, "EVENT_ID_MISSING"),
    "an empty id": ({**ROW, "event_id": ""}, "EVENT_ID_MISSING"),
    "an unknown column": ({**ROW, "secret-4711": 1}, "COLUMN_UNKNOWN"),
    "a customer in the row": ({**ROW, "customer_id": "0002"}, "COLUMN_UNKNOWN"),
    "no amount": ({"event_id": "x", "event_time": ROW["event_time"]}, "COLUMN_MISSING"),
    "a text for an amount": ({**ROW, "amount": "secret-4711"}, "ROW_INVALID"),
    "a time without zone": ({**ROW, "event_time": "2024-05-05T10:00:00"}, "ROW_INVALID"),
    "a time to come": ({**ROW, "event_time": "2190-05-05T10:00:00Z"}, "ROW_INVALID"),
    "known in the future": ({**ROW, "known_at": "2190-05-05T10:00:00Z"}, "ROW_INVALID"),
    "an amount beyond reading": ({**ROW, "amount": 1e300}, "ROW_INVALID"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_row_is_named_and_the_good_one_beside_it_is_kept(kept, case):
    _, client = kept
    row, code = REFUSED[case]
    response = post(client, "0001", [row, {**ROW, "event_id": f"good {case}"}])
    assert codes(response) == [code, None]
    assert statuses(response) == ["invalid", "accepted"]
    assert "secret-4711" not in response.text


def test_items_that_are_none_and_tables_that_are_not_ours_stay_alone(kept):
    _, client = kept
    items = [
        7,
        {"customer_id": "1"},
        {"customer_id": 1, "events": {}},
        {"customer_id": "1", "events": {"visits": [ROW]}},
    ]
    items.append({"customer_id": "0001", "events": {"purchases": [ROW], "customers": [{"plan": "plus"}]}})
    response = client.post("/v1/events", json={"items": items})
    assert [result["error"] and result["error"]["code"] for result in response.json()["results"]] == [
        "ITEM_NOT_OBJECT",
        "FIELD_MISSING",
        "FIELD_INVALID",
        None,
        None,
    ]
    assert codes(response) == ["TABLE_UNKNOWN", None, "EVENT_CONFLICT"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "REQUEST_NOT_OBJECT"),
        ({}, "FIELD_MISSING"),
        ({"items": 1}, "FIELD_INVALID"),
        ({"items": []}, "ITEMS_EMPTY"),
        ({"items": [], "x": 1}, "FIELD_UNKNOWN"),
        ({"items": [{"customer_id": "1", "events": {"purchases": [{}] * 1001}}]}, "ITEMS_TOO_MANY"),
    ],
)
def test_a_request_at_fault_is_refused_whole(kept, body, code):
    response = kept[1].post("/v1/events", json=body)
    assert response.json()["code"] == code
    assert 400 <= response.status_code < 500


def test_what_becomes_known_later_completes_an_event_in_either_order():
    opened = {"event_time": 1, "kind": "ticket", "known_at": 5}
    solved = {"event_time": 1, "kind": "ticket", "resolved_at": 9, "known_at": 7}
    assert merged("feedback", opened, solved) == {**solved, "known_at": 5}
    assert merged("feedback", solved, opened) == solved
    assert merged("feedback", solved, {**solved, "resolved_at": 8}) is None
    assert merged("feedback", opened, {**opened, "kind": "csat"}) is None
    due = {"due_at": 1, "amount_minor": 5, "disputed": False}
    assert merged("payments", due, {**due, "paid_at": 3, "disputed": True}) == {**due, "paid_at": 3, "disputed": True}


def test_a_history_loaded_again_takes_over_its_live_rows_and_loses_nothing_else(kept, company):
    serving, client = kept
    post(client, "0001", [ROW])
    post(client, "0002", [{**ROW, "event_id": "e-2"}])
    assert serving.events.live(["0001", "0002", "0040"]) == {"0001", "0002"}
    live = ask(client, from_events("0001", AS_OF))[0]
    frames = {"purchases": purchases_with(company, {"customer_id": "0001", **ROW}), "customers": company.customers}
    tables = tables_from_frames(config(), frames, observed_now=datetime.now(UTC), threads=1)
    for _ in range(2):
        report = load_history(serving.events, tables, now=datetime.now(UTC))
        assert (report.rows, report.live, report.overruled) == (len(frames["purchases"]) + len(company.customers), 1, 0)
    assert serving.events.live(["0001", "0002"]) == {"0002"}
    known_then = ask(client, from_events("0001", AS_OF))[0]
    assert known_then["churn"] != live["churn"], "the company's table says that it was known when it happened"


def test_a_store_that_takes_no_more_refuses_and_keeps_nothing(kept):
    serving, client = kept
    connection = serving.events._connection()
    pages = connection.execute("PRAGMA page_count").fetchone()[0]

    def fill():
        serving.events._connection().execute(f"PRAGMA max_page_count = {pages}")

    original = serving.events.append

    def full(arrivals, *, now):
        fill()
        return original(arrivals, now=now)

    serving.events.append = full
    rows = [{**ROW, "event_id": f"big-{number}", "category": "x" * 4000} for number in range(100)]
    response = post(client, "0001", rows)
    assert (response.status_code, response.json()["code"]) == (507, "STORAGE_FULL")
    assert not serving.events.live(["0001"])
    assert ask(client, {"customer_id": "0001"})[0]["status"] == "ok"


def test_a_damaged_store_is_a_fault_of_readiness_and_the_scored_table_still_answers(kept, copied):
    serving, client = kept
    copied.events(NAME).unlink()
    copied.events(NAME).write_bytes(b"no database" * 100)
    serving.refresh()
    assert serving.events.fault == "EVENTS_UNREADABLE"
    assert "EVENTS_UNREADABLE" in client.get("/readyz").json()["faults"]
    assert ask(client, {"customer_id": "0001"})[0]["status"] == "ok"
    assert post(client, "0001", [ROW]).json()["code"] == "EVENTS_UNAVAILABLE"


def test_several_processes_append_at_once_and_nothing_is_lost(tmp_path):
    EventStore.create(tmp_path / "events.db", "GBP")
    script = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from churn_value.service.events.ledger import Arrival
from churn_value.service.events.store import EventStore
store = EventStore(Path(sys.argv[1]))
for number in range(40):
    own = Arrival("purchases", f"{sys.argv[2]}-{number}", "c", {"amount_minor": number})
    shared = Arrival("purchases", f"shared-{number}", "c", {"amount_minor": number})
    assert set(store.append([own, shared], now=datetime.now(UTC))) <= {"accepted", "duplicate"}
"""
    command = [sys.executable, "-c", script, str(tmp_path / "events.db")]
    workers = [subprocess.Popen([*command, str(number)]) for number in range(3)]
    assert [worker.wait(60) for worker in workers] == [0, 0, 0]
    assert EventStore(tmp_path / "events.db").count() == 3 * 40 + 40


def test_an_acknowledged_event_outlives_a_kill_of_the_service(kept, copied):
    with running(NAME, settings=copied, options=Options(name=NAME, poll_s=0.1)) as url:
        deadline = time.monotonic() + 60
        response = httpx.post(f"{url}/v1/events", json=body_of("killed-1"), timeout=30)
        while response.status_code == 503 and time.monotonic() < deadline:
            response = httpx.post(f"{url}/v1/events", json=body_of("killed-1"), timeout=30)
        assert response.json()["counts"] == {"accepted": 1}
        for worker in workers_of(url):
            os.kill(worker, signal.SIGKILL)
        connection = sqlite3.connect(copied.events(NAME))
        found = connection.execute("SELECT count(*) FROM event WHERE event_id = 'killed-1'").fetchone()
        connection.close()
        assert found == (1,)


def body_of(event_id):
    return {"items": [{"customer_id": "0001", "events": {"purchases": [{**ROW, "event_id": event_id}]}}]}


def workers_of(url):
    """Processes that have the service's port open."""
    port = f":{httpx.URL(url).port:04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{line[9]}]" for line in lines if line[1].endswith(port) and line[3] == "0A"}
    found = [int(place.name) for place in Path("/proc").iterdir() if place.name.isdigit() and sockets & _opened(place)]
    assert found
    return found


def _opened(process):
    try:
        return {str(place.readlink()) for place in (process / "fd").iterdir()}
    except OSError:
        return set()


def test_the_file_is_its_owners_only(tmp_path):
    EventStore.create(tmp_path / "events.db", "GBP")
    assert (tmp_path / "events.db").stat().st_mode & 0o077 == 0
