import asyncio

import pytest

from churn_value.errors import RequestError
from churn_value.service.admission import Admission


async def hold(admission, release):
    async with admission.slot():
        await release.wait()


def test_who_finds_no_place_is_refused_at_once_and_places_come_back(runner):
    async def scene():
        admission, release = Admission(slots=1, waiting=2, deadline_s=5), asyncio.Event()
        held = [asyncio.create_task(hold(admission, release)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(RequestError) as refused:
            async with admission.slot():
                pass
        release.set()
        await asyncio.gather(*held)
        async with admission.slot():
            return refused.value.code, admission.inside

    assert runner.run(scene()) == ("OVERLOADED", 1)


def test_who_waits_too_long_is_refused_and_gives_up_the_place(runner):
    async def scene():
        admission, release = Admission(slots=1, waiting=1, deadline_s=0.02), asyncio.Event()
        first = asyncio.create_task(hold(admission, release))
        await asyncio.sleep(0)
        with pytest.raises(RequestError) as refused:
            async with admission.slot():
                pass
        inside = admission.inside
        release.set()
        await first
        async with admission.slot():
            return refused.value.code, inside

    assert runner.run(scene()) == ("WAITED_TOO_LONG", 1)


def test_work_that_fails_gives_its_slot_back(runner):
    async def scene():
        admission = Admission(slots=1, waiting=0, deadline_s=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                async with admission.slot():
                    raise ZeroDivisionError
        return admission.inside

    assert runner.run(scene()) == 0


def test_an_overloaded_service_says_when_to_come_back(company, open_service, runner):
    _, caller = open_service(company.settings, waiting=1)
    body = {"items": [{"customer_id": "0001"}] * 300, "explain": False}

    async def crowd():
        return await asyncio.gather(*(caller._request("POST", "/v1/score", {"json": body}) for _ in range(6)))

    answers = runner.run(crowd())
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200, 200, 429, 429, 429, 429]
    assert {answer.headers["retry-after"] for answer in answers if answer.status_code == 429} == {"1"}
    assert caller.post("/v1/score", json=body).status_code == 200
