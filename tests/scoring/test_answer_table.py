from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scored_company import AS_OF, LinearModel, loaded, population, written

from churn_value.scoring.overrides import overrides_of
from churn_value.scoring.score import score
from churn_value.scoring.table import DATES, PATHS, answers_to_frame

LISTS = ["tags", "tier_history", "reasons", "actions", "disagreements", "warnings"]


def shown(answer):
    """What a table's row has to say, read from the answer's own JSON."""
    whole = json.loads(answer.to_json())
    found = {}
    for name, path in PATHS.items():
        found[name] = whole
        for step in path:
            found[name] = None if found[name] is None else found[name][step]
    tier, portrait = whole["tier"], whole["portrait"]
    lists = {name: whole[name] for name in LISTS[2:]}
    lists["tags"] = [tag["code"] for tag in portrait["tags"]] if portrait else []
    lists["tier_history"] = [[one["code"], one["since"]] for one in tier["history"]] if tier else None
    return found | {name: None if cell is None else json.dumps(cell) for name, cell in lists.items()}


def read(row):
    """A row of a table in the same form."""
    found = {name: None if pd.isna(cell) else cell for name, cell in row.items()}
    found |= {name: cell.date().isoformat() for name in DATES if (cell := found[name]) is not None}
    return found | {name: json.dumps(json.loads(cell)) for name in LISTS if (cell := found[name]) is not None}


def of_every_kind():
    """Customers with and without scores, some with a past, one with a tier set by hand, one with odd features."""
    people = population(40, seed=5)
    people.loc[0, "customer_id"] = None
    people.loc[1, "days_since_last_purchase"] = np.nan
    people.loc[2, "mean_gap_days"] = people.loc[3, "purchase_days"] = np.nan
    people.loc[4, "attr_region"] = 'a "new" one'
    people.loc[5, "spend_minor"] = np.inf
    people["habits__categories"] = people["habits__channels"] = None
    people["habits__next_best"] = [json.dumps([['茶 "two"', 0.4, True]]), None] * 20
    before = people[["customer_id"]].iloc[6:20].assign(tier="A", since=AS_OF - timedelta(days=9), lifecycle="new")
    before["history"] = json.dumps([["B", "2024-01-01"], ["A", "2025-06-22"]])
    by_hand = pd.DataFrame([["C00007", "S", 'board "member"', "anna", "2027-12-31"]])
    by_hand.columns = ["customer_id", "tier", "reason", "owner", "expires"]
    return people, before, overrides_of(by_hand)


@pytest.mark.parametrize("explain", [True, False])
@pytest.mark.parametrize("locale", ["en", "zh"])
@pytest.mark.parametrize("with_value", [True, False])
def test_the_table_says_what_the_answers_say(tmp_path, explain, locale, with_value):
    people, before, by_hand = of_every_kind()
    bundle = loaded(written(tmp_path, LinearModel(with_value=with_value)))
    today = AS_OF + timedelta(days=300)
    answers = score(bundle, people, locale=locale, explain=explain, previous=before, overrides=by_hand, now=today)
    frame = answers_to_frame(answers)
    assert list(frame.columns) == [*PATHS, *LISTS]
    rows = [read(row) for row in frame.to_dict("records")]
    assert rows == [shown(answer) for answer in answers]
    assert {"invalid", "ineligible", "partial", "ok"} == {row["status"] for row in rows}
    assert {"model", "override"} <= {row["tier_source"] for row in rows}
    assert any("茶" in json.loads(row["actions"])[0]["text"] for row in rows if json.loads(row["actions"]))


def test_each_column_is_what_its_name_says(tmp_path):
    people, before, by_hand = of_every_kind()
    answers = score(loaded(written(tmp_path, LinearModel())), people, previous=before, overrides=by_hand, now=AS_OF)
    one = answers[7]
    row = answers_to_frame(answers).iloc[7]
    assert row["tier_source"] == "override"
    assert (row["tier"], row["tier_own"]) == ("S", one.tier.own_code) != ("S", "S")
    assert (row["override_reason"], row["override_owner"]) == ('board "member"', "anna")
    assert row["override_expires"] == pd.Timestamp("2027-12-31")
    assert row["value_lower"] == one.value.interval.lower < row["value_upper"] == one.value.interval.upper
    assert row["expected_value"] == one.value.expected < row["value_if_retained"] == one.value.if_retained
    assert (row["value_percentile"], row["churn_percentile"]) == (one.value.percentile, one.churn.percentile)
    assert (row["value_band"], row["churn_band"]) == (one.value.band, one.churn.band)
    assert row["churn_probability"] == one.churn.probability
    assert row["value_at_risk"] == one.value_at_risk.amount
    scores = ["overall", "value", "behaviour", "satisfaction", "payment", "need"]
    expected = [getattr(one.scores, name) for name in scores]
    np.testing.assert_array_equal([row[f"{name}_score"] for name in scores], np.array(expected, dtype=float))
    assert (row["lifecycle"], row["segment"]) == (one.portrait.lifecycle.code, one.portrait.rfm.segment)
    assert row["expected_next_purchase"].date() == one.portrait.rhythm.expected_next_purchase
    assert (row["as_of"].date(), row["expires_at"].date()) == (one.as_of, one.expires_at)
    since = {"tier_since": one.tier.since, "tier_own_since": one.tier.own_since}
    assert {name: row[name].date() for name in since} == since
    assert (row["tier_rank"], row["tier_label"], row["tier_previous"]) == (1, one.tier.label, "A")
    assert (row["policy_id"], row["policy_version"]) == (one.policy.id, one.policy.version)
    assert (row["model_version"], row["currency"]) == (one.model.version, one.value.currency)


@pytest.mark.parametrize("rows", [1, 0])
def test_a_table_of_nobody_who_can_be_scored(bundle, rows):
    nobody = population(1).assign(customer_id=[None]).head(rows)
    answers = score(bundle, nobody)
    assert [read(row) for row in answers_to_frame(answers).to_dict("records")] == [shown(answer) for answer in answers]
    assert len(answers) == rows


def test_answers_are_a_sequence(bundle, customers):
    customers.loc[1, "customer_id"] = None
    answers = score(bundle, customers)
    assert len(answers) == len(customers)
    assert [answer.index for answer in answers] == list(range(len(customers)))
    assert answers[-1] == list(answers)[-1] == answers[-2:][1]
    assert answers[1].status == "invalid"
    with pytest.raises(IndexError):
        answers[len(customers)]


def test_the_table_survives_parquet(bundle, customers, tmp_path):
    frame = answers_to_frame(score(bundle, customers))
    frame.to_parquet(tmp_path / "answers.parquet", index=False)
    again = pd.read_parquet(tmp_path / "answers.parquet")
    assert again["expected_value"].tolist() == frame["expected_value"].tolist()
    assert again["tier_rank"].tolist() == frame["tier_rank"].tolist()


def test_types_do_not_depend_on_what_is_missing(bundle, customers, tmp_path):
    whole = answers_to_frame(score(bundle, customers, explain=False))
    assert str(whole["tier_rank"].dtype) == "Int64"
    assert str(whole["as_of"].dtype) == "datetime64[us]"
    assert str(whole["expected_value"].dtype) == "float64"
    churn_only = loaded(written(tmp_path, LinearModel(with_value=False)))
    part = answers_to_frame(score(churn_only, population(5), explain=False))
    assert whole.dtypes.astype(str).to_dict() == part.dtypes.astype(str).to_dict()
    none = answers_to_frame(score(bundle, customers.head(0)))
    assert none.dtypes.astype(str).to_dict() == whole.dtypes.astype(str).to_dict()
