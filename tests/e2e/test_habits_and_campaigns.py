"""Habits and campaigns on the small synthetic world, as a user runs them."""

import json

import pandas as pd
import pytest

from churn_value.campaign.contacts import Campaign
from churn_value.errors import TooLittleData
from churn_value.scoring.score import score as answers_of
from pipelines import contact_list, read_out, score


def test_habits_are_on_the_stored_features_and_in_the_portrait(scored):
    assert scored.bundle.recommender is not None
    stored = pd.read_parquet(scored.features)
    found = answers_of(scored.bundle, stored.head(50), explain=False)
    row, portrait = stored.iloc[0], found[0].portrait
    shares = json.loads(row["habits__categories"])
    assert [(one.name, one.share) for one in portrait.preferred_categories] == [tuple(pair) for pair in shares]
    assert sum(share for _, share in shares) <= 1 + 5e-4
    assert all(answer.portrait.next_best for answer in found)
    assert all(0 <= one.probability <= 1 for answer in found for one in answer.portrait.next_best)


def test_a_campaign_on_an_earlier_date_is_listed_and_read_out(places, config, scored, tmp_path):
    day = pd.Timestamp(scored.answers["as_of"].iloc[0]) - pd.Timedelta(days=config.horizon_days)
    score.run(config, places, as_of=day.date())
    terms = Campaign("spring", 0.01, 4.0, 0.3, hold_out_share=0.4)
    made = contact_list.run(config, places, terms, as_of=day.to_pydatetime())
    contact_list.show(made)
    assert set(made.contacts.rows["group"]) == {"contact", "hold_out"}
    found = read_out.run(config, places, "spring")
    read_out.show(found, "spring")
    assert found.contacted == (made.contacts.rows["group"] == "contact").sum()
    assert found.churn.lower <= found.churn.difference <= found.churn.upper
    newest = Campaign("autumn", 0.01, 4.0, 0.3)
    contact_list.run(config, places, newest)
    with pytest.raises(TooLittleData, match="horizon"):
        read_out.run(config, places, "autumn")
