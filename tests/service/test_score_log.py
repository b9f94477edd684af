"""The log of answers: every answer is in it, tampering is found, and each can be made again to the bit."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import accumulate
from pathlib import Path

import pytest
from served_company import AS_OF, NAME, export, settings_at

from churn_value.service.log.check import answers, verify
from churn_value.service.log.replay import Replay
from churn_value.service.log.score_log import AT_ONCE, Chain, ScoreLog, chained, key_of, pseudonym
from pipelines.replay import run


def ask(client, items, **envelope):
    response = client.post("/v1/score", json={"items": items, **envelope})
    assert response.status_code == 200, response.text
    return response.json()


def items_of(company, count=200):
    """Items by id, by features and by events, so that every door is logged."""
    ids = list(company.features["customer_id"])
    found = [{"customer_id": ids[number % len(ids)]} for number in range(count - 6)]
    one = ids[0]
    found += [{"customer_id": one, "as_of": str(AS_OF), "features": company.features_of(one)}] * 3
    return found + [{"customer_id": one, "as_of": str(AS_OF), "events": company.events_of(one)}] * 3


@pytest.fixture(scope="module")
def written(company, tmp_path_factory, open_service):
    """A company whose service has answered 200 items, and its sealed log."""
    settings = settings_at(tmp_path_factory.mktemp("logged"))
    shutil.copytree(company.exported, settings.exported(NAME))
    settings.place(NAME).mkdir(parents=True)
    shutil.copy(company.settings.scored_features(NAME), settings.scored_features(NAME))
    serving, client = open_service(settings)
    items = items_of(company)
    for start in (0, 100):
        ask(client, items[start : start + 100], locale="zh" if start else "en", top=3)
    serving.score_log.stop()
    return settings


@pytest.fixture
def folder(written, tmp_path):
    """A copy of the log that a test may break."""
    return Path(shutil.copytree(written.score_log(NAME), tmp_path / "log"))


def test_two_hundred_answers_are_made_again_to_the_bit(written):
    folder = written.score_log(NAME)
    result = run(written.exported(NAME), folder, request_id=None, customer=None, all_answers=True, version=None)
    assert len(result.replayed) == 200
    assert [one.changes for one in result.replayed] == [()] * 200
    (chain,) = result.chains
    assert (chain.answers, chain.missing, chain.end, chain.findings) == (200, 0, "sealed", ())


def test_no_customer_stands_in_the_log_under_their_id(written, company):
    folder = written.score_log(NAME)
    text = "".join(path.read_text() for path in folder.glob("*.log"))
    assert not [one for one in company.features["customer_id"] if f'"{one}"' in text]
    name = pseudonym(key_of(folder), "0001")
    assert any(entry["customer"] == name for entry in answers(folder))
    assert (folder / "key").stat().st_mode & 0o077 == 0


def test_a_planted_change_of_the_logged_answer_is_shown(written):
    entry = next(answers(written.score_log(NAME)))
    entry["answer"]["churn"]["probability"] = math.nextafter(entry["answer"]["churn"]["probability"], 1)
    (change,) = Replay(written.exported(NAME))(entry).changes
    assert change.place == "churn.probability"


def test_another_version_shows_its_difference(written, tmp_path):
    other = export(settings_at(tmp_path / "other"), seed=8)
    place = written.exported(NAME) / other.path.name
    if not place.exists():
        shutil.copytree(other.path, place)
    result = run(
        written.exported(NAME),
        written.score_log(NAME),
        request_id=None,
        customer="0001",
        all_answers=False,
        version=other.path.name,
    )
    assert result.replayed
    assert "churn.probability" in {change.place for one in result.replayed for change in one.changes}


def file_of(folder):
    (path,) = folder.glob("*.log")
    return path


def lines_of(folder):
    return file_of(folder).read_bytes().splitlines(keepends=True)


def forged(line, before, old=b'"status":"ok"', new=b'"status":"no"'):
    """A line whose own hash fits its altered content."""
    content = line.rstrip(b"\n").partition(b" ")[2].replace(old, new)
    return chained(before, content).encode() + b" " + content + b"\n"


TAMPERED = {
    "a letter altered": lambda lines: [*lines[:5], lines[5].replace(b'"ok"', b'"no"'), *lines[6:]],
    "a line forged with its hash": lambda lines: [
        *lines[:5],
        forged(lines[5], lines[4].partition(b" ")[0].decode()),
        *lines[6:],
    ],
    "a line removed": lambda lines: [*lines[:5], *lines[6:]],
    "two lines swapped": lambda lines: [*lines[:5], lines[6], lines[5], *lines[7:]],
    "a line doubled": lambda lines: [*lines[:6], lines[5], *lines[6:]],
    "the first line removed": lambda lines: lines[1:],
    "a part of the middle cut out": lambda lines: [*lines[:5], lines[5][:100], *lines[8:]],
    "a count that is none": lambda lines: [
        *lines[:5],
        forged(lines[5], lines[4].partition(b" ")[0].decode(), b'"kind"', b'"missing":"many","kind"'),
        *lines[6:],
    ],
    "a line after the seal": lambda lines: [*lines, lines[5]],
}


@pytest.mark.parametrize("case", TAMPERED)
def test_tampering_is_found(folder, case):
    lines = lines_of(folder)
    assert not verify(folder)[0].findings
    file_of(folder).write_bytes(b"".join(TAMPERED[case](lines)))
    assert verify(folder)[0].findings


def test_two_hundred_flipped_bytes_are_all_found(folder):
    content = file_of(folder).read_bytes()
    step = (len(content) - 2) // 200
    for number in range(200):
        place = number * step
        flipped = bytes([content[place] ^ 1])
        file_of(folder).write_bytes(content[:place] + flipped + content[place + 1 :])
        (report,) = verify(folder)
        assert report.findings, place


def test_a_cut_end_is_no_longer_sealed(folder):
    lines = lines_of(folder)
    file_of(folder).write_bytes(b"".join(lines[:-3]))
    (report,) = verify(folder)
    assert (report.end, report.findings) == ("open", ())
    file_of(folder).write_bytes(b"".join(lines[:-3]) + lines[-3][:50])
    assert verify(folder)[0].end == "torn"
    assert len(list(answers(folder))) == 198


@pytest.fixture
def pending(company, open_service):
    serving, client = open_service(company.settings)
    ask(client, [{"customer_id": "0001"}])
    return serving.score_log._waiting[0]


def test_a_chain_goes_on_over_files_and_a_missing_file_is_found(tmp_path, pending):
    log = ScoreLog(tmp_path / "log", largest_bytes=1_000)
    for _ in range(3):
        log.append(pending)
        log.flush()
    log.stop()
    files = sorted((tmp_path / "log").glob("*.log"))
    assert len(files) == 4
    (report,) = verify(tmp_path / "log")
    assert (report.answers, report.end, report.findings) == (3, "sealed", ())
    files[1].unlink()
    assert verify(tmp_path / "log")[0].findings


def test_what_does_not_fit_is_counted_and_told_in_the_log(tmp_path, pending):
    log = ScoreLog(tmp_path / "log", most_waiting=2)
    for _ in range(5):
        log.append(pending)
    assert log.lost == 3
    log.stop()
    (report,) = verify(tmp_path / "log")
    assert (report.answers, report.missing, report.findings) == (2, 3, ())


def test_a_disk_that_fills_up_between_two_lines_loses_only_what_came_after(tmp_path, pending, monkeypatch):
    log, write, room = ScoreLog(tmp_path / "log"), Chain.append, 2
    for _ in range(3 * AT_ONCE + 1):
        log.append(pending)

    def append(chain, entries):
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(errno.ENOSPC, "full")
        write(chain, entries)

    monkeypatch.setattr(Chain, "append", append)
    log.flush()
    assert (log.fault, log.lost) == ("SCORE_LOG_UNWRITABLE", AT_ONCE + 1)
    room = 9
    log.append(pending)
    log.stop()
    reports = verify(tmp_path / "log")
    assert (log.fault, sum(one.answers for one in reports)) == (None, 2 * AT_ONCE + 1)
    assert sum(one.missing for one in reports) == AT_ONCE + 1
    assert [one.findings for one in reports] == [(), ()]


def test_the_writer_rests_after_every_few_until_many_wait(tmp_path, pending, monkeypatch):
    rests = []
    monkeypatch.setattr(threading.Event, "wait", lambda _, seconds=None: rests.append(seconds))
    log = ScoreLog(tmp_path / "log", most_waiting=40)
    for count, expected in ((10, [4, 4, 2]), (20, [4, 4, 4, 4, 4])):
        for _ in range(count):
            log.append(pending)
        log.flush(rest_s=0.5)
        # With more than ten of forty places taken there is no rest.
        assert rests == [0.5] * sum(count - done <= 10 for done in accumulate(expected))
        rests.clear()
    assert log._held == 0


def test_a_disk_that_refuses_is_a_fault_and_told_when_it_takes_again(tmp_path, pending):
    (tmp_path / "log").write_text("a file where the folder should be")
    log = ScoreLog(tmp_path / "log")
    log.append(pending)
    log.flush()
    assert (log.fault, log.lost) == ("SCORE_LOG_UNWRITABLE", 1)
    (tmp_path / "log").unlink()
    log.append(pending)
    log.stop()
    assert log.fault is None
    (report,) = verify(tmp_path / "log")
    assert (report.answers, report.missing) == (1, 1)


def test_a_kill_leaves_a_log_that_verifies_up_to_its_last_whole_entry(tmp_path):
    script = """
import json, sys, time
from pathlib import Path
from churn_value.service.log.score_log import Chain
folder = Path(sys.argv[1])
folder.mkdir()
chain = Chain(folder, 10**9)
for number in range(10**6):
    chain.append([json.dumps({"kind": "answer", "n": number, "text": "x" * 20_000}).encode()] * 20)
    print(number, flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    acknowledged = [process.stdout.readline() for _ in range(5)][-1]
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    last = int(rest[-1]) if rest and rest[-1].isdigit() else int(acknowledged)
    (report,) = verify(tmp_path / "log")
    assert report.findings == ()
    assert report.end in ("open", "torn")
    assert report.answers >= (last + 1) * 20 - 20


def test_entries_hold_what_an_auditor_asks_for(written):
    entry = next(answers(written.score_log(NAME)))
    assert {"at", "request_id", "version", "bundle", "policy", "customer", "features", "answer"} <= entry.keys()
    assert json.loads(json.dumps(entry)) == entry
