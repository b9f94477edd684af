import json
import subprocess
import sys
from pathlib import Path

import pytest
from evaluations import NOW, evaluation, verify

from churn_value.config import GateConfig
from churn_value.errors import BundleError, GateRefused, RegistryError
from churn_value.tracking import registry
from churn_value.tracking.exported import champion_folder, history, read_pointer
from churn_value.tracking.locks import held
from churn_value.tracking.promotion import promote, recover, rollback

GATE = GateConfig()
STEPS = ("verify", "decide", "export", "pointer", "alias", "log")


@pytest.fixture
def exported(tmp_path):
    return tmp_path / "exported" / "acme"


@pytest.fixture
def move(store, exported):
    def moved(**over):
        return promote(store, "acme", GATE, **{"exported": exported, "verify": verify, "now": NOW, **over})

    return moved


def test_the_first_champion_is_exported_pointed_at_aliased_and_logged(store, train, move, exported):
    version = train("one")
    result = move()
    assert result.previous is None
    assert verify(champion_folder(exported)) == "one"
    pointer = json.loads((exported / "CHAMPION").read_text())
    assert set(pointer) >= {"version", "path", "sha256"}
    assert pointer["path"] == f"1/{version.bundle}"
    assert registry.by_alias(store, "acme", "champion").number == 1
    assert [(e["decision"], e["version"], e["previous"]) for e in history(exported)] == [("promoted", 1, None)]
    assert not list(exported.glob(".incoming-*"))


def test_a_worse_challenger_is_refused_and_the_champion_stays(store, train, move, exported):
    first = train("one")
    move()
    train("two", evaluation(loss=0.7, champion=first.bundle))
    with pytest.raises(GateRefused, match="recency"):
        move()
    assert verify(champion_folder(exported)) == "one"
    assert registry.by_alias(store, "acme", "champion").number == 1
    last = history(exported)[-1]
    assert (last["decision"], last["version"], last["previous"]) == ("refused", 2, 1)
    assert any("recency" in reason for reason in last["reasons"])
    assert registry.version(store, "acme", 2).tags["gate"] == "refused: BEATS_BASELINE"


def test_a_challenger_not_compared_with_this_champion_is_refused(train, move):
    train("one")
    move()
    train("two")
    with pytest.raises(GateRefused, match="was not scored on these test rows"):
        move()


def test_a_better_challenger_takes_over(train, move, exported):
    first = train("one")
    move()
    train("two", evaluation(champion=first.bundle))
    assert move().previous == "1"
    assert verify(champion_folder(exported)) == "two"


def test_promoting_the_champion_again_changes_nothing(train, move, exported):
    train("one")
    move()
    before = (exported / "CHAMPION").read_bytes()
    assert not move().moved
    assert (exported / "CHAMPION").read_bytes() == before
    assert len(history(exported)) == 1


def test_where_the_runs_were_lost_the_champion_serves_on_and_a_new_version_takes_over(store, train, move, exported):
    """Runs and exported bundles are two folders; whoever removes the first begins again with version 1."""
    lost = train("lost")
    move()
    store.client.delete_registered_model("acme")
    recover(store, "acme", exported=exported, now=NOW)
    assert verify(champion_folder(exported)) == "lost"
    found = train("found", evaluation(champion=lost.bundle))
    assert found.number == lost.number
    recover(store, "acme", exported=exported, now=NOW)
    assert registry.by_alias(store, "acme", "champion") is None
    assert move().moved
    assert verify(champion_folder(exported)) == "found"
    assert registry.by_alias(store, "acme", "champion").number == found.number


def test_altered_files_never_reach_the_champion(store, train, move, exported):
    version = train("one")
    found = Path(store.client.get_run(version.run_id).info.artifact_uri) / version.place
    (found / "model.txt").write_text("another")
    with pytest.raises(BundleError):
        move()
    assert read_pointer(exported) is None
    assert not list(exported.glob("[0-9]*"))


def test_two_promotions_at_once_give_one_named_refusal(train, move, exported):
    train("one")
    with held(exported / ".promotion.lock", wait_s=0), pytest.raises(RegistryError) as caught:
        move()
    assert caught.value.code == "PROMOTION_BUSY"


def test_a_former_champion_is_restored_without_a_gate_but_verified(store, train, move, exported):
    first = train("one")
    move()
    train("two", evaluation(champion=first.bundle))
    move()
    rollback(store, "acme", 1, exported=exported, verify=verify, now=NOW)
    assert verify(champion_folder(exported)) == "one"
    assert registry.by_alias(store, "acme", "champion").number == 1
    assert [e["decision"] for e in history(exported)] == ["promoted", "promoted", "rolled_back"]


def test_a_version_that_was_never_champion_is_not_rolled_back_to(store, train, move, exported):
    train("one")
    move()
    train("two")
    with pytest.raises(RegistryError, match=r"former champions: \[1\]") as caught:
        rollback(store, "acme", 2, exported=exported, verify=verify, now=NOW)
    assert caught.value.code == "NEVER_CHAMPION"


class Killed(BaseException):
    """Stands for a kill at a step: nothing of the promotion's own code runs after it."""


@pytest.mark.parametrize("last", STEPS)
def test_ended_after_any_step_the_champion_loads_and_a_second_try_completes(store, train, move, exported, last):
    first = train("one")
    move()
    train("two", evaluation(champion=first.bundle))

    def end(step):
        if step == last:
            raise Killed

    with pytest.raises(Killed):
        move(step=end)
    moved = STEPS.index(last) >= STEPS.index("pointer")
    assert verify(champion_folder(exported)) == ("two" if moved else "one")
    recover(store, "acme", exported=exported, now=NOW)
    assert registry.by_alias(store, "acme", "champion").number == (2 if moved else 1)
    move()
    assert verify(champion_folder(exported)) == "two"
    assert history(exported)[-1]["version"] == 2
    assert not recover(store, "acme", exported=exported, now=NOW)


def test_a_promotion_killed_by_the_kernel_is_finished_by_recover(store, train, move, exported):
    train("one")
    code = (
        "import os, signal, sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from datetime import UTC, datetime\n"
        "from pathlib import Path\n"
        "from evaluations import verify\n"
        "from churn_value.config import GateConfig\n"
        "from churn_value.tracking.promotion import promote\n"
        "from churn_value.tracking.store import open_store\n"
        "def end(step):\n"
        "    if step == 'pointer': os.kill(os.getpid(), signal.SIGKILL)\n"
        f"promote(open_store({store.uri!r}), 'acme', GateConfig(), exported=Path({str(exported)!r}), verify=verify,\n"
        "        now=datetime(2025, 7, 1, tzinfo=UTC), step=end)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    assert registry.by_alias(store, "acme", "champion") is None
    assert verify(champion_folder(exported)) == "one"
    assert recover(store, "acme", exported=exported, now=NOW)
    assert registry.by_alias(store, "acme", "champion").number == 1
    assert [e["decision"] for e in history(exported)] == ["recovered"]


def test_a_torn_line_of_the_log_swallows_nothing(train, move, exported):
    exported.mkdir(parents=True)
    (exported / "promotions.jsonl").write_text('{"decision": "promo')
    train("one")
    move()
    assert [entry["decision"] for entry in history(exported)] == ["promoted"]


def test_a_pointer_that_is_not_one_is_refused_by_name(exported):
    exported.mkdir(parents=True)
    for content in ("", "[]", '{"version": 1}', "\x00"):
        (exported / "CHAMPION").write_text(content)
        with pytest.raises(RegistryError) as caught:
            read_pointer(exported)
        assert caught.value.code == "POINTER_INVALID"
