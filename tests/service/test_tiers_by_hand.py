"""Tiers set by hand and levers, as the service tells them: the same as the batch."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from served_company import NAME

from churn_value.scoring.overrides import overrides_of, write_overrides
from churn_value.scoring.score import score
from churn_value.scoring.sections import SUB_SCORES

TODAY = datetime.now(UTC).date()
# Holds also where midnight passes between reading this file and running a test.
LAST_DAY = TODAY + timedelta(days=1)


@pytest.fixture
def served(copied, open_service):
    """A service over a company of its own, its customers, and where its table of overrides goes."""
    serving, client = open_service(copied)
    features = pd.read_parquet(copied.scored_features(NAME))
    return serving, client, features, copied.tier_overrides(NAME)


def by_hand(customer, tier, expires=LAST_DAY):
    cells = {"customer_id": customer, "tier": tier, "reason": "board member", "owner": "anna", "expires": str(expires)}
    return overrides_of(pd.DataFrame([cells]))


def asked(client, *customers, **options):
    body = {"items": [{"customer_id": one} for one in customers], **options}
    response = client.post("/v1/score", json=body)
    assert response.status_code == 200, response.text
    return response.json()["results"]


def test_a_published_override_shows_in_the_service_and_ends_by_itself(served):
    serving, client, features, path = served
    customer, codes = features["customer_id"].iloc[0], serving.champion.current.bundle.policy.tiers.codes
    own = asked(client, customer)[0]["tier"]
    other = next(code for code in codes if code != own["code"])
    write_overrides(by_hand(customer, other), path)
    assert asked(client, customer)[0]["tier"] == own  # not looked at yet
    serving.refresh()
    tier = asked(client, customer)[0]["tier"]
    assert (tier["code"], tier["source"], tier["own_code"]) == (other, "override", own["code"])
    assert tier["override"] == {"reason": "board member", "owner": "anna", "expires": LAST_DAY.isoformat()}
    write_overrides(by_hand(customer, other, TODAY - timedelta(days=1)), path)
    serving.refresh()
    assert asked(client, customer)[0]["tier"] == own
    path.unlink()
    serving.refresh()
    assert asked(client, customer)[0]["tier"] == own


def test_a_table_that_cannot_be_used_is_reported_and_the_one_before_stays(served):
    serving, client, features, path = served
    customer, codes = features["customer_id"].iloc[0], serving.champion.current.bundle.policy.tiers.codes
    own = asked(client, customer)[0]["tier"]["code"]
    other = next(code for code in codes if code != own)
    write_overrides(by_hand(customer, other), path)
    serving.refresh()
    path.write_text("customer_id,tier,reason,owner,expires\nx,A,,anna,2030-01-01\n", encoding="utf-8")
    serving.refresh()
    assert "OVERRIDES_REFUSED" in serving.faults()
    assert serving.blockers() == ()
    assert asked(client, customer)[0]["tier"]["code"] == other
    write_overrides(by_hand(customer, "NOT_A_TIER"), path)
    serving.refresh()
    assert asked(client, customer)[0]["tier"]["code"] == own  # a tier the served policy has not


def test_batch_and_service_give_the_same_tiers_by_hand_and_levers(served):
    serving, client, features, path = served
    bundle = serving.champion.current.bundle
    head = features.head(20).reset_index(drop=True)
    given = by_hand(head["customer_id"][0], bundle.policy.tiers.codes[0], date(2100, 1, 1))
    write_overrides(given, path)
    serving.refresh()
    found = asked(client, *head["customer_id"], levers=True, explain=False)
    kept = zip(head["customer_id"], serving.store.find(list(head["customer_id"])), strict=True)
    previous = {customer_id: one.previous for customer_id, one in kept}
    batch = score(bundle, head, explain=False, levers=True, previous=previous, overrides=given, now=TODAY)
    for one, other in zip(found, batch, strict=True):
        plain = other.to_dict()
        assert {name: one[name] for name in ("tier", "levers", "disagreements")} == {
            name: plain[name] for name in ("tier", "levers", "disagreements")
        }
        assert one["levers"]["text"]
    assert found[0]["tier"]["source"] == "override"
    assert set(found[0]["scores"]) >= set(SUB_SCORES)


def test_levers_are_given_only_when_asked_for_and_are_bounded_like_reasons(served):
    _, client, features, _ = served
    customer = features["customer_id"].iloc[0]
    assert asked(client, customer)[0]["levers"] is None
    many = {"items": [{"customer_id": customer}] * 101, "explain": False, "levers": True}
    refused = client.post("/v1/score", json=many)
    assert (refused.status_code, refused.json()["code"]) == (413, "EXPLAINED_TOO_MANY")
