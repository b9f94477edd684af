from __future__ import annotations

import json

import pandas as pd
from scored_company import LinearModel, loaded, population, written

from churn_value.scoring.score import score
from churn_value.scoring.table import PATHS, answers_to_frame


def test_the_table_says_what_the_answers_say(bundle, customers):
    customers.loc[0, "customer_id"] = None
    answers = score(bundle, customers)
    frame = answers_to_frame(answers)
    assert len(frame) == len(answers)
    for answer, (_, row) in zip(answers[1:], frame.iloc[1:].iterrows(), strict=True):
        assert row["customer_id"] == answer.customer_id
        assert row["churn_probability"] == answer.churn.probability
        assert row["tier"] == answer.tier.code
        assert row["as_of"] == pd.Timestamp(answer.as_of)
        assert json.loads(row["reasons"]) == answer.to_dict()["reasons"]
        assert json.loads(row["actions"]) == answer.to_dict()["actions"]
    assert frame["status"][0] == "invalid"
    assert frame.loc[0, ["tier", "churn_probability", "value_percentile", "reasons"]].isna().all()


def test_the_table_survives_parquet(bundle, customers, tmp_path):
    frame = answers_to_frame(score(bundle, customers))
    frame.to_parquet(tmp_path / "answers.parquet", index=False)
    again = pd.read_parquet(tmp_path / "answers.parquet")
    assert again["expected_value"].tolist() == frame["expected_value"].tolist()
    assert again["tier_rank"].tolist() == frame["tier_rank"].tolist()
    assert list(again.columns) == [*PATHS, "tags", "tier_history", "reasons", "actions", "disagreements", "warnings"]


def test_types_do_not_depend_on_what_is_missing(bundle, customers, tmp_path):
    whole = answers_to_frame(score(bundle, customers, explain=False))
    assert str(whole["tier_rank"].dtype) == "Int64"
    assert str(whole["as_of"].dtype) == "datetime64[us]"
    assert str(whole["expected_value"].dtype) == "float64"
    churn_only = loaded(written(tmp_path, LinearModel(with_value=False)))
    part = answers_to_frame(score(churn_only, population(5), explain=False))
    assert whole.dtypes.astype(str).to_dict() == part.dtypes.astype(str).to_dict()
    assert answers_to_frame([]).dtypes.astype(str).to_dict() == whole.dtypes.astype(str).to_dict()
