"""No input makes the service fail: every refusal has its code, and repeats nothing of what was sent."""

import asyncio
import json
import random

import pytest

from churn_value.service.gate import MOST_HEAD_BYTES
from churn_value.service.problems import PROBLEMS

JSON = {"Content-Type": "application/json"}
CANARY = "canary-4711"
GOOD = json.dumps({"items": [{"customer_id": "0001"}, {"customer_id": CANARY}], "explain": False}).encode()
PROBLEM_KEYS = {"type", "title", "status", "detail", "code", "request_id"}


def check_problem(response, code):
    content = response.json()
    assert content["code"] == code
    assert response.status_code == content["status"] == PROBLEMS[code][0]
    assert response.headers["content-type"] == "application/problem+json"
    assert PROBLEM_KEYS <= set(content) <= PROBLEM_KEYS | {"field"}
    assert response.headers["x-request-id"] == content["request_id"]
    assert CANARY not in response.text


def envelope(**changed):
    return {"items": [{"customer_id": CANARY}]} | changed


@pytest.mark.parametrize(
    ("document", "code", "field"),
    [
        ([], "REQUEST_NOT_OBJECT", None),
        (CANARY, "REQUEST_NOT_OBJECT", None),
        (None, "REQUEST_NOT_OBJECT", None),
        ({}, "FIELD_MISSING", "items"),
        ({"items": {}}, "FIELD_INVALID", "items"),
        ({"items": CANARY}, "FIELD_INVALID", "items"),
        ({"items": []}, "ITEMS_EMPTY", "items"),
        (envelope(locale=CANARY), "FIELD_INVALID", "locale"),
        (envelope(explain="yes"), "FIELD_INVALID", "explain"),
        (envelope(explain=1), "FIELD_INVALID", "explain"),
        (envelope(top=21), "FIELD_INVALID", "top"),
        (envelope(top=-1), "FIELD_INVALID", "top"),
        (envelope(top=True), "FIELD_INVALID", "top"),
        (envelope(top=2.5), "FIELD_INVALID", "top"),
        (envelope(**{CANARY: 1}), "FIELD_UNKNOWN", None),
        ({"items": [CANARY] * 1001, "explain": False}, "ITEMS_TOO_MANY", "items"),
        ({"items": [CANARY] * 101}, "EXPLAINED_TOO_MANY", "items"),
        (
            {"items": [{"customer_id": CANARY, "as_of": "2024-01-01", "events": {}}] * 21},
            "EVENTS_TOO_MANY",
            "items",
        ),
    ],
)
def test_a_faulty_envelope_is_refused_by_name(client, document, code, field):
    response = client.post("/v1/score", content=json.dumps(document), headers=JSON)
    check_problem(response, code)
    assert response.json().get("field") == field


def test_the_largest_lists_are_answered(client):
    plain = client.post("/v1/score", json={"items": [{"customer_id": "0001"}] * 1000, "explain": False})
    explained = client.post("/v1/score", json={"items": [{"customer_id": "0001"}] * 100})
    assert (plain.status_code, explained.status_code) == (200, 200)
    assert len(plain.json()["results"]) == 1000


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "CONTENT_TYPE_UNSUPPORTED"),
        ({"Content-Type": "text/plain"}, "CONTENT_TYPE_UNSUPPORTED"),
        ({"Content-Type": "application/vnd.bentoml+pickle"}, "CONTENT_TYPE_UNSUPPORTED"),
        ({"Content-Type": "multipart/form-data"}, "CONTENT_TYPE_UNSUPPORTED"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "CONTENT_TYPE_UNSUPPORTED"),
        ({"Content-Type": "application/json, text/plain"}, "CONTENT_TYPE_UNSUPPORTED"),
        ({"Content-Type": "application/jsonp"}, "CONTENT_TYPE_UNSUPPORTED"),
        ({"Content-Type": "application/json; charset=utf-16"}, "CHARSET_UNSUPPORTED"),
        ({"Content-Type": "application/json; charset=utf-7; charset=utf-8"}, "CHARSET_UNSUPPORTED"),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, "ENCODING_UNSUPPORTED"),
    ],
)
def test_only_plain_utf8_json_is_read(client, headers, code):
    check_problem(client.post("/v1/score", content=GOOD, headers=headers), code)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"'])
def test_json_may_say_that_it_is_utf8(client, content_type):
    assert client.post("/v1/score", content=GOOD, headers={"Content-Type": content_type}).status_code == 200


def test_two_content_types_are_refused(client):
    headers = [("content-type", "application/json"), ("content-type", "text/plain")]
    check_problem(client.post("/v1/score", content=GOOD, headers=headers), "CONTENT_TYPE_UNSUPPORTED")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/v1/score", "METHOD_NOT_ALLOWED"),
        ("DELETE", "/v1/score", "METHOD_NOT_ALLOWED"),
        ("OPTIONS", "/v1/score", "METHOD_NOT_ALLOWED"),
        ("TRACE", "/v1/model", "METHOD_NOT_ALLOWED"),
        ("GET", "/", "NOT_FOUND"),
        ("GET", f"/v1/customers/{CANARY}", "NOT_FOUND"),
        ("GET", "/v1/score/..%2f..%2fetc", "NOT_FOUND"),
    ],
)
def test_routes_and_methods_are_what_they_are(client, method, path, code):
    response = client.request(method, path)
    check_problem(response, code)
    assert code != "METHOD_NOT_ALLOWED" or response.headers["allow"]


def streamed(chunk, count, taken):
    async def chunks():
        for _ in range(count):
            taken.append(len(chunk))
            yield chunk

    return chunks()


def test_a_body_is_refused_by_its_announced_length_before_it_is_read(company, open_service):
    _, caller = open_service(company.settings, body_bytes=1000)
    taken = []
    announced = {**JSON, "Content-Length": "1001"}
    check_problem(caller.post("/v1/score", content=streamed(b" " * 7, 143, taken), headers=announced), "BODY_TOO_LARGE")
    assert taken == []
    assert caller.post("/v1/score", content=GOOD.ljust(1000), headers=JSON).status_code == 200


@pytest.mark.parametrize("path", ["/livez", "/v1/score"])
def test_a_head_is_bounded_however_it_arrives(client, path):
    as_large = {"X-Long": "a" * (MOST_HEAD_BYTES - 1_000)}
    assert client.get("/livez", headers=as_large).status_code == 200
    too_large = {**JSON, "X-Long": "a" * MOST_HEAD_BYTES}
    check_problem(client.request("GET" if path == "/livez" else "POST", path, headers=too_large), "HEAD_TOO_LARGE")
    check_problem(client.get("/livez?" + "a" * MOST_HEAD_BYTES), "HEAD_TOO_LARGE")


def test_a_body_without_length_is_counted_while_it_comes(company, open_service):
    _, caller = open_service(company.settings, body_bytes=1000)
    taken = []
    check_problem(caller.post("/v1/score", content=streamed(b" " * 100, 500, taken), headers=JSON), "BODY_TOO_LARGE")
    assert sum(taken) <= 1200
    in_parts = streamed(GOOD, 1, [])
    assert caller.post("/v1/score", content=in_parts, headers=JSON).status_code == 200


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "", "9" * 30])
def test_an_odd_length_is_refused(client, length):
    response = client.post("/v1/score", content=GOOD, headers={**JSON, "Content-Length": length})
    assert response.json()["code"] in {"BODY_LENGTH_INVALID", "BODY_TOO_LARGE"}


def test_a_body_that_never_ends_is_given_up(company, open_service):
    _, caller = open_service(company.settings, body_timeout_s=0.05)

    async def slow():
        while True:
            yield b" "
            await asyncio.sleep(0.03)

    check_problem(caller.post("/v1/score", content=slow(), headers=JSON), "BODY_TIMEOUT")


def test_the_request_id_of_the_caller_comes_back(client):
    response = client.post("/v1/score", content=GOOD, headers={**JSON, "X-Request-Id": "job-17.b_2"})
    assert response.headers["x-request-id"] == response.json()["request_id"] == "job-17.b_2"


@pytest.mark.parametrize("sent", ["a b", "x" * 65, "<script>", "é".encode()])
def test_an_odd_request_id_is_replaced(client, sent):
    response = client.get("/v1/model", headers={"X-Request-Id": sent})
    assert len(response.headers["x-request-id"]) == 32


def mutations(count, seed):
    """Raw bodies: a good one truncated, with bytes flipped, doubled, nested or given another encoding."""
    rng = random.Random(seed)
    junk = [b"NaN", b"1e999", b"\xff", b"\x00", b'"\\ud800"', b"[[[[", b"}}}}", b'{"a":1,"a":1}', b"-", b"9" * 400]
    for _ in range(count):
        body = bytearray(GOOD)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(body) + 1)
            match rng.randrange(6):
                case 0:
                    del body[place:]
                case 1 if place < len(body):
                    body[place] ^= 1 << rng.randrange(8)
                case 2:
                    body[place:place] = rng.choice(junk)
                case 3:
                    body = bytearray(b"[" * rng.choice((1, 3, 2000)) + body)
                case 4:
                    body = bytearray(bytes(body).decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-7"))))
                case _:
                    body = bytearray(bytes(body) * 2)
        yield bytes(body[:200_000])


def test_no_body_makes_the_service_fail(client):
    seen = set()
    for body in mutations(600, seed=20):
        response = client.post("/v1/score", content=body, headers=JSON)
        assert response.status_code < 500, body[:200]
        if response.status_code == 200:
            continue
        check_problem(response, response.json()["code"])
        seen.add(response.json()["code"])
    assert len(seen) >= 8


def values():
    return [None, True, 0, -1, 1.5, 10**17, "", "x", CANARY, [], [None], [[]], {}, {"a": {}}, {"a": [{}]}, "2024-10-01"]


def test_no_document_makes_the_service_fail(client):
    rng = random.Random(3)
    keys = ["customer_id", "as_of", "features", "events", "x"]
    for _ in range(150):
        items = [
            {key: rng.choice(values()) for key in rng.sample(keys, rng.randint(1, 4))} | {"customer_id": "0001"}
            for _ in range(3)
        ]
        document = {"items": items, rng.choice(["top", "locale", "explain", "items"]): rng.choice([*values(), items])}
        response = client.post("/v1/score", json=document)
        assert response.status_code < 500, document
        if response.status_code != 200:
            check_problem(response, response.json()["code"])


def test_events_of_any_value_make_no_failure(client):
    rng = random.Random(4)
    columns = [
        "event_time",
        "amount",
        "amount_minor",
        "order_id",
        "category",
        "is_return",
        "currency",
        "known_at",
        "quantity",
    ]
    texts = [
        "2024-05-01T00:00:00Z",
        "2024-05-01",
        "",
        "x",
        "1e300",
        "GBP",
        "\u202e",
        "2024-02-30T00:00:00Z",
        "9999-12-31T23:59:59Z",
    ]
    for _ in range(10):
        rows = [
            {name: rng.choice([None, True, 0, -5.5, 1e300, 10**17, *texts]) for name in columns if rng.random() < 0.7}
            | {"event_time": rng.choice(texts), "amount": rng.choice([1.5, -2, 0, 1e17, 1e308])}
            for _ in range(2)
        ]
        items = [{"customer_id": "0001", "as_of": "2024-10-01", "events": {"purchases": [row]}} for row in rows]
        response = client.post("/v1/score", json={"items": items, "explain": False})
        assert response.status_code == 200, (response.text, items)


def test_a_caller_that_hangs_up_in_the_middle_of_a_body_is_refused_by_name(runner, client):
    messages = [{"type": "http.request", "body": b'{"items"', "more_body": True}, {"type": "http.disconnect"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/score", "headers": headers, "query_string": b""}
    runner.run(client.app({**scope, "server": ("127.0.0.1", 3000)}, receive, send))
    assert sent[0]["status"] == 400
    assert b"BODY_INCOMPLETE" in sent[1]["body"]
