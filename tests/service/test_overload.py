"""More than can be answered, and callers that are slow or broken: the others are answered, refusals are told."""

import json
import os
import socket
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from threading import Thread

import numpy as np
import pytest
from live_service import asked, chunked, port_of, sockets, times, workers_of
from open_loop import arrive
from recorded import record
from served_company import NAME

from benchmarks.serving_load import Target, closed
from benchmarks.serving_servers import pinned
from churn_value.service.options import Options
from churn_value.service.serve import started


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_flood_is_shed_with_a_time_to_come_back_and_leaves_no_trace(company):
    options = Options(name=NAME, waiting=4, deadline_s=2.0)
    with started(NAME, settings=company.settings, options=options) as (url, process):
        port = port_of(url)
        calm = times(port, 30)
        worker = workers_of(process)[0]
        memory = worker.memory_info().rss
        statuses, bare = Counter(), []

        def flood():
            for _ in range(15):
                status, headers, _ = asked(port)
                statuses[status] += 1
                if status in (429, 503) and "retry-after" not in headers:
                    bare.append(headers)

        threads = [Thread(target=flood) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        grown = worker.memory_info().rss - memory
        after = times(port, 30)
    assert bare == []
    assert set(statuses) <= {200, 429, 503}
    assert statuses[200] > 0
    assert statuses[429] > 0
    assert sorted(after)[15] < 5 * sorted(calm)[15] + 0.05
    assert grown < 100 * 2**20
    shed = f"{statuses[429] + statuses[503]} shed, all with Retry-After"
    what = "requests of 40 callers at once, one thread and four places"
    record("R10", what, sum(statuses.values()), f"{statuses[200]} answered, {shed}; {grown >> 20} MiB more memory")


class Figures:
    """What one rate of arrivals came to; answers count that came while they arrived."""

    def __init__(self, met, seconds):
        good = [one.seconds for one in met if one.status == 200]
        self.refused = [one.seconds for one in met if one.status in (429, 503)]
        self.lost = len(met) - len(good) - len(self.refused)
        self.bare = sum(one.status in (429, 503) and not one.retry_after for one in met)
        self.good_per_s = sum(one.status == 200 and one.planned_s + one.seconds < seconds for one in met) / seconds
        self.p99 = float(np.percentile(good, 99)) if good else float("inf")

    def refusals(self):
        p50, p99 = np.percentile(self.refused or [0.0], [50, 99]) * 1e3
        return f"{len(self.refused)} refused in {p50:.0f} ms (p99 {p99:.0f})"


@contextmanager
def on_cores(company, options):
    """A service on one core while this thread keeps to another; its port and its worker."""
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        with pinned(cores[-1]):
            url, process = stack.enter_context(started(NAME, settings=company.settings, options=options))
        stack.enter_context(pinned(cores[0]))
        yield port_of(url), workers_of(process)[0]


def capacity(port, body):
    """Requests per second of four callers that ask again when answered."""
    return closed(Target(port, "/v1/score", (body,)), connections=4, seconds=8).summary(1).requests_per_s


def until_calm(port, body, rate, p99):
    """Seconds until answers take no longer than twice what they did."""
    began = time.monotonic()
    while Figures(arrive(port, body, rate, 2), 2).p99 > 2 * p99 and time.monotonic() < began + 20:
        pass
    return time.monotonic() - began


def flooded(port, body, worker, seconds):
    """Capacity, figures at half of it, figures by rate, memory grown [bytes], seconds until calm."""
    capacity(port, body)
    before = capacity(port, body)
    half = Figures(arrive(port, body, before / 2, seconds), seconds)
    memory = worker.memory_info().rss
    found = {rate: Figures(arrive(port, body, rate * before, seconds), seconds) for rate in (1, 2, 5, 10)}
    grown = worker.memory_info().rss - memory
    recovered = until_calm(port, body, before / 2, half.p99)
    return max(before, capacity(port, body)), half, found, grown, recovered


def record_rates(what, seconds, figures):
    most, half, found, grown, recovered = figures
    after = f"; calm again after {recovered:.1f} s; {grown >> 20} MiB more memory"
    for rate, one in found.items():
        share = f"{one.good_per_s / most:.0%} of capacity ({most:.0f}/s) answered"
        told = f"{share}, p99 {one.p99 * 1e3:.0f} ms (half load {half.p99 * 1e3:.0f}); {one.refusals()}"
        told += f"; {one.lost} without an answer" + (after if rate == max(found) else "")
        row = f"open arrivals of {what}, {rate:2d} times capacity for {seconds} s"
        record("R10", row, round(rate * most * seconds), told)


def listed(company, count, *, explain):
    items = [{"customer_id": one} for one in company.features["customer_id"].head(count)]
    return json.dumps({"items": items, "explain": explain}).encode()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_at_ten_times_what_it_can_answer_the_service_goes_on_answering_and_recovers(company):
    """Arrivals do not wait for answers, as those of many callers do not."""
    with on_cores(company, Options(name=NAME, waiting=2)) as (port, worker):
        figures = most, _, found, grown, recovered = flooded(port, listed(company, 100, explain=True), worker, 30)
    assert [(rate, one.bare, one.lost) for rate, one in found.items() if one.bare or one.lost] == []
    assert found[10].good_per_s > 0.8 * most, (most, found[10].good_per_s)
    assert grown < 100 * 2**20
    assert recovered < 5
    record_rates("lists of 100 with reasons", 30, figures)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("count", "explain"), [(10, True), (1, True), (1, False)])
def test_small_requests_too_are_answered_at_ten_times_what_can_be_answered(company, count, explain):
    with on_cores(company, Options(name=NAME)) as (port, worker):
        figures = flooded(port, listed(company, count, explain=explain), worker, 30)
    most, _, found, grown, recovered = figures
    assert [(rate, one.bare, one.lost) for rate, one in found.items() if one.bare or one.lost] == []
    assert found[10].good_per_s > 0.8 * most, (most, found[10].good_per_s)
    assert grown < 100 * 2**20
    assert recovered < 5
    record_rates(f"lists of {count}{' with reasons' if explain else ''}", 30, figures)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_slow_and_broken_callers_take_nothing_from_others(company):
    options = Options(name=NAME, body_timeout_s=1.0)
    head = b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with started(NAME, settings=company.settings, options=options) as (url, process):
        port = port_of(url)
        calm = sorted(times(port, 100))
        half = head + b"Content-Length: 90\r\n\r\n{"
        with sockets(port, 200, head[:60]), sockets(port, 50, half) as slow, sockets(port, 50, half) as aborted:
            for one in slow[25:]:
                one.shutdown(socket.SHUT_WR)
            for one in aborted:
                one.close()
            busy = sorted(times(port, 100))
            told = [one.recv(4_096).split(b"\r\n", 1)[0] for one in slow[:25]]
        memory = workers_of(process)[0].memory_info().rss
        status = chunked(port, 60 * 2**20)
        grown = workers_of(process)[0].memory_info().rss - memory
    assert all(b" 408 " in line for line in told)
    assert busy[50] < 2 * calm[50] + 0.02
    assert status in (413, None)
    assert grown < 20 * 2**20
    told_times = [
        f"{name} {busy[at] * 1e3:.0f} ms (calm {calm[at] * 1e3:.0f})" for name, at in (("median", 50), ("p99", 98))
    ]
    medians = ", ".join(told_times)
    what = "200 half heads, 25 half bodies, 25 half-closed and 50 aborted ones"
    record("R11", what, 300, f"100 of 100 others answered, {medians}; slow bodies got 408")
    record("R12", "60 MiB in chunks without a length", 1, f"413 or cut off; {grown >> 20} MiB more memory")
