from __future__ import annotations

import json
from datetime import date, timedelta

import pandas as pd
import pytest
from scored_company import AS_OF, population

from churn_value.errors import DataContractError
from churn_value.monitoring.archive import ScoreArchive
from churn_value.scoring.overrides import TierOverrides, overrides_of, read_overrides, write_overrides
from churn_value.scoring.policy import policy_of
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame

COLUMNS = ["customer_id", "tier", "reason", "owner", "expires"]
LAST = AS_OF + timedelta(days=30)


def row(customer="C00000", tier="S", reason="board member", owner="anna", expires="2025-07-31"):
    return [customer, tier, reason, owner, expires]


def table(*rows):
    return pd.DataFrame([list(one) for one in rows], columns=COLUMNS)


@pytest.fixture
def people():
    """Two customers whose own tier is surely not S."""
    frame = population(2, seed=3)
    frame["days_since_last_purchase"], frame["purchase_days"], frame["spend_minor"] = 190.0, 1.0, 500.0
    return frame


def test_an_override_is_applied_visibly_and_the_policy_s_own_tier_is_still_shown(bundle, people):
    plain = score(bundle, people)
    first, second = score(bundle, people, overrides=overrides_of(table(row())), now=AS_OF)
    assert (first.tier.code, first.tier.source, first.tier.rank, first.tier.label) == ("S", "override", 1, "Diamond")
    assert first.tier.own_code == plain[0].tier.code != "S"
    assert (first.tier.override.reason, first.tier.override.owner) == ("board member", "anna")
    assert first.tier.override.expires == LAST
    assert (first.tier.held_by, first.tier.to_next) == (None, None)
    assert second == plain[1]
    assert (first.churn, first.value, first.scores) == (plain[0].churn, plain[0].value, plain[0].scores)


def test_actions_and_tags_follow_the_tier_that_is_shown(bundle):
    content = bundle.policy.model_dump(mode="json", by_alias=True)
    label = {"en": "x", "zh": "x"}
    content["tags"] = [{"code": "is_best", "when": {"tier": "S"}, "label": label}]
    changed = bundle.under(policy_of(content, "mine"))
    found = score(changed, population(1, seed=3), overrides=overrides_of(table(row())), now=AS_OF)[0]
    assert [tag.code for tag in found.portrait.tags] == ["is_best"]


@pytest.mark.parametrize(("day", "source"), [(LAST, "override"), (LAST + timedelta(days=1), "model")])
def test_an_override_ends_after_its_last_day(bundle, people, day, source):
    assert score(bundle, people, overrides=overrides_of(table(row())), now=day)[0].tier.source == source


def test_without_a_today_the_day_is_the_row_s_as_of(bundle, people):
    gone = overrides_of(table(row(expires=(AS_OF - timedelta(days=1)).isoformat())))
    assert score(bundle, people, overrides=gone)[0].tier.source == "model"
    held = overrides_of(table(row(expires=AS_OF.isoformat())))
    assert score(bundle, people, overrides=held)[0].tier.source == "override"


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"customer": ""}, "OVERRIDE_WITHOUT_CUSTOMER"),
        ({"tier": None}, "OVERRIDE_WITHOUT_TIER"),
        ({"reason": "  "}, "OVERRIDE_WITHOUT_REASON"),
        ({"owner": float("nan")}, "OVERRIDE_WITHOUT_OWNER"),
        ({"expires": ""}, "OVERRIDE_WITHOUT_EXPIRES"),
        ({"expires": "next year"}, "OVERRIDE_EXPIRES_INVALID"),
        ({"expires": "2025-02-30"}, "OVERRIDE_EXPIRES_INVALID"),
        ({"customer": "C1"}, "OVERRIDE_REPEATED"),
    ],
)
def test_a_row_that_does_not_say_why_by_whom_or_until_when_refuses_the_table(cells, code):
    with pytest.raises(DataContractError) as caught:
        overrides_of(table(row("C1"), row(**{"customer": "C2"} | cells)))
    assert caught.value.code == code
    assert "row 2" in caught.value.where


def test_a_tier_that_the_policy_does_not_have_is_refused(bundle, people):
    with pytest.raises(DataContractError) as caught:
        score(bundle, people, overrides=overrides_of(table(row(tier="PLATINUM"))))
    assert caught.value.code == "OVERRIDE_TIER_UNKNOWN"
    assert "PLATINUM" in str(caught.value)
    assert overrides_of(table(row(), row("C1", tier="PLATINUM"))).known_to("SABCD").by_customer.keys() == {"C00000"}


def test_a_table_without_a_column_or_a_file_is_refused(tmp_path):
    with pytest.raises(DataContractError, match="without owner") as caught:
        overrides_of(table(row()).drop(columns="owner"))
    assert caught.value.code == "OVERRIDE_COLUMN_MISSING"
    with pytest.raises(DataContractError) as caught:
        read_overrides(tmp_path / "none.csv")
    assert caught.value.code == "OVERRIDES_ABSENT"
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(DataContractError) as caught:
        read_overrides(tmp_path / "empty.csv")
    assert caught.value.code == "OVERRIDES_UNREADABLE"


def test_what_is_published_reads_back_equal_and_ids_stay_texts(tmp_path):
    given = overrides_of(table(row("007", reason='says "so", twice'), row(" x ", expires=date(2026, 1, 1)), row("NA")))
    write_overrides(given, tmp_path / "folder" / "tier_overrides.csv")
    assert read_overrides(tmp_path / "folder" / "tier_overrides.csv") == given
    write_overrides(TierOverrides(), tmp_path / "folder" / "tier_overrides.csv")
    assert read_overrides(tmp_path / "folder" / "tier_overrides.csv") == TierOverrides()


def test_after_its_end_the_tier_goes_back_to_where_the_policy_held_it(bundle, people, tmp_path):
    archive, given = ScoreArchive(tmp_path), overrides_of(table(row()))
    own = score(bundle, people)[0].tier.code
    for day in (AS_OF, AS_OF + timedelta(days=28), LAST + timedelta(days=1), LAST + timedelta(days=40)):
        dated = people.assign(as_of=day)
        answers = score(bundle, dated, previous=archive.previous(day), overrides=given)
        archive.write(answers_to_frame(answers), day)
    kept = [archive.read(day).iloc[0] for day in archive.dates()]
    assert [one["tier"] for one in kept] == ["S", "S", own, own]
    assert [one["tier_source"] for one in kept] == ["override", "override", "model", "model"]
    assert [one["tier_own"] for one in kept] == [own] * 4
    assert {one["tier_own_since"].date() for one in kept} == {AS_OF}  # never left: no dwell begins anew
    ended = LAST + timedelta(days=1)
    assert [one["tier_since"].date() for one in kept] == [AS_OF, AS_OF, ended, ended]
    assert json.loads(kept[-1]["tier_history"]) == [["S", AS_OF.isoformat()], [own, ended.isoformat()]]
    assert kept[0]["override_reason"] == "board member"
    assert pd.isna(kept[-1]["override_expires"])
