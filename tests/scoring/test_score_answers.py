from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from scored_company import AS_OF, CONFIG, FEATURES, POLICIES, LinearModel, loaded, population, written

from churn_value.errors import FingerprintMismatch, RequestError, SchemaError
from churn_value.scoring.answer import json_schema
from churn_value.scoring.policy import load_policy
from churn_value.scoring.score import score


def codes(answer):
    return [(warning.code, warning.field) for warning in answer.warnings]


def test_answers_come_in_the_order_asked(bundle, customers):
    shuffled = customers.sample(frac=1, random_state=1)
    answers = score(bundle, shuffled)
    assert [answer.customer_id for answer in answers] == shuffled["customer_id"].tolist()
    assert [answer.index for answer in answers] == list(range(len(shuffled)))


def without_index(answer):
    return {name: value for name, value in answer.to_dict().items() if name != "index"}


def test_alone_in_a_batch_and_shuffled_give_the_same_bits(bundle, customers):
    customers.loc[3, "attr_region"] = None
    customers.loc[4, "purchase_days"] = np.nan
    batch = {answer.customer_id: without_index(answer) for answer in score(bundle, customers)}
    shuffled = score(bundle, customers.sample(frac=1, random_state=2), threads=2)
    alone = [score(bundle, customers.iloc[[row]])[0] for row in range(len(customers))]
    for answer in (*shuffled, *alone):
        assert json.dumps(without_index(answer)) == json.dumps(batch[answer.customer_id])


def test_the_whole_answer_of_one_customer_worked_by_hand(tmp_path):
    # One customer is the whole population, so every percentile is 1 and 'staying' is 100.
    row = population(1)
    known = {
        "days_since_last_purchase": 20.0,  # + 0.40
        "purchase_days": 4.0,  # - 0.20
        "order_count_30d": 1.0,
        "order_count_90d": 3.0,  # - 0.30, steady: trend 50
        "spend_minor": 10000.0,
        "mean_gap_days": 40.0,  # not yet due: rhythm 100
        "category_count_90d": 2.0,
        "visit_count_30d": 0.0,
        "satisfaction_level": np.nan,
        "score_count": 0.0,
        "never_asked": 1.0,
        "complaint_count_90d": 0.0,
        "open_tickets": 0.0,
        "overdue_share": np.nan,
        "late_share": np.nan,
        "days_late_mean": np.nan,
        "tenure_days": 100.0,
        "attr_region": "north",  # + 0.20
        "attr_plan": "basic",  # + 0.10
    }
    for name, value in known.items():
        row[name] = value
    bundle = loaded(written(tmp_path, LinearModel(base=(-0.2, 2.0)), frame=row))
    answer = score(bundle, row)[0].to_dict()
    assert answer["explain"]["churn"] == {
        "scale": "log_odds",
        "base": -0.2,
        "sum_contributions": pytest.approx(0.2),
        "raw": pytest.approx(0.0, abs=1e-12),
    }
    assert answer["churn"] == {
        "horizon_days": 90,
        "definition": "no_purchase",
        "probability": pytest.approx(0.5),
        "calibrated": True,
        "percentile": 1,
        "band": "medium",
    }
    # value: 2 - 0.2 + 0.08 + 0.15 + 0.1 = 2.13; retained 1000 exp(2.13) pence
    retained = 10 * np.exp(2.13)
    assert answer["value"] == {
        "horizon_days": 90,
        "currency": "GBP",
        "expected": pytest.approx(retained / 2),
        "if_retained": pytest.approx(retained),
        "interval": {"level": 0.8, "lower": pytest.approx(retained / 4), "upper": pytest.approx(2 * retained)},
        "percentile": 1,
        "band": "low",
    }
    assert answer["value_at_risk"] == {
        "amount": pytest.approx(retained / 2),
        "basis": "churn.probability × value.if_retained",
    }
    # behaviour: 0.4 * 100 + 0.25 * 1 + 0.25 * 100 + 0.1 * 50 = 70.25 -> 70.2
    # overall: (40 * 1 + 30 * 70.2 + 15 * 1) / 85
    assert answer["scores"] == {
        "overall": 25.4,
        "value": 1.0,
        "behaviour": 70.2,
        "satisfaction": None,
        "payment": None,
        "need": 1.0,
        "weight_shared_out": ["satisfaction"],
    }
    assert answer["tier"] == {
        "code": "D",
        "rank": 5,
        "label": "Basic",
        "previous": None,
        "since": "2025-07-01",
        "source": "model",
        "held_by": None,
        "to_next": {"code": "C", "gap": 20.0},
        "own_code": "D",
        "own_since": "2025-07-01",
        "override": None,
        "history": [{"code": "D", "since": "2025-07-01"}],
    }
    assert answer["portrait"] == {
        "profile": {
            "tenure_days": 100,
            "attributes": [
                {"code": "region", "label": "Attr region", "value": "north"},
                {"code": "plan", "label": "Attr plan", "value": "basic"},
            ],
        },
        "preferred_categories": None,
        "preferred_channels": None,
        "next_best": None,
        "satisfaction": {"level": None, "trend": None, "open_issues": 0, "never_asked": True},
        "payment": None,
        "lifecycle": {"code": "active", "label": "active"},
        "rfm": {"r": 5, "f": 1, "m": 1, "segment": "newcomer", "label": "newcomer"},
        "rhythm": {
            "typical_gap_days": 40.0,
            "days_since_last_purchase": 20,
            "expected_next_purchase": "2025-07-21",
            "overdue_days": 0,
        },
        "tags": [],
    }
    assert [action["code"] for action in answer["actions"]] == ["NEWSLETTER"]
    assert [(one["code"], one["direction"], one["importance"]) for one in answer["reasons"]["churn"]] == [
        ("FREQUENCY", "down", "high"),
        ("RECENCY", "up", "high"),
        ("PROFILE", "up", "medium"),
        ("PROFILE", "up", "low"),
    ]
    assert (answer["status"], answer["expires_at"], answer["warnings"]) == ("ok", "2025-07-08", [])


def test_the_identities_hold_in_the_answer(bundle):
    for answer in score(bundle, population(200, seed=8), explain=False):
        p, retained = answer.churn.probability, answer.value.if_retained
        assert answer.value.expected == pytest.approx((1 - p) * retained, abs=1e-9)
        assert answer.value_at_risk.amount == pytest.approx(p * retained, abs=1e-9)


def test_without_explanation_there_are_no_reasons_and_everything_else_is_equal(bundle, customers):
    for short, whole in zip(score(bundle, customers, explain=False), score(bundle, customers), strict=True):
        assert (short.reasons, short.explain) == (None, None)
        assert short.tier == whole.tier
        assert short.value == whole.value


def test_a_bad_row_never_fails_its_batch(bundle, customers):
    customers = customers.astype({"purchase_days": object})
    customers.loc[0, "customer_id"] = None
    customers.loc[1, "as_of"] = None
    customers.loc[2, "spend_minor"] = np.inf
    customers.loc[3, "purchase_days"] = "many"
    answers = score(bundle, customers)
    assert [answer.status for answer in answers[:5]] == ["invalid"] * 4 + ["ok"]
    fields = ["customer_id", "as_of", "spend_minor", "purchase_days"]
    assert [codes(answer) for answer in answers[:4]] == [[("INVALID_INPUT", field)] for field in fields]
    assert all(answer.churn is None and answer.tier is None and answer.actions == () for answer in answers[:4])
    good = score(bundle, population(60, seed=5))
    assert [without_index(answer) for answer in answers[4:]] == [without_index(answer) for answer in good[4:]]


def test_who_is_not_of_the_cohort_is_ineligible_not_scored_0(bundle, customers):
    customers.loc[0, "days_since_last_purchase"] = np.nan
    answer = score(bundle, customers)[0]
    assert (answer.status, answer.value, answer.churn) == ("ineligible", None, None)
    assert codes(answer) == [("NOT_IN_COHORT", None)]


def test_a_cohort_s_lookback_is_respected(tmp_path):
    config = CONFIG.model_copy(update={"cohort": CONFIG.cohort.model_copy(update={"lookback_days": 30})})
    bundle = loaded(written(tmp_path, config=config))
    frame = population(2)
    frame["days_since_last_purchase"] = [30.0, 31.0]
    assert [answer.status for answer in score(bundle, frame)] == ["ok", "ineligible"]


def test_a_feature_that_is_absent_makes_the_answer_partial(bundle, customers):
    answers = score(bundle, customers.drop(columns=["visit_count_30d"]))
    assert {answer.status for answer in answers} == {"partial"}
    assert codes(answers[0]) == [("FEATURE_MISSING", "visit_count_30d")]


def test_null_is_missing_only_where_empty_means_a_number(bundle, customers):
    customers.loc[0, "order_count_90d"] = np.nan  # nothing happened would be 0
    customers.loc[1, "mean_gap_days"] = np.nan  # null is how a single purchase looks
    first, second = score(bundle, customers)[:2]
    assert (first.status, codes(first)) == ("partial", [("FEATURE_MISSING", "order_count_90d")])
    assert (second.status, codes(second)) == ("ok", [])


def test_unseen_categories_and_values_out_of_range_are_warned_of(bundle, customers):
    customers.loc[0, "attr_region"] = "atlantis"
    customers.loc[1, "purchase_days"] = 1_000.0
    customers.loc[2, "purchase_days"] = 16.0  # beyond the 11 ever seen, within half a range more
    found = [codes(answer) for answer in score(bundle, customers)[:3]]
    assert found == [[("UNSEEN_CATEGORY", "attr_region")], [("OUT_OF_RANGE", "purchase_days")], []]


def test_stale_features_are_warned_of_only_when_today_is_told(bundle, customers):
    expiry = AS_OF + timedelta(days=CONFIG.expires_after_days)
    assert codes(score(bundle, customers)[0]) == []
    assert codes(score(bundle, customers, now=expiry)[0]) == []
    assert codes(score(bundle, customers, now=expiry + timedelta(days=1))[0]) == [("STALE", "as_of")]


def test_a_model_without_a_value_head_leaves_value_out(tmp_path, customers):
    bundle = loaded(written(tmp_path, LinearModel(with_value=False)))
    answer = score(bundle, customers)[0]
    assert (answer.value, answer.value_at_risk, answer.explain.value, answer.reasons.value) == (None, None, None, ())
    assert answer.scores.value is None
    assert "value" in answer.scores.weight_shared_out
    assert answer.scores.overall is not None
    assert answer.tier is not None


def test_the_previous_answer_holds_the_tier_and_dates_it(bundle, customers):
    fresh = score(bundle, customers)
    since = AS_OF - timedelta(days=10)
    previous = pd.DataFrame({"customer_id": customers["customer_id"], "tier": "D", "since": since})
    for before, after in zip(fresh, score(bundle, customers, previous=previous), strict=True):
        assert (after.tier.code, after.tier.previous, after.tier.since) == ("D", "D", since)
        assert after.tier.held_by == (None if before.tier.code == "D" else "min_dwell")
    old = previous.assign(since=AS_OF - timedelta(days=99))
    moved = [one.tier for one in score(bundle, customers, previous=old) if one.tier.code != "D"]
    assert moved
    assert {tier.since for tier in moved} == {AS_OF}


def test_previous_answers_of_others_or_of_unknown_tiers_change_nothing(bundle, customers):
    strangers = pd.DataFrame({"customer_id": ["nobody", "C00000"], "tier": ["S", "GONE"], "since": [AS_OF, None]})
    fresh, held = score(bundle, customers), score(bundle, customers, previous=strangers)
    assert [one.tier.code for one in fresh] == [one.tier.code for one in held]
    assert held[0].tier.previous == "GONE"


def test_previous_lifecycle_makes_a_customer_won_back(bundle):
    frame = population(1)
    frame["days_since_last_purchase"], frame["mean_gap_days"] = 5.0, 20.0
    previous = pd.DataFrame({"customer_id": frame["customer_id"], "tier": "D", "since": AS_OF, "lifecycle": "lost"})
    assert score(bundle, frame, previous=previous)[0].portrait.lifecycle.code == "won_back"


@pytest.mark.parametrize("columns", [["customer_id", "tier"], ["tier", "since"]])
def test_previous_answers_need_their_columns(bundle, customers, columns):
    previous = pd.DataFrame({"customer_id": ["a"], "tier": ["D"], "since": [AS_OF]})[columns]
    with pytest.raises(SchemaError, match="previous answers need a column"):
        score(bundle, customers, previous=previous)


def test_a_customer_with_two_previous_answers_is_refused(bundle, customers):
    twice = pd.DataFrame({"customer_id": ["C00000", "C00000"], "tier": ["D", "S"], "since": [AS_OF, AS_OF]})
    with pytest.raises(SchemaError, match="one previous answer"):
        score(bundle, customers, previous=twice)


def test_tables_that_cannot_be_scored_are_refused_by_name(bundle, customers):
    with pytest.raises(SchemaError, match="customer_id"):
        score(bundle, customers.drop(columns=["customer_id"]))
    with pytest.raises(FingerprintMismatch, match="none of the model's features"):
        score(bundle, customers[["customer_id", "as_of"]])
    with pytest.raises(RequestError, match="top must be 0 to 20"):
        score(bundle, customers, top=21)


def test_no_rows_give_no_answers(bundle, customers):
    assert score(bundle, customers.iloc[:0]) == []


def test_extra_columns_and_their_order_do_not_matter(bundle, customers):
    mixed = customers.assign(label=1, zzz="x")[["label", *reversed(customers.columns), "zzz"]]
    assert score(bundle, mixed) == score(bundle, customers)


def test_ids_are_opaque(bundle):
    odd = ["007", " 7", "7 ", "NaN", "é", "e\u0301", "=1+1"]
    frame = population(len(odd)).assign(customer_id=odd)
    assert [answer.customer_id for answer in score(bundle, frame)] == odd


def test_timestamps_and_dates_are_the_same_as_of(bundle, customers):
    stamped = customers.assign(as_of=pd.to_datetime(customers["as_of"]).astype("datetime64[us]"))
    assert score(bundle, stamped) == score(bundle, customers)


def test_an_undated_snapshot_has_no_expiry(tmp_path, customers):
    content = {"name": "undated", "churn": {"definition": "label"}, "tables": {"snapshots": {"path": "x.csv"}}}
    snapshots = type(CONFIG).model_validate(content | {"cohort": {"rule": "everyone"}})
    bundle = loaded(written(tmp_path, LinearModel(with_value=False), config=snapshots))
    answer = score(bundle, customers.assign(as_of=date(1970, 1, 1)), now=AS_OF)[0]
    assert (answer.status, answer.as_of, answer.expires_at, answer.tier.since) == ("ok", None, None, None)
    assert codes(answer) == []


def test_the_json_schema_describes_every_key_of_an_answer(bundle, customers):
    schema = json_schema()
    answer = score(bundle, customers)[0].to_dict()
    assert set(schema["properties"]) == set(answer)
    assert set(schema["$defs"]["Tier"]["properties"]) == set(answer["tier"])
    assert json.loads(score(bundle, customers)[0].to_json()) == answer


def test_every_answer_names_its_model_and_policy(bundle, customers):
    answer = score(bundle, customers)[0]
    assert (answer.model.name, answer.model.version) == ("test_model", bundle.version)
    assert (answer.policy.id, answer.policy.sha256) == ("retail", bundle.policy.sha256)


def test_another_policy_moves_tiers_and_leaves_the_model_alone(bundle):
    frame = population(300, seed=3)
    other = bundle.under(load_policy(POLICIES / "b2b.yaml"))
    before, after = score(bundle, frame, explain=False), score(other, frame, explain=False)
    assert [one.churn.probability for one in before] == [one.churn.probability for one in after]
    assert {one.tier.code for one in after} <= {"KEY", "MAJOR", "STANDARD", "SMALL", "HOLD"}
    assert {one.policy.id for one in after} == {"b2b"}
    assert bundle.policy.id == "retail"


def test_tiers_by_percentile_hold_their_share_of_the_reference_population(tmp_path):
    frame = population(500, seed=6)
    answers = score(loaded(written(tmp_path, frame=frame)), frame, explain=False)
    share = {code: sum(one.tier.code == code for one in answers) / 500 for code in "SABCD"}
    assert share == pytest.approx({"S": 0.05, "A": 0.15, "B": 0.30, "C": 0.30, "D": 0.20}, abs=0.012)


def test_every_group_of_the_company_is_a_known_code(bundle, customers):
    told = {reason.code for answer in score(bundle, customers, top=20) for reason in answer.reasons.churn}
    assert told <= {feature.group for feature in FEATURES}
    assert len(told) >= 5
