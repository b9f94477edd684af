import json

import numpy as np
import pandas as pd

from churn_value.monitoring.moves import largest_moves, reason_counts, weights_of

TIERS = ["S", "A", "B", "C"]
WEIGHTS = {"value": 40.0, "behaviour": 30.0, "satisfaction": 30.0}


def said(code, contribution, text):
    return {"code": code, "contribution": contribution, "text": text}


def answer(customer, tier, *, worth=10.0, value=50.0, behaviour=50.0, satisfaction=50.0, source="model", speaks=()):
    found = {"churn": [], "value": []} | dict(speaks)
    return {
        "customer_id": customer,
        "tier": tier,
        "tier_source": source,
        "expected_value": worth,
        "value_score": value,
        "behaviour_score": behaviour,
        "satisfaction_score": satisfaction,
        "reasons": json.dumps(found),
    }


def moved(before, now, **options):
    return largest_moves(pd.DataFrame(before), pd.DataFrame(now), TIERS, WEIGHTS, **options)


def test_the_longest_moves_come_first_and_of_equal_ones_the_most_valuable():
    before = [answer(name, tier) for name, tier in zip("abcd", "SABS", strict=True)]
    now = [answer("a", "A", worth=5), answer("b", "B", worth=50), answer("c", "S"), answer("d", "S")]
    assert moved(before, now)["customer_id"].tolist() == ["c", "b", "a"]
    assert moved(before, now, most=1)["steps"].tolist() == [2]


def test_a_move_is_put_down_to_the_sub_score_that_says_most_by_its_weight():
    # value falls by 10 points at 40 of 100: 4; satisfaction by 20 at 30 of 100: 6; behaviour rises
    before = [answer("a", "A", value=60, satisfaction=60)]
    now = [answer("a", "B", value=50, satisfaction=40, behaviour=90)]
    found = moved(before, now).iloc[0]
    assert (found["why"], found["points"], found["steps"]) == ("satisfaction", -6.0, -1)


def test_rules_and_overrides_are_named_before_any_score():
    before = [answer("a", "A"), answer("b", "A", source="override")]
    now = [answer("a", "B", source="rule", value=1), answer("b", "B", source="rule")]
    assert moved(before, now).set_index("customer_id")["why"].to_dict() == {"a": "rule", "b": "override"}


def test_a_move_against_every_score_is_put_down_to_nothing():
    found = moved([answer("a", "A", satisfaction=np.nan)], [answer("a", "B", value=80)]).iloc[0]
    assert found["why"] is None
    assert np.isnan(found["points"])
    assert reason_counts(pd.DataFrame([found])).to_dict("list") == {
        "why": ["(population or policy)"],
        "up": [0],
        "down": [1],
    }


def test_the_reason_that_changed_most_against_the_customer_is_told_in_both_answers():
    before = [
        answer(
            "a", "A", speaks={"churn": [said("RECENCY", -0.4, "bought 3 days ago"), said("FREQUENCY", -1.0, "often")]}
        )
    ]
    now = [
        answer(
            "a",
            "C",
            speaks={
                "churn": [said("RECENCY", 0.5, "bought 90 days ago"), said("FREQUENCY", -0.9, "often")],
                "value": [said("SPEND", -0.2, "spends little")],
            },
        )
    ]
    found = moved(before, now).iloc[0]
    assert (found["reason"], found["said_before"], found["said_now"]) == (
        "RECENCY",
        "bought 3 days ago",
        "bought 90 days ago",
    )
    back = moved(now, before).iloc[0]
    assert (back["reason"], back["said_now"]) == ("RECENCY", "bought 3 days ago")


def test_without_reasons_a_move_is_still_told():
    before = pd.DataFrame([answer("a", "A")]).assign(reasons=None)
    found = largest_moves(before, before.assign(tier="B", value_score=10.0), TIERS, WEIGHTS).iloc[0]
    assert (found["why"], found["reason"]) == ("value", None)


def test_nobody_moved_gives_an_empty_table():
    same = [answer("a", "A")]
    assert moved(same, same).empty
    assert reason_counts(moved(same, same)).empty


def test_tiers_by_value_hang_on_the_value_alone():
    assert weights_of({"value": 40, "need": 0, "behaviour": 30}, "overall") == {"value": 40, "behaviour": 30}
    assert weights_of({"value": 40, "behaviour": 30}, "value_share") == {"value": 1.0}
