"""`python -m pipelines.backfill` and `python -m pipelines.replay` as an operator types them."""

import runpy
import sys

import pytest
import yaml
from served_company import NAME, config

ROW = {"event_id": "e-1", "event_time": "2024-09-20T10:15:00Z", "amount": 12.5, "order_id": "n-1", "category": "c1"}


@pytest.fixture
def typed(copied, monkeypatch, tmp_path, capsys, company):
    """Runs a command over a copy of the company; its exit status, and what it printed."""
    monkeypatch.setenv("CHURN_VALUE_DATA", str(copied.data_root))
    monkeypatch.setenv("CHURN_VALUE_ARTIFACTS", str(copied.artifacts))
    monkeypatch.setenv("CHURN_VALUE_MODELS", str(copied.models))
    copied.data_root.mkdir()
    company.purchases.to_parquet(copied.data_root / "purchases.parquet", index=False)
    company.customers.to_parquet(copied.data_root / "customers.parquet", index=False)
    path = tmp_path / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump(config().model_dump(mode="json", exclude_unset=True)))

    def run(command, *arguments, given=path):
        monkeypatch.setattr(sys, "argv", [command, "--config", str(given), *arguments])
        monkeypatch.delitem(sys.modules, command, raising=False)  # another test may have imported it
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(command, run_name="__main__")
        printed = capsys.readouterr()
        return ended.value.code or 0, " ".join(printed.out.split()), " ".join(printed.err.split())

    return run


def answered(client, *items, **envelope):
    response = client.post("/v1/score", json={"items": list(items), **envelope})
    assert response.status_code == 200, response.text
    return response.json()


def test_backfill_opens_the_store_that_events_are_kept_in_and_scored_from(typed, copied, company, open_service):
    rows = len(company.purchases) + len(company.customers)
    status, out, _ = typed("pipelines.backfill")
    assert (status, out.partition(" in ")[0]) == (0, f"{rows:,} rows of history")
    assert "0 live rows beside them" in out
    _, client = open_service(copied)
    item = {"customer_id": "0001", "source": "events", "as_of": "2024-10-01"}
    before = answered(client, item, explain=False)["results"][0]
    sent = {"items": [{"customer_id": "0001", "events": {"purchases": [ROW]}}]}
    assert client.post("/v1/events", json=sent).json()["counts"]["accepted"] == 1
    after = answered(client, {**item, "as_of": None}, explain=False)["results"][0]
    assert after["churn"] != before["churn"]
    status, out, _ = typed("pipelines.backfill")
    assert (status, "1 live rows beside them" in out) == (0, True)


def test_backfill_says_what_is_wrong_with_a_configuration(typed, copied, tmp_path):
    status, out, err = typed("pipelines.backfill", given=tmp_path / "nowhere.yaml")
    assert (status, out) == (10, "")
    assert "nowhere.yaml" in err
    assert not copied.events(NAME).exists()


@pytest.fixture
def logged(copied, open_service):
    """A request id whose two answers stand in the log, beside one answer of another request."""
    serving, client = open_service(copied)
    known = answered(client, {"customer_id": "0001"}, {"customer_id": "0002"})["request_id"]
    answered(client, {"customer_id": "0001"}, explain=False)
    serving.score_log.stop()
    return known


def test_replay_makes_logged_answers_again(typed, logged):
    status, out, _ = typed("pipelines.replay", "--all", "--verify")
    assert status == 0
    assert "3 of 3 answers come out the same to the bit" in out
    assert "Differences" not in out
    assert "2 of 2 answers" in typed("pipelines.replay", "--request-id", logged)[1]
    assert "2 of 2 answers" in typed("pipelines.replay", "--customer", "0001")[1]
    assert "answers come out" not in typed("pipelines.replay", "--verify")[1]


def test_replay_takes_the_version_it_is_told_or_says_that_it_is_not_kept(typed, logged, copied, company):
    status, out, _ = typed("pipelines.replay", "--request-id", logged, "--version", company.path.name)
    assert (status, "2 of 2 answers come out the same to the bit" in out) == (0, True)
    status, _, err = typed("pipelines.replay", "--all", "--version", "77")
    assert (status, "BUNDLE_NOT_KEPT" in err) == (13, True)


def test_replay_fails_when_asked_to_verify_a_log_that_was_altered(typed, logged, copied):
    (path,) = copied.score_log(NAME).glob("*.log")
    content = path.read_bytes()
    place = content.index(b'"probability"') + len(b'"probability": 0.')
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    status, out, err = typed("pipelines.replay", "--verify")
    assert (status, "LOG_BROKEN" in err) == (11, True)
    assert "CHAIN_BROKEN" in out
    assert typed("pipelines.replay")[0] == 0


@pytest.mark.parametrize("arguments", [("--request-id", "no-such-request"), ("--customer", "no-such-customer")])
def test_replay_says_that_nothing_of_what_it_was_asked_for_is_logged(typed, logged, arguments):
    status, out, err = typed("pipelines.replay", *arguments)
    assert (status, out) == (11, "")
    assert "NOT_LOGGED" in err
    assert arguments[1] in err


@pytest.mark.parametrize("asked", [(), ("--verify",), ("--all",), ("--customer", "0001")])
def test_a_log_that_is_not_there_does_not_pass_for_a_whole_one(typed, tmp_path, asked):
    status, out, err = typed("pipelines.replay", "--log", str(tmp_path / "mistyped"), *asked)
    assert (status, out) == (11, "")
    assert "LOG_MISSING" in err
    assert not (tmp_path / "mistyped").exists()


def test_a_log_without_its_key_is_told_and_gets_no_other(typed, logged, copied):
    key = copied.score_log(NAME) / "key"
    key.unlink()
    status, _, err = typed("pipelines.replay", "--customer", "0001")
    assert (status, "LOG_KEY_MISSING" in err) == (11, True)
    assert not key.exists()
    assert "2 of 2 answers" in typed("pipelines.replay", "--request-id", logged)[1]


def test_replay_leaves_out_what_its_chain_does_not_vouch_for(typed, logged, copied):
    (path,) = copied.score_log(NAME).glob("*.log")
    path.write_bytes(path.read_bytes().replace(b'"features"', b'"futures"', 1))
    status, out, _ = typed("pipelines.replay", "--all")
    assert status == 0
    assert "CHAIN_BROKEN" in out
    assert "2 of 2 answers come out the same" in out
