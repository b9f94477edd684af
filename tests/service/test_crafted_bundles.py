"""Whoever can write hashes can write a bundle that is whole and bad: twenty and more are refused, by name, unserved."""

import time
from threading import Event, Thread

import numpy as np
import pytest
from crafted_bundles import CRAFTED, HARMLESS_TO_READ, rewritten
from live_service import asked, port_of
from recorded import record
from served_company import NAME, point

from churn_value.service.options import Options
from churn_value.service.serve import readiness, started

BODY = {"items": [{"customer_id": "0001"}]}
REFUSED = {"BUNDLE_INVALID", "BUNDLE_OUTDATED", "BUNDLE_UNREADABLE", "GOLDEN_ROWS_DIFFER", "POLICY_INVALID"}
REFUSED |= {"FEATURE_FINGERPRINT_MISMATCH", "TRIAL_FAILED"}


def test_no_bad_bundle_with_right_hashes_replaces_the_one_that_serves(company, copied, open_service):
    """Without the trial in a child process, which test_trial.py has: what is left must refuse as well."""
    serving, caller = open_service(copied)
    exported = copied.exported(NAME)
    assert len(HARMLESS_TO_READ) >= 20
    for number, (name, change) in enumerate(HARMLESS_TO_READ.items()):
        point(exported, rewritten(exported / company.path.name, change), str(number + 2))
        serving.refresh()
        ready = caller.get("/readyz").json()
        assert (ready["ready"], ready["version"]) == (True, "1"), name
        assert ready["faults"], name
        assert set(ready["faults"]) <= REFUSED, name
    assert caller.post("/v1/score", json=BODY).json()["results"][0]["status"] == "ok"


@pytest.mark.parametrize("name", ["no golden row", "a manifest without a model's name", "a catalog without features"])
def test_a_bad_bundle_is_no_beginning_either(company, copied, open_service, name):
    exported = copied.exported(NAME)
    point(exported, rewritten(exported / company.path.name, CRAFTED[name]), "2")
    _, caller = open_service(copied)
    response = caller.get("/readyz")
    assert (response.status_code, response.json()["faults"][0]) == (503, "NO_MODEL")
    assert set(response.json()["faults"][1:]) <= REFUSED
    assert caller.post("/v1/score", json=BODY).json()["code"] == "NO_MODEL"
    assert caller.get("/livez").status_code == 200


class Pace:
    """One caller that asks again and again; how long each answer took, and what was not an answer."""

    def __init__(self, port):
        self.seconds, self.others, self._stop = [], [], Event()
        self._thread = Thread(target=self._ask, args=(port,))

    def _ask(self, port):
        while not self._stop.wait(0.02):
            began = time.perf_counter()
            status, _, _ = asked(port)
            self.seconds.append(time.perf_counter() - began)
            if status != 200:
                self.others.append(status)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def until_refused(port, ends):
    """Wait until the worker names a fault; its code."""
    while time.monotonic() < ends:
        _, content = readiness(port)
        if content.get("faults"):
            return content
        time.sleep(0.05)
    raise AssertionError("never refused")


@pytest.mark.long
@pytest.mark.timeout(1_200)
def test_all_of_them_are_refused_by_a_service_that_goes_on_answering(company, copied):
    exported, codes, during = copied.exported(NAME), {}, []
    good = exported / company.path.name
    with started(NAME, settings=copied, options=Options(name=NAME, poll_s=0.2)) as (url, process):
        port = port_of(url)
        with Pace(port) as calm:
            time.sleep(20)
        for number, name in enumerate(CRAFTED):
            with Pace(port) as pace:
                point(exported, rewritten(good, CRAFTED[name]), str(number + 2))
                content = until_refused(port, time.monotonic() + 150)
            assert (content["ready"], content["version"], pace.others) == (True, "1", []), name
            codes[name] = content["faults"][0]
            during += pace.seconds
            point(exported, good, "1")
            while readiness(port)[1]["faults"]:
                time.sleep(0.05)
        assert process.poll() is None
    assert set(codes.values()) <= REFUSED, codes
    before, then = (np.percentile(seconds, [50, 99]) * 1e3 for seconds in (calm.seconds, during))
    times = f"median {then[0]:.0f} ms (calm {before[0]:.0f}), p99 {then[1]:.0f} ms ({before[1]:.0f})"
    told = f"all refused by name, none served; {len(during)} answers meanwhile, {times}"
    record("R8", "bad bundles with right hashes offered to a running service", len(CRAFTED), told)
