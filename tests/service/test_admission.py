import asyncio
import threading

import pytest

from churn_value.errors import RequestError
from churn_value.service.admission import FEW, MOST_IN_A_FLOOD, MOST_TOGETHER, Admission
from churn_value.service.problems import refusal


class Work:
    """Doubles numbers while its gate is open, and remembers what it was given at once."""

    def __init__(self) -> None:
        self.gate, self.begun, self.given = threading.Event(), threading.Event(), []

    def __call__(self, jobs):
        self.given.append(list(jobs))
        self.begun.set()
        assert self.gate.wait(5)
        return [2 * job for job in jobs]


def started(admission, work, jobs, **how):
    return [asyncio.create_task(admission.outcome(work, job, **how)) for job in jobs]


async def begun(work):
    assert await asyncio.to_thread(work.begun.wait, 5)


def test_who_finds_no_place_is_refused_at_once_and_places_come_back(runner):
    async def scene():
        admission, work = Admission(slots=1, waiting=2, deadline_s=5), Work()
        held = started(admission, work, [1, 2, 3])
        await begun(work)
        with pytest.raises(RequestError) as refused:
            await admission.outcome(work, 4)
        work.gate.set()
        outcomes = await asyncio.gather(*held)
        return refused.value.code, outcomes, await admission.outcome(work, 5), admission.inside

    assert runner.run(scene()) == ("OVERLOADED", [2, 4, 6], 10, 0)


def test_who_waits_too_long_is_refused_and_never_worked_on(runner):
    async def scene():
        admission, work = Admission(slots=1, waiting=1, deadline_s=0.02), Work()
        first = asyncio.create_task(admission.outcome(work, 1))
        await begun(work)
        with pytest.raises(RequestError) as refused:
            await admission.outcome(work, 2)
        inside = admission.inside
        work.gate.set()
        # The first took longer than the deadline too, but it was begun in time.
        return refused.value.code, inside, await first, work.given

    assert runner.run(scene()) == ("WAITED_TOO_LONG", 1, 2, [[1]])


def test_who_goes_away_gives_up_the_place(runner):
    async def scene():
        admission, work = Admission(slots=1, waiting=1, deadline_s=5), Work()
        first, second = started(admission, work, [1, 2])
        await begun(work)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        third = asyncio.create_task(admission.outcome(work, 3))
        await asyncio.sleep(0)
        work.gate.set()
        return await first, await third, work.given

    assert runner.run(scene()) == (2, 6, [[1], [3]])


def test_a_slot_is_given_back_only_when_its_work_has_ended(runner):
    async def scene():
        admission, work = Admission(slots=1, waiting=1, deadline_s=5), Work()
        (first,) = started(admission, work, [1])
        await begun(work)
        first.cancel()
        (second,) = started(admission, work, [2])
        await asyncio.sleep(0.02)
        given = list(work.given)
        work.gate.set()
        return given, await second

    assert runner.run(scene()) == ([[1]], 4)


def test_small_jobs_that_wait_are_done_together_and_others_alone_all_in_their_order(runner):
    async def scene():
        admission, work, other = Admission(slots=1, waiting=199, deadline_s=5), Work(), Work()
        other.gate.set()
        held = started(admission, work, ["a"])
        await begun(work)
        held += started(admission, work, "bc", customers=1)
        held += started(admission, work, "D")
        held += started(admission, work, "ef", customers=1)
        held += started(admission, other, "g", customers=1)
        held += started(admission, work, [str(number) for number in range(MOST_TOGETHER + 1)], customers=1)
        await asyncio.sleep(0)
        work.gate.set()
        outcomes = await asyncio.gather(*held)
        return outcomes[:7], [len(jobs) for jobs in work.given], other.given

    outcomes, sizes, others = runner.run(scene())
    assert outcomes == ["aa", "bb", "cc", "DD", "ee", "ff", "gg"]
    assert sizes == [1, 2, 1, 2, MOST_TOGETHER, 1]
    assert others == [["g"]]


def test_jobs_are_joined_as_long_as_they_ask_about_few_customers(runner):
    most = MOST_TOGETHER

    async def scene():
        admission, work, held = Admission(slots=1, waiting=99, deadline_s=5), Work(), []
        held += started(admission, work, ["a"])
        await begun(work)
        for name, customers in (("b", most - 1), ("c", 1), ("d", 1), ("e", most), ("f", 2 * most), ("g", 1)):
            held += started(admission, work, [name], customers=customers)
            await asyncio.sleep(0)
        work.gate.set()
        await asyncio.gather(*held)
        return work.given

    assert runner.run(scene()) == [["a"], ["b", "c"], ["d"], ["e"], ["f"], ["g"]]


def test_what_arrives_together_is_done_together(runner):
    async def scene():
        admission, work = Admission(slots=1, waiting=9, deadline_s=5), Work()
        work.gate.set()
        await asyncio.gather(*started(admission, work, [1, 2, 3], customers=1))
        return work.given

    assert runner.run(scene()) == [[1, 2, 3]]


def test_a_refusal_among_outcomes_is_raised_where_it_belongs(runner):
    def work(jobs):
        return [refusal("BODY_EMPTY") if job == 2 else job for job in jobs]

    async def scene():
        admission = Admission(slots=1, waiting=9, deadline_s=5)
        return await asyncio.gather(*started(admission, work, [1, 2, 3], customers=1), return_exceptions=True)

    first, second, third = runner.run(scene())
    assert (first, second.code, third) == (1, "BODY_EMPTY", 3)


def test_a_job_that_fails_fails_no_other_and_gives_its_slot_back(runner):
    def work(jobs):
        return [1 / job for job in jobs]

    async def scene():
        admission = Admission(slots=1, waiting=9, deadline_s=5)
        found = await asyncio.gather(*started(admission, work, [1, 0, 2], customers=1), return_exceptions=True)
        return found, await admission.outcome(work, 4), admission.inside

    (first, failed, last), after, inside = runner.run(scene())
    assert (first, type(failed), last, after, inside) == (1.0, ZeroDivisionError, 0.5, 0.25, 0)


@pytest.mark.parametrize("is_quick", [True, False])
def test_a_quick_job_that_is_alone_is_done_on_the_event_loop_and_any_other_in_a_thread(runner, is_quick):
    def work(jobs):
        return [(threading.get_ident(), len(jobs)) for _ in jobs]

    async def scene():
        admission = Admission(slots=1, waiting=9, deadline_s=5)
        how = {"customers": 1, "is_quick": is_quick}
        alone = await admission.outcome(work, 1, **how)
        together = await asyncio.gather(*started(admission, work, [2, 3], **how))
        return threading.get_ident(), alone, together, admission.inside

    here, (where, _), together, inside = runner.run(scene())
    assert (where == here) is is_quick
    assert [(thread == here, size) for thread, size in together] == [(False, 2)] * 2
    assert inside == 0


def test_a_quick_job_waits_for_its_slot_while_another_is_worked_on(runner):
    async def scene():
        admission, work = Admission(slots=1, waiting=9, deadline_s=5), Work()
        (held,) = started(admission, work, [1])
        await begun(work)
        (quick,) = started(admission, work, [2], customers=1, is_quick=True)
        await asyncio.sleep(0.02)
        given = list(work.given)
        work.gate.set()
        return given, await held, await quick

    assert runner.run(scene()) == ([[1]], 2, 4)


@pytest.mark.parametrize("fault", [ZeroDivisionError, KeyError])
def test_a_quick_job_that_fails_gives_its_slot_back(runner, fault):
    def work(jobs):
        if jobs == [0]:
            raise fault
        return jobs

    async def scene():
        admission = Admission(slots=1, waiting=0, deadline_s=5)
        with pytest.raises(fault):
            await admission.outcome(work, 0, is_quick=True)
        return await admission.outcome(work, 4, is_quick=True), admission.inside

    assert runner.run(scene()) == (4, 0)


def test_when_no_place_is_left_the_event_loop_does_some_quick_jobs_and_then_refuses_again(runner):
    def work(jobs):
        return [(threading.get_ident(), len(jobs))] * len(jobs)

    async def scene(places, **how):
        admission = Admission(slots=1, waiting=places - 1, deadline_s=5)
        found = await asyncio.gather(*started(admission, work, range(places), is_quick=True, **how))
        return threading.get_ident(), found, admission.inside

    here, found, inside = runner.run(scene(30, customers=1))
    assert inside == 0
    assert [(thread == here, size) for thread, size in found] == [(True, MOST_IN_A_FLOOD)] * 24 + [(False, 6)] * 6
    here, found, _ = runner.run(scene(50, customers=4))
    assert [(thread == here, size) for thread, size in found] == [(True, 6)] * 6 + [(False, 32)] * 32 + [
        (False, 12)
    ] * 12
    for customers in (0, FEW + 1):
        here, found, _ = runner.run(scene(3, customers=customers))
        assert {thread == here for thread, _ in found} == {False}


def test_a_thread_that_ends_a_run_in_a_flood_leaves_the_next_to_the_event_loop(runner):
    async def scene():
        admission, work, where = Admission(slots=1, waiting=3, deadline_s=5), Work(), []

        def quick(jobs):
            where.append((threading.get_ident(), list(jobs)))
            return jobs

        async def one_after_the_other():
            await admission.outcome(work, 1)
            await admission.outcome(quick, 5, customers=1, is_quick=True)

        first = asyncio.create_task(one_after_the_other())
        await begun(work)
        waiting = started(admission, quick, [2, 3, 4], customers=1, is_quick=True)
        await asyncio.sleep(0)  # they are in the queue
        await asyncio.sleep(0)  # what their arrival planned has found no free slot
        work.gate.set()
        await asyncio.gather(first, *waiting)
        return threading.get_ident(), where, admission.inside

    here, where, inside = runner.run(scene())
    assert where == [(here, [2, 3, 4, 5])]
    assert inside == 0


def test_a_quick_job_that_fails_in_a_flood_fails_no_other(runner):
    def work(jobs):
        return [1 / job for job in jobs]

    async def scene():
        admission = Admission(slots=1, waiting=3, deadline_s=5)
        jobs = started(admission, work, [1, 0, 2, 4], customers=1, is_quick=True)
        return await asyncio.gather(*jobs, return_exceptions=True), await admission.outcome(work, 4), admission.inside

    (first, failed, *others), after, inside = runner.run(scene())
    assert (first, type(failed), others, after, inside) == (1.0, ZeroDivisionError, [0.5, 0.25], 0.25, 0)


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
