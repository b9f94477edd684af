"""The measuring of the serving benchmark: what a latency counts from, what a refusal does, and what is compared."""

import json
import socketserver
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from served_company import NAME

from benchmarks.serving import ratios
from benchmarks.serving_load import Seen, Target, arrivals, closed, first, opened
from benchmarks.serving_servers import checked, prepared, target

SLOW_S = 0.05


class Answering(socketserver.BaseRequestHandler):
    """Gives each request of a connection the same answer."""

    def handle(self):
        told = self.server.told
        while head := self.request.recv(65_536):
            assert head.startswith(b"POST /score HTTP/1.1\r\n")
            time.sleep(told["wait_s"])
            body = told["body"]
            length = b"Transfer-Encoding: chunked" if told["chunked"] else b"Content-Length: %d" % len(body)
            content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if told["chunked"] else body
            self.request.sendall(b"HTTP/1.1 %d X\r\n%s\r\n\r\n%s" % (told["status"], length, content))


@contextmanager
def answering(status=200, body=b'{"results": []}', wait_s=0.0, chunked=False):
    """A server on threads; yields its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answering) as server:
        server.told = {"status": status, "body": body, "wait_s": wait_s, "chunked": chunked}
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def asked(port):
    return Target(port, "/score", (b"{}", b'{"a": 1}'))


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_is_read_whole_whichever_way_its_length_is_told(chunked):
    with answering(body=b'{"results": [1, 2]}', chunked=chunked) as port:
        assert first(asked(port)) == (200, b'{"results": [1, 2]}')


def test_where_nobody_listens_the_status_is_0():
    with answering() as port:
        pass
    assert first(asked(port)) == (0, b"")


def test_the_open_loop_counts_the_wait_for_a_busy_server_and_the_closed_loop_does_not():
    with answering(wait_s=SLOW_S) as port:
        waited = opened(asked(port), connections=1, planned=[0.0, 0.0, 0.0]).latencies
        alone = closed(asked(port), connections=1, seconds=3 * SLOW_S).latencies
    for place, latency in enumerate(waited, start=1):
        assert latency >= place * SLOW_S
    assert len(alone) >= 2
    assert min(alone) >= SLOW_S
    assert np.median(alone) < waited[-1]


def test_a_refusal_has_no_latency():
    with answering(status=429) as port:
        seen = opened(asked(port), connections=2, planned=[0.0, 0.01])
    assert (seen.latencies, seen.refused) == ([], 2)
    assert seen.summary(1).to_json()["p50_ms"] is None


def test_a_summary_by_hand():
    seen = Seen([0.010, 0.020, 0.030], refused=1, seconds=1.5).summary(customers=10)
    assert (seen.answered, seen.refused) == (3, 1)
    assert (seen.p50_ms, seen.p99_ms) == pytest.approx((20.0, 29.8))
    assert (seen.requests_per_s, seen.customers_per_s) == pytest.approx((2.0, 20.0))


def test_turns_are_pooled_by_hand():
    pooled = Seen([0.010], refused=1, seconds=0.5) + Seen([0.020, 0.030], refused=2, seconds=1.0)
    assert pooled == Seen([0.010, 0.020, 0.030], refused=3, seconds=1.5)
    assert pooled.summary(1).requests_per_s == pytest.approx(2.0)


def test_planned_arrivals_come_at_the_rate_and_are_the_same_again():
    planned = arrivals(200.0, 10.0)
    assert planned == arrivals(200.0, 10.0) != arrivals(200.0, 10.0, seed=6)
    assert planned == sorted(planned)
    assert 0 <= planned[0] < planned[-1] < 10.0
    assert len(planned) == pytest.approx(2_000, abs=5 * 2_000**0.5)
    gaps = np.diff(planned)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.1)  # of an exponential, the two are equal


def row(way, connections, size, p50, requests, reasons=True, loop="closed"):
    told = {"way": way, "loop": loop, "connections": connections, "list": size, "reasons": reasons}
    return {**told, "p50_ms": p50, "requests_per_s": requests, "customers_per_s": requests * size}


def test_ratios_by_hand_look_at_answers_with_reasons_in_closed_loops():
    rows = [
        row("churn_value", 1, 1, 2.0, 400),
        row("churn_value", 8, 1, 9.0, 600),
        row("churn_value", 1, 100, 100.0, 10),
        row("churn_value", 8, 1, 1.0, 9_999, reasons=False),
        row("other", 1, 1, 8.0, 100),
        row("other", 8, 1, 9.0, 200),
        row("other", 1, 100, 500.0, 2),
        row("other", 64, 1, 9.0, 9_999, loop="open"),
    ]
    assert ratios(rows) == {"other": {"requests_per_s": 3.0, "p50": 4.0, "customers_per_s": 5.0}}


def test_our_answers_are_comparable_and_thinner_ones_are_refused(company, client, tmp_path):
    given = prepared(company.bundle.config, company.settings, company.path, tmp_path, "python")
    asked_ = target(given, "churn_value", 80, size=2, explain=True)
    response = client.post(asked_.path, content=asked_.bodies[0], headers={"content-type": "application/json"})
    checked("churn_value", response.content, 2, explain=True)
    content = response.json()
    content["results"][0]["reasons"]["churn"].clear()
    with pytest.raises(ValueError, match="churn_value answered"):
        checked("churn_value", json.dumps(content).encode(), 2, explain=True)
    with pytest.raises(ValueError, match="churn_value answered"):
        checked("churn_value", response.content, 3, explain=True)
    told = json.loads((tmp_path / "peer.json").read_text())
    assert set(told["heads"]) == {"churn", "value"}
    assert given.config.name == NAME
