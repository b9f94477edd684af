"""The service as an operator meets it: swaps, killed workers, stops, starts."""

import http.client
import json
import os
import shutil
import signal
import time
from collections import Counter
from threading import Event, Thread

import lightgbm
import numpy as np
import pytest
from live_service import IDS, Load, port_of, workers_of
from recorded import record
from served_company import NAME, NOW, export, point, settings_at

from churn_value.scoring.score import score
from churn_value.service.exchange import OWN, Sent, exchange
from churn_value.service.options import Options
from churn_value.service.serve import DRAIN_S, LOCAL, readiness, started

BODY = b'{"items": [{"customer_id": "0001"}, {"customer_id": "0002"}], "explain": false}'


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
    count, taken = 100, {True: [], False: []}
    with started(NAME, settings=settings, options=Options(name=NAME, workers=2, poll_s=0.2)) as (url, _):
        port = port_of(url)

        def look(version, bad):
            """Wait until whoever answers has met the pointer; a busy worker answers callers, an idle one probes."""
            began, seen = time.monotonic(), 0
            while seen < 6 and time.monotonic() < began + 120:
                content = readiness(port)[1]
                met = content.get("faults") if bad else content.get("version") == version
                told = bad or {one for _, _, one in load.answers[-6:]} == {version}
                seen = seen + 1 if met and told else 0
                time.sleep(0.05)
            assert seen == 6, readiness(port)
            taken[bad].append(time.monotonic() - began)

        with Load(url) as load:
            swaps(pair, count, look)
    assert load.failures == []
    assert [told for bundle, told, _ in load.answers if told != said[bundle]] == []
    assert {bundle for bundle, _, _ in load.answers} == set(good)
    what = "swaps under load, two workers, each new bundle tried in a child process first"
    told = f"{len(load.answers)} requests, 0 failed, 0 mixed; seen in all workers after {np.median(taken[False]):.1f} s"
    refused = f"(at most {max(taken[False]):.1f}), {len(taken[True])} damaged ones refused after"
    record("R13", what, count, f"{told} {refused} {np.median(taken[True]):.1f} s")


def errors_of(load):
    return Counter(failure.partition("(")[0] for failure in load.failures)


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_killed_workers_come_back_and_a_client_that_asks_again_notices_nothing(company, pair):
    settings, good, _, said = pair
    point(settings.exported(NAME), settings.exported(NAME) / good[0], "1")
    kills, taken = 20, []
    with started(NAME, settings=settings, options=Options(name=NAME, workers=2)) as (url, process):
        port = port_of(url)
        with Load(url, retries=4) as load, Load(url, callers=1) as once:
            for number in range(kills):
                before = workers_of(process)
                os.kill(before[number % 2].pid, signal.SIGKILL)
                began = time.monotonic()
                while len({one.pid for one in workers_of(process)} - {before[number % 2].pid}) < 2:
                    time.sleep(0.1)
                    assert time.monotonic() - began < 60
                while readiness(port)[0] != 200:
                    time.sleep(0.1)
                taken.append(time.monotonic() - began)
                time.sleep(2)
        metrics = http.client.HTTPConnection(LOCAL, port, timeout=30)
        metrics.request("GET", "/metrics")
        assert b"churn_value_ready 1.0" in metrics.getresponse().read()
        metrics.close()
    assert load.failures == []
    assert len(once.failures) <= kills, errors_of(once)
    assert [told for bundle, told, _ in load.answers + once.answers if told != said[bundle]] == []
    told = f"{len(load.answers)} requests, 0 failed with retries, 0 wrong"
    bare = f"{len(once.failures)} of {len(once.answers) + len(once.failures)} failed of a caller that never asks again"
    back = f"a new worker within {np.median(taken):.1f} s (at most {max(taken):.1f})"
    record("R15", "kill -9 of one of two workers under load", kills, f"{told}; {bare}; {back}")
    record("R34", "workers started by a supervisor, all but two in place of killed ones", kills + 2, "no hang")


def use_lightgbm_with_two_threads():
    """What makes a fork of this process hang: its threads of OpenMP are not in the fork."""
    rows = np.random.default_rng(1).normal(size=(2_000, 5))
    data = lightgbm.Dataset(rows, label=rows[:, 0])
    lightgbm.train({"num_threads": 2, "verbosity": -1}, data, 2).predict(rows, num_threads=2)


@pytest.mark.long
@pytest.mark.timeout(1_500)
def test_a_stop_turns_readiness_false_first_and_loses_no_accepted_request(company):
    stops, drain_s, asked_for, taken, starts = 30, 1.0, 0, [], []
    for _ in range(stops):
        use_lightgbm_with_two_threads()
        began = time.monotonic()
        with started(NAME, settings=company.settings, options=Options(name=NAME, drain_s=drain_s)) as (url, process):
            starts.append(time.monotonic() - began)
            port = port_of(url)
            with Load(url, while_ready=True) as load:
                time.sleep(0.5)
                began = time.monotonic()
                process.send_signal(signal.SIGTERM)
                states = []
                while (state := readiness(port))[0] and len(states) < 400:
                    states.append((state[0], "STOPPING" in state[1]["faults"]))
                    time.sleep(0.02)
                process.wait(30)
                taken.append(time.monotonic() - began)
        assert load.failures == []
        assert load.answers
        assert (503, True) in states
        assert states == sorted(states), "readiness never turned true again"
        asked_for += len(load.answers)
    assert max(taken) < drain_s + DRAIN_S + 1
    told = f"{asked_for} requests, 0 lost; readiness false first; ended within {max(taken):.1f} s"
    record("R14", "SIGTERM under load from callers that look at /readyz", stops, told)
    told = f"no hang; ready after {np.median(starts):.1f} s (at most {max(starts):.1f})"
    record("R34", "services started by a process that had used LightGBM with two threads", stops, told)
