from __future__ import annotations

import json
from datetime import date

import pandas as pd
import pytest
from scored_company import AS_OF, population

from churn_value.errors import SchemaError
from churn_value.monitoring.archive import ScoreArchive
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame
from churn_value.scoring.tier_answers import LONGEST_HISTORY

EARLIER = date(2024, 1, 1)


def told(bundle, **previous):
    frame = population(1, seed=3)
    frame["days_since_last_purchase"], frame["purchase_days"], frame["spend_minor"] = 190.0, 1.0, 500.0
    table = pd.DataFrame({"customer_id": frame["customer_id"], **{name: [cell] for name, cell in previous.items()}})
    return score(bundle, frame, previous=table if previous else None)[0].tier


def entries(tier):
    return [(one.code, one.since) for one in tier.history]


def test_a_first_answer_s_history_is_the_tier_itself(bundle):
    tier = told(bundle)
    assert entries(tier) == [(tier.code, AS_OF)]


def test_a_previous_tier_without_a_history_begins_it(bundle):
    own = told(bundle).code
    other = "S"
    assert entries(told(bundle, tier=other, since=EARLIER)) == [(other, EARLIER), (own, AS_OF)]
    assert entries(told(bundle, tier=own, since=EARLIER)) == [(own, EARLIER)]


def test_a_history_grows_by_changes_only_and_stays_bounded(bundle):
    own = told(bundle).code
    other = "S"
    past = [[other if place % 2 else own, f"2020-01-{place + 1:02d}"] for place in range(LONGEST_HISTORY)]
    found = entries(told(bundle, tier=other, since=EARLIER, history=json.dumps(past)))
    assert len(found) == LONGEST_HISTORY
    assert found[-1] == (own, AS_OF)
    assert found[0] == (other, date(2020, 1, 2))


def test_a_history_that_cannot_be_read_is_refused(bundle):
    with pytest.raises(SchemaError, match="a tier history is JSON"):
        told(bundle, tier="A", since=EARLIER, history="A, B, C")


def test_a_table_of_an_older_version_without_the_newer_columns_still_serves(bundle, tmp_path):
    archive = ScoreArchive(tmp_path)
    frame = population(3, seed=3)
    answers = answers_to_frame(score(bundle, frame))
    older = answers.drop(columns=["tier_own", "tier_own_since", "tier_history"])
    archive.write(older, EARLIER)
    previous = archive.previous(AS_OF)
    assert list(previous.columns) == ["customer_id", "tier", "since", "lifecycle"]
    assert [one.tier.previous for one in score(bundle, frame, previous=previous)] == older["tier"].tolist()
