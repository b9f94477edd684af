"""A full service refuses from the bytes that arrive just what its routes would have refused, and nothing else."""

import asyncio
import http.client
import json
import logging
import socket
import time
from contextlib import contextmanager
from functools import partial
from threading import Thread

import h11
import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from served_company import NAME
from uvicorn.server import ServerState

from churn_value.service.door import MOST_READ_BYTES, TOLD_EVERY_S, Asked, Crowd, Door, asked
from churn_value.service.http import application
from churn_value.service.options import Options
from churn_value.service.serve import started
from churn_value.service.serving import Serving

LOCAL = "127.0.0.1"
BODY = b'{"items": [{"customer_id": "0001"}], "explain": false}'
JSON = {"Content-Type": "application/json"}


def sent(*headers, start=b"POST /v1/score HTTP/1.1", body=b"{}"):
    return b"\r\n".join([start, *headers]) + b"\r\n\r\n" + body


PLAIN = (b"Host: 127.0.0.1", b"Content-Type: application/json", b"Content-Length: 2")


def test_a_plain_request_is_understood_once_its_head_is_there():
    assert asked(sent(*PLAIN)[:-1]) == Asked("POST", "/v1/score", None, 2, 1)
    assert asked(sent(*PLAIN)[:-2]) == Asked("POST", "/v1/score", None, 2, 2)
    assert asked(sent(*PLAIN)) == Asked("POST", "/v1/score", None, 2, 0)
    assert asked(sent(*PLAIN, b"Connection: Keep-Alive")) == Asked("POST", "/v1/score", None, 2, 0)
    assert asked(sent(b"HOST:a", b"content-length:\t2 ", start=b"GET /v2/models/x/infer HTTP/1.1")) == Asked(
        "GET", "/v2/models/x/infer", None, 2, 0
    )


@pytest.mark.parametrize(
    ("header", "request_id"),
    [(b"X-Request-Id: one-1", b"one-1"), (b"x-request-id: not plain", None), (b"X-REQUEST-ID: " + b"a" * 65, None)],
)
def test_an_id_that_is_one_short_plain_word_is_kept(header, request_id):
    assert asked(sent(*PLAIN, header)).request_id == request_id


@pytest.mark.parametrize(
    "data",
    [
        b"",
        sent(*PLAIN)[:-3],  # the head is not whole
        sent(*PLAIN) + b"G",  # something follows
        sent(*PLAIN) * 2,
        sent(*PLAIN, b"Content-Length: 2"),
        sent(*PLAIN, b"X-Request-Id: a", b"x-request-id: b"),
        sent(*PLAIN[:2], b"Content-Length: +2"),
        sent(*PLAIN[:2], b"Content-Length: 2, 2"),
        sent(*PLAIN[:2]),
        sent(*PLAIN[1:]),  # no host
        sent(*PLAIN, b"Transfer-Encoding: chunked"),
        sent(*PLAIN, b"Expect: 100-continue"),
        sent(*PLAIN, b"Upgrade: websocket"),
        sent(*PLAIN, b"Connection: close"),
        sent(*PLAIN, b"Connection: keep-alive, TE"),
        sent(*PLAIN, b" folded: 1"),
        sent(*PLAIN, b"Name : 1"),
        sent(*PLAIN, b"Name: \x00"),
        sent(*PLAIN, b"Name: \xc3\xa9"),
        sent(*PLAIN, b"Name: a" + b"a" * 40_000),
        sent(*PLAIN).replace(b"\r\n", b"\n"),
        sent(*PLAIN, start=b"POST /v1/score HTTP/1.0"),
        sent(*PLAIN, start=b"POST /v1/score?a=1 HTTP/1.1"),
        sent(*PLAIN, start=b"POST /v1%2fscore HTTP/1.1"),
        sent(*PLAIN, start=b"POST http://a/v1/score HTTP/1.1"),
        sent(*PLAIN, start=b"post /v1/score HTTP/1.1"),
        sent(*PLAIN, start=b" POST /v1/score HTTP/1.1"),
    ],
)
def test_whatever_is_out_of_the_ordinary_is_left_to_the_parser(data):
    assert asked(data) is None


PIECES = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b"{}", b"\x00", b"x: y", b"Host: a", b"POST /v1/score HTTP/1.1"]
    + [b"%s: %s" % pair for pair in ((b"Content-Length", b"2"), (b"content-length", b"0"), (b"X-Request-Id", b"q"))]
    + [b"%s: %s" % pair for pair in ((b"Transfer-Encoding", b"chunked"), (b"Connection", b"close"))]
)


@st.composite
def nearly_requests(draw):
    """Plain requests into which, at places drawn, pieces of requests were put, or from which bytes were cut."""
    data = sent(*draw(st.permutations([*PLAIN, b"Accept: */*"])))
    for _ in range(draw(st.integers(0, 3))):
        at, cut = draw(st.integers(0, len(data))), draw(st.integers(0, 3))
        data = data[:at] + draw(st.one_of(st.just(b""), PIECES)) + data[at + cut :]
    return data


@given(nearly_requests())
def test_what_is_understood_is_what_the_parser_would_have_found(data):
    found = asked(data)
    if found is None:
        return
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data + b"." * found.missing)
    request = parser.next_event()
    assert (request.method.decode(), request.target.decode()) == (found.method, found.path)
    body, event = b"", parser.next_event()
    while isinstance(event, h11.Data):
        body, event = body + event.data, parser.next_event()
    assert isinstance(event, h11.EndOfMessage)
    assert len(body) == found.length
    assert parser.trailing_data == (b"", False)


@contextmanager
def behind_a_door(settings, **options):
    """A real socket in front of the routes; its state, its crowd and its port."""
    serving, crowd = Serving(Options(name=NAME, **options), settings), Crowd()
    serving.champion.trial = lambda _: None
    serving.refresh()
    crowd.serving = serving
    listening = socket.create_server((LOCAL, 0))
    config = uvicorn.Config(
        application(serving), http=partial(Door, crowd), log_config=None, timeout_keep_alive=1, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield serving, crowd, listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


def connected(port):
    return socket.create_connection((LOCAL, port), timeout=10)


@contextmanager
def full(serving):
    """Every place is taken while the context lasts."""
    places = serving.options.threads + serving.options.waiting
    serving.admission.inside += places
    try:
        yield
    finally:
        serving.admission.inside -= places


def told(connection, method="POST", path="/v1/score", headers=JSON, body=BODY):
    connection.request(method, path, body if method == "POST" else None, headers)
    response = connection.getresponse()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def without(of, *names):
    return {name: value for name, value in of.items() if name not in names}


@pytest.mark.parametrize("path", ["/v1/score", "/v1/events", "/invocations", f"/v2/models/{NAME}/infer"])
def test_a_refusal_at_the_door_is_that_of_the_routes(company, path):
    with behind_a_door(company.settings) as (serving, crowd, port), full(serving):
        connection = http.client.HTTPConnection(LOCAL, port, timeout=10)
        named = JSON | {"X-Request-Id": "one-1"}
        at_the_door = told(connection, path=path, headers=named)
        counted = sum(crowd._untold.values())
        by_the_routes = told(connection, path=f"{path}?", headers=named)
        fresh = told(connection, path=path)
        connection.close()
    assert counted == 1
    assert at_the_door[0] == by_the_routes[0] == 429
    assert without(at_the_door[1], "date") == without(by_the_routes[1], "date")
    assert json.loads(at_the_door[2]) == json.loads(by_the_routes[2])
    assert json.loads(at_the_door[2])["request_id"] == at_the_door[1]["x-request-id"] == "one-1"
    assert at_the_door[1]["retry-after"] == "1"
    assert len(fresh[1]["x-request-id"]) == 32
    assert json.loads(fresh[2]) | {"request_id": "one-1"} == json.loads(at_the_door[2])


def test_a_refused_connection_goes_on_and_routes_without_a_queue_always_answer(company):
    with behind_a_door(company.settings) as (serving, _, port):
        connection = http.client.HTTPConnection(LOCAL, port, timeout=10)
        with full(serving):
            refused = [told(connection)[0] for _ in range(3)]
            health = told(connection, "GET", "/livez")[0], told(connection, "GET", "/readyz")[0]
            others = told(connection, "GET", "/v1/score")[0], told(connection, path="/nowhere")[0]
        kept = connection.sock
        status, _, content = told(connection)
        is_kept = kept is connection.sock
        connection.close()
    assert refused == [429, 429, 429]
    assert health == (200, 200)
    assert others == (405, 404)
    assert (status, json.loads(content)["results"][0]["customer_id"]) == (200, "0001")
    assert is_kept


def test_a_request_that_comes_in_pieces_is_refused_by_the_routes(company):
    whole = sent(*PLAIN)
    with behind_a_door(company.settings) as (serving, crowd, port), full(serving):
        with connected(port) as one:
            one.sendall(b"POST /v1/score HTTP/1.1\r\nName: ")
            time.sleep(0.2)
            # What follows looks like a whole request, but is the rest of another one's head.
            one.sendall(whole)
            head = one.recv(4_096)
        counted = sum(crowd._untold.values())
    assert head.startswith(b"HTTP/1.1 4")
    assert counted == 0


def test_a_refused_connection_that_falls_silent_is_let_go(company):
    with behind_a_door(company.settings) as (serving, _, port), full(serving), connected(port) as one:
        one.sendall(sent(*PLAIN)[:-1])
        assert one.recv(4_096).startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
        assert one.recv(4_096) == b""


def test_a_body_that_follows_its_refusal_is_dropped_to_the_byte(company):
    whole = sent(*PLAIN)
    with behind_a_door(company.settings) as (serving, _, port), connected(port) as one:
        with full(serving):
            one.sendall(whole[:-2])
            refused = one.recv(4_096)
            one.sendall(whole[-2:-1])
            time.sleep(0.1)
        one.sendall(whole[-1:] + whole)
        answered = one.recv(4_096)
    assert refused.startswith(b"HTTP/1.1 429 ")
    assert answered.startswith(b"HTTP/1.1 422 ")  # an empty object, read by the routes


def test_no_read_takes_more_room_than_is_cheap(company, monkeypatch):
    sizes, whole = [], 900_000
    read = Door.data_received
    monkeypatch.setattr(Door, "data_received", lambda self, data: (sizes.append(len(data)), read(self, data)))
    with behind_a_door(company.settings) as (_, _, port), connected(port) as one:
        one.sendall(sent(*PLAIN[:2], b"Content-Length: %d" % whole, body=b" " * whole))
        assert one.recv(4_096).startswith(b"HTTP/1.1 400 ")  # blanks are no JSON
    assert sum(sizes) > whole
    assert max(sizes) <= MOST_READ_BYTES < 128 * 1024  # from where on the C library asks the system


def test_refusals_at_the_door_are_counted_and_told_in_one_line(company, caplog):
    with behind_a_door(company.settings) as (serving, _, port):
        connection = http.client.HTTPConnection(LOCAL, port, timeout=10)
        with full(serving), caplog.at_level(logging.INFO, logger="churn_value.service"):
            assert {told(connection)[0] for _ in range(5)} == {429}
            time.sleep(0.5)
        connection.close()
        families = text_string_to_metric_families(serving.meters.exposition().decode())
        found = {sample.name: sample for family in families for sample in family.samples}
    assert found["churn_value_refusals_total"].labels == {"code": "OVERLOADED"}
    assert found["churn_value_refusals_total"].value == 5
    assert found["churn_value_requests_total"].labels == {"route": "/v1/score", "method": "POST", "status": "429"}
    assert found["churn_value_requests_total"].value == 5
    lines = [json.loads(record.message) for record in caplog.records if '"refused"' in record.message]
    where = {"event": "refused", "method": "POST", "route": "/v1/score", "status": 429, "code": "OVERLOADED"}
    assert sum(line["count"] for line in lines) == 5
    assert [without(line, "count") for line in lines] == [where] * len(lines)
    assert len(lines) <= 2


def test_who_has_not_sent_all_of_a_request_takes_no_place(company, runner):
    """Nor does who asks for something that waits for nothing: on its way to the queue is what will reach it now."""
    crowd, whole = Crowd(), sent(*PLAIN)

    async def no_application(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def scene(*pieces):
        config = uvicorn.Config(no_application, log_config=None, lifespan="off")
        config.load()
        loop, listed = asyncio.get_running_loop(), []
        door = Door(crowd, config, ServerState(), {})
        here, there = socket.socketpair()
        transport, _ = await loop.create_connection(lambda: door, sock=here)
        for piece in pieces:
            door.data_received(piece)
            listed.append(crowd.entering)
        await asyncio.sleep(0)
        listed.append(crowd.entering)
        transport.close()
        there.close()
        return listed

    assert runner.run(scene(whole)) == [1, 0]
    assert runner.run(scene(sent(*PLAIN, b"Connection: close"))) == [1, 0]
    assert runner.run(scene(whole[:-1])) == [0, 0]
    assert runner.run(scene(whole[:9], whole[9:-1], whole[-1:])) == [0, 0, 1, 0]
    assert runner.run(scene(sent(*PLAIN[:1], start=b"GET /livez HTTP/1.1", body=b""))) == [0, 0]


def test_those_on_their_way_count_until_they_are_in_the_queue(company, runner):
    crowd = Crowd()
    assert not crowd.is_full()
    crowd.serving = Serving(Options(name=NAME, threads=1, waiting=2), company.settings)

    async def scene():
        loop, found = asyncio.get_running_loop(), []
        for _ in range(4):
            found.append(crowd.is_full())
            crowd.enter(loop)
        await asyncio.sleep(0)
        return found, crowd.is_full(), crowd.entering

    assert runner.run(scene()) == ([False, False, False, True], False, 0)


def test_the_service_as_bentoml_runs_it_has_the_door(company):
    body = json.dumps({"items": [{"customer_id": "0001"}] * 100}).encode()
    request = sent(b"Host: 127.0.0.1", *PLAIN[1:2], b"Content-Length: %d" % len(body), body=body)

    def ask(port):
        with connected(port) as one:
            for _ in range(10):
                one.sendall(request)
                status = http.client.HTTPResponse(one)
                status.begin()
                status.read()

    options = Options(name=NAME, waiting=1)
    with started(NAME, settings=company.settings, options=options) as (url, _):
        port = int(url.rsplit(":", 1)[1])
        threads = [Thread(target=ask, args=(port,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        time.sleep(2 * TOLD_EVERY_S)
        log = (company.settings.place(NAME) / "service" / f"{port}.log").read_text(encoding="utf-8")
    assert '{"event": "refused", "method": "POST", "route": "/v1/score", "status": 429, "code": "OVERLOADED"' in log
