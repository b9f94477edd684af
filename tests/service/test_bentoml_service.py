"""The service as BentoML runs it: in this process, and once as a real supervisor with a worker."""

import json
import socket
import subprocess
import sys

import httpx
import pytest
from served_company import AS_OF, NAME

from churn_value.scoring.score import score
from churn_value.service.client import Client, ServiceRefused
from churn_value.service.serve import LOCAL

STOCK_ROUTES = [
    "/",
    "/docs.json",
    "/schema.json",
    "/healthz",
    "/static_content/index.css",
    "/submit",
    "/churn_value",
]


@pytest.fixture
def caller(address):
    with Client(address, timeout_s=30) as one:
        yield one


def test_the_process_gives_the_answers_of_the_batch_to_the_bit(caller, company):
    ids = list(company.features["customer_id"][:100])
    response = caller.score([{"customer_id": one} for one in ids], request_id="parity-1")
    assert response["request_id"] == "parity-1"
    batch = {answer.customer_id: answer.to_dict() for answer in score(company.bundle, company.features, now=None)}
    keys = ("value", "churn", "scores", "tier", "portrait", "value_at_risk", "reasons", "explain", "actions")
    for result, one in zip(response["results"], ids, strict=True):
        assert {key: result[key] for key in keys} == {key: batch[one][key] for key in keys}


def test_raw_events_are_scored_in_the_process(caller, company):
    item = {"customer_id": "0001", "as_of": AS_OF.isoformat(), "events": company.events_of("0001")}
    stored, raw = caller.score([{"customer_id": "0001"}, item])["results"]
    assert raw["status"] == "ok"
    assert raw["churn"] == stored["churn"]


def test_the_client_is_told_why_it_is_refused(caller):
    assert caller.ready()
    assert caller.model()["model"]["name"] == NAME
    with pytest.raises(ServiceRefused) as refused:
        caller.score([])
    assert (refused.value.status, refused.value.code) == (422, "ITEMS_EMPTY")


@pytest.mark.parametrize("path", STOCK_ROUTES)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_route_of_bentomls_own_can_be_reached(address, method, path):
    body = b"--x\r\nbroken" if method == "POST" else None
    response = httpx.request(method, address + path, content=body, headers={"Content-Type": "multipart/form-data"})
    assert response.status_code == (404 if method == "GET" else 415)
    assert response.headers["content-type"] == "application/problem+json"


RAW = [
    b"",
    b"GARBAGE\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 50\r\n\r\n{",
    b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
]


@pytest.mark.parametrize("sent", RAW, ids=range(len(RAW)))
def test_raw_bytes_do_no_harm(address, sent):
    port = httpx.URL(address).port
    with socket.create_connection((LOCAL, port), timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65_536)
    assert not answer or b" 4" in answer.split(b"\r\n", 1)[0]
    assert httpx.get(f"{address}/livez").status_code == 200


def test_neither_ids_nor_paths_are_logged(address, caller, company):
    caller.score([{"customer_id": "canary-4711"}], request_id="logged-1")
    httpx.get(f"{address}/v1/customers/canary-4711")
    port = httpx.URL(address).port
    log = (company.settings.place(NAME) / "service" / f"{port}.log").read_text()
    assert "canary-4711" not in log
    lines = [json.loads(line) for line in log.splitlines() if "logged-1" in line]
    assert [(line["route"], line["status"], line["items"]) for line in lines] == [("/v1/score", 200, 1)]


def test_the_service_object_answers_without_a_process(company, monkeypatch):
    monkeypatch.setenv("CHURN_VALUE_MODELS", str(company.settings.models))
    monkeypatch.setenv("CHURN_VALUE_ARTIFACTS", str(company.settings.artifacts))
    script = """
import asyncio, httpx
from churn_value.service.app import FRONT, ChurnValue

async def main():
    app = ChurnValue.to_asgi()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        early = await client.get("/livez")
        assert early.json()["code"] == "STARTING", early.text
        async with app.router.lifespan_context(app):
            assert (await client.get("/readyz")).json()["ready"]
            assert "churn_value_ready 1.0" in (await client.get("/metrics")).text
            answer = await client.post("/v1/score", json={"items": [{"customer_id": "0001"}]})
            assert answer.json()["results"][0]["status"] == "ok", answer.text
        assert (await client.get("/readyz")).json()["faults"] == ["STOPPING"]

asyncio.run(main())
import sys
assert not [name for name in sys.modules if name.split(".")[0] == "mlflow"], "mlflow was imported"
"""
    monkeypatch.setenv("CHURN_VALUE_SERVICE_NAME", NAME)
    monkeypatch.setenv("BENTOML_HOME", str(company.settings.artifacts / "bentoml"))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
