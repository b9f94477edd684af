"""The service as an operator meets it: swaps, floods, slow callers, killed workers, stops."""

import http.client
import json
import os
import shutil
import signal
import socket
import time
from collections import Counter
from contextlib import contextmanager, suppress
from threading import Event, Thread

import psutil
import pytest
from recorded import record
from served_company import NAME, NOW, export, point, settings_at

from churn_value.scoring.score import score
from churn_value.service.client import Client, ServiceRefused
from churn_value.service.exchange import OWN, Sent, exchange
from churn_value.service.options import Options
from churn_value.service.serve import LOCAL, readiness, started

IDS = ("0001", "0002", "客户 3")
ITEMS = [{"customer_id": one} for one in IDS]
BODY = b'{"items": [{"customer_id": "0001"}, {"customer_id": "0002"}], "explain": false}'
HEADERS = {"Content-Type": "application/json"}


def probabilities(bundle, features):
    """What a bundle says of `IDS`, without the service."""
    frame = features[features["customer_id"].isin(IDS)]
    answers = [answer.to_dict() for answer in score(bundle, frame, explain=False)]
    return {answer["customer_id"]: answer["churn"]["probability"] for answer in answers}


@pytest.fixture(scope="module")
def pair(company, tmp_path_factory):
    """Two models of the same customers that answer differently, in one exported folder, with what each says."""
    settings = settings_at(tmp_path_factory.mktemp("pair"))
    shutil.copytree(company.exported, settings.exported(NAME))
    settings.place(NAME).mkdir(parents=True)
    shutil.copy(company.settings.scored_features(NAME), settings.scored_features(NAME))
    other = export(settings_at(tmp_path_factory.mktemp("other")), seed=99)
    shutil.copytree(other.path, settings.exported(NAME) / other.path.name)
    bad = settings.exported(NAME) / "0123456789abcdef"
    shutil.copytree(other.path, bad)
    (bad / "golden.json").write_bytes(b"{}")
    said = {one.path.name: probabilities(one.bundle, company.features) for one in (company, other)}
    assert said[company.path.name] != said[other.path.name]
    return settings, [company.path.name, other.path.name], bad.name, said


class Load:
    """Callers that ask until they are told to stop; what each answer was."""

    def __init__(self, url, callers=2, *, retries=0, while_ready=False):
        self.stop, self.while_ready = Event(), while_ready
        self.answers, self.failures = [], []
        self.threads = [Thread(target=self._ask, args=(url, retries)) for _ in range(callers)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

    def _ask(self, url, retries):
        port = int(url.rsplit(":", 1)[1])
        with Client(url, timeout_s=60, retries=retries) as client:
            while not self.stop.is_set() and not (self.while_ready and readiness(port)[0] == 503):
                try:
                    response = client.score(ITEMS, explain=False)
                except (ServiceRefused, OSError, http.client.HTTPException) as error:
                    self.failures.append(repr(error))
                    continue
                told = {result["customer_id"]: result["churn"]["probability"] for result in response["results"]}
                self.answers.append((response["model"]["bundle"], told, response["model"]["version"]))


def swaps(pair, count, look):
    """Move the pointer `count` times, every third time to a damaged bundle; `look` waits until it has been met."""
    settings, good, bad, _ = pair
    exported = settings.exported(NAME)
    for number in range(count):
        name = bad if number % 3 == 2 else good[number % 2]
        point(exported, exported / name, str(number + 10))
        look(str(number + 10), name == bad)


@pytest.mark.parametrize("count", [9, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(1_200)])])
def test_no_answer_is_mixed_while_the_model_is_swapped(pair, open_service, count):
    """In this process, where swaps are quick: callers on threads of their own, every answer one model's."""
    settings, good, _, said = pair
    point(settings.exported(NAME), settings.exported(NAME) / good[0], "1")
    serving, _ = open_service(settings)
    stop, wrong, seen = Event(), [], Counter()

    def ask():
        while not stop.is_set():
            ((document, _),) = exchange([Sent(BODY, OWN, "x")], serving, now=NOW)
            content = json.loads(document)
            told = {result["customer_id"]: result["churn"]["probability"] for result in content["results"]}
            bundle = content["model"]["bundle"]
            seen[bundle] += 1
            if any(said[bundle][one] != value for one, value in told.items()):
                wrong.append((bundle, told))

    threads = [Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    swaps(pair, count, lambda version, bad: serving.refresh())
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert set(seen) == set(good)
    what = "swaps under load in one process, a third of them to damaged bundles"
    record("R13", what, count, f"{sum(seen.values())} answers, 0 mixed")


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_swaps_in_two_workers_fail_and_mix_no_answer(pair):
    settings, good, _, said = pair
    point(settings.exported(NAME), settings.exported(NAME) / good[0], "1")
    with started(NAME, settings=settings, options=Options(name=NAME, workers=2, poll_s=0.2)) as (url, _):
        port = int(url.rsplit(":", 1)[1])

        def look(version, bad):
            """Wait until whoever answers has met the pointer; a busy worker answers callers, an idle one probes."""
            ends, seen = time.monotonic() + 120, 0
            while seen < 6 and time.monotonic() < ends:
                content = readiness(port)[1]
                met = content.get("faults") if bad else content.get("version") == version
                told = bad or {one for _, _, one in load.answers[-6:]} == {version}
                seen = seen + 1 if met and told else 0
                time.sleep(0.05)
            assert seen == 6, readiness(port)

        with Load(url) as load:
            swaps(pair, 6, look)
    assert load.failures == []
    assert [told for bundle, told, _ in load.answers if told != said[bundle]] == []
    assert {bundle for bundle, _, _ in load.answers} == set(good)
    what = "swaps under load, two workers, each new bundle tried in a child process first"
    record("R13", what, 6, f"{len(load.answers)} requests, 0 failed, 0 mixed")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_flood_is_shed_with_a_time_to_come_back_and_leaves_no_trace(company):
    options = Options(name=NAME, waiting=4, deadline_s=2.0)
    with started(NAME, settings=company.settings, options=options) as (url, process):
        port = int(url.rsplit(":", 1)[1])
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


def asked(port, body=BODY):
    connection = http.client.HTTPConnection(LOCAL, port, timeout=60)
    connection.request("POST", "/v1/score", body, HEADERS)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, {name.lower() for name, _ in response.getheaders()}, content


def times(port, count):
    found = []
    for _ in range(count):
        began = time.perf_counter()
        assert asked(port)[0] == 200
        found.append(time.perf_counter() - began)
    return found


def workers_of(process):
    """Worker processes of a supervisor."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "_bentoml_impl.worker.service" in child.cmdline():
                found.append(child)
    return found


@contextmanager
def sockets(port, count, sent):
    held = []
    for _ in range(count):
        held.append(socket.create_connection((LOCAL, port), timeout=30))
        held[-1].sendall(sent)
    try:
        yield held
    finally:
        for one in held:
            one.close()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_slow_and_broken_callers_take_nothing_from_others(company):
    options = Options(name=NAME, body_timeout_s=1.0)
    head = b"POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    with started(NAME, settings=company.settings, options=options) as (url, process):
        port = int(url.rsplit(":", 1)[1])
        calm = sorted(times(port, 40))
        with sockets(port, 200, head[:60]), sockets(port, 50, head + b"Content-Length: 90\r\n\r\n{") as slow:
            for one in slow[25:]:
                one.shutdown(socket.SHUT_WR)
            busy = sorted(times(port, 40))
            told = [one.recv(4_096).split(b"\r\n", 1)[0] for one in slow[:25]]
        memory = workers_of(process)[0].memory_info().rss
        status = chunked(port, 60 * 2**20)
        grown = workers_of(process)[0].memory_info().rss - memory
    assert all(b" 408 " in line for line in told)
    assert busy[20] < 3 * calm[20] + 0.05
    assert status in (413, None)
    assert grown < 20 * 2**20
    medians = f"median {busy[20] * 1e3:.0f} ms (calm {calm[20] * 1e3:.0f})"
    what = "200 half heads, 25 half bodies, 25 half-closed bodies, held open"
    record("R11", what, 250, f"40 of 40 others answered, {medians}; slow bodies got 408")
    record("R12", "60 MiB in chunks without a length", 1, f"413 or cut off; {grown >> 20} MiB more memory")


def chunked(port, size):
    """Status of a body sent in chunks; None when the connection was cut before it could be read."""
    connection = http.client.HTTPConnection(LOCAL, port, timeout=60)
    connection.putrequest("POST", "/v1/score")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    piece = b" " * 65_536
    with suppress(OSError):
        for _ in range(size // len(piece)):
            connection.send(b"10000\r\n" + piece + b"\r\n")
    try:
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


@pytest.mark.long
@pytest.mark.timeout(900)
def test_killed_workers_come_back_and_a_client_that_asks_again_notices_nothing(company, pair):
    settings, good, _, said = pair
    point(settings.exported(NAME), settings.exported(NAME) / good[0], "1")
    kills, longest = 5, 0.0
    with started(NAME, settings=settings, options=Options(name=NAME, workers=2)) as (url, process):
        with Load(url, retries=4) as load:
            for _ in range(kills):
                before = workers_of(process)
                os.kill(before[0].pid, signal.SIGKILL)
                began = time.monotonic()
                while len({one.pid for one in workers_of(process)} - {before[0].pid}) < 2:
                    time.sleep(0.1)
                    assert time.monotonic() - began < 60
                while readiness(int(url.rsplit(":", 1)[1]))[0] != 200:
                    time.sleep(0.1)
                longest = max(longest, time.monotonic() - began)
                time.sleep(2)
        metrics = http.client.HTTPConnection(LOCAL, int(url.rsplit(":", 1)[1]), timeout=30)
        metrics.request("GET", "/metrics")
        assert b"churn_value_ready 1.0" in metrics.getresponse().read()
        metrics.close()
    assert load.failures == []
    assert [told for bundle, told, _ in load.answers if told != said[bundle]] == []
    told = f"{len(load.answers)} requests, 0 failed with retries, 0 wrong"
    record("R15", "kill -9 of one of two workers under load", kills, f"{told}; a new worker within {longest:.1f} s")
    record("R34", "workers started after others had used LightGBM", kills + 2, "no hang")


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_stop_turns_readiness_false_first_and_loses_no_accepted_request(company):
    stops, asked_for, longest = 4, 0, 0.0
    for _ in range(stops):
        with started(NAME, settings=company.settings, options=Options(name=NAME, drain_s=2.0)) as (url, process):
            port = int(url.rsplit(":", 1)[1])
            with Load(url, while_ready=True) as load:
                time.sleep(1)
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                states = []
                while (state := readiness(port))[0] and len(states) < 400:
                    states.append((state[0], "STOPPING" in state[1]["faults"]))
                    time.sleep(0.02)
                process.wait(30)
                longest = max(longest, time.monotonic() - began)
        assert load.failures == []
        assert load.answers
        assert (503, True) in states
        assert states == sorted(states), "readiness never turned true again"
        asked_for += len(load.answers)
    assert longest < 2 + 10 + 1
    told = f"{asked_for} requests, 0 lost; readiness false first; ended within {longest:.1f} s"
    record("R14", "SIGTERM under load from callers that look at /readyz", stops, told)
