"""The service's answers are the batch's, to the bit, whatever the order, the list's length and the threads."""

from datetime import UTC, datetime

import numpy as np
import pytest
from recorded import record
from served_company import NAME

from churn_value.scoring.score import score
from churn_value.service.store import write_features

KEYS = ("value", "churn", "scores", "tier", "portrait", "value_at_risk", "warnings", "status", "as_of", "expires_at")
EXPLAINED = ("reasons", "explain", "actions")


def base(company, count, seed=3):
    """As many customers as wanted: rows of the company's with every number moved, some unknown."""
    rng = np.random.default_rng(seed)
    frame = company.features.sample(count, replace=True, random_state=seed).reset_index(drop=True)
    for name in frame.columns.drop(["customer_id", "as_of"]):
        if frame[name].dtype.kind == "f":
            frame[name] = frame[name] * rng.uniform(0.5, 2.0, count)
            frame.loc[rng.random(count) < 0.02, name] = np.nan
    return frame.assign(customer_id=[f"customer {number}" for number in range(count)])


@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=[pytest.mark.long, pytest.mark.timeout(1_200)])])
def test_every_answer_of_the_service_is_the_batchs_to_the_bit(company, copied, open_service, count):
    frame = base(company, count)
    write_features(frame, copied.scored_features(NAME))
    _, caller = open_service(copied, threads=2)
    today = datetime.now(UTC).date()
    batch = {one.customer_id: one.to_dict() for one in score(company.bundle, frame, explain=False, now=today)}
    ids = list(np.random.default_rng(4).permutation(frame["customer_id"]))
    compared = 0
    for start in range(0, count, 997):
        part = ids[start : start + 997]
        body = {"items": [{"customer_id": one} for one in part], "explain": False}
        for one, result in zip(part, caller.post("/v1/score", json=body).json()["results"], strict=True):
            for key in KEYS:
                assert result[key] == batch[one][key], (one, key)
            compared += 1
    some = frame.sample(100, random_state=5)
    reasons = {one.customer_id: one.to_dict() for one in score(company.bundle, some, now=today)}
    for one in some["customer_id"]:
        (result,) = caller.post("/v1/score", json={"items": [{"customer_id": one}]}).json()["results"]
        assert {key: result[key] for key in EXPLAINED} == {key: reasons[one][key] for key in EXPLAINED}
    assert compared == count
    what = "customers scored as one base and through the service, shuffled, in lists; 100 one by one with reasons"
    record("R17", what, count, "0 bits differ")
