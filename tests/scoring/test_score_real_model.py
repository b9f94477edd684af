"""The same promises with the real boosters and the real catalog."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scored_company import CONFIG, FEATURES, MANIFEST, PARAMETERS, POLICIES, population

from churn_value.errors import BundleError
from churn_value.estimators.hurdle import fit
from churn_value.features.catalog import catalog
from churn_value.scoring.bundle import load_bundle, write_bundle
from churn_value.scoring.policy import load_policy
from churn_value.scoring.reference import Reference
from churn_value.scoring.score import score

PRESENT = {
    "purchases": frozenset({"order_id", "category"}),
    "visits": frozenset(),
    "feedback": frozenset({"score", "scale_min", "scale_max", "resolved_at"}),
    "payments": frozenset({"paid_at"}),
    "customers": frozenset({"signup_at", "region", "plan"}),
}
PARAMS = {"max_rounds": 10, "form": "tweedie"}
ONE_SEED = CONFIG.model_copy(update={"tuning": CONFIG.tuning.model_copy(update={"seeds_averaged": 1, "threads": 1})})


def made_up(features, rows, seed):
    """Rows for any features, with labels that depend on the recency of purchases and on their number."""
    rng = np.random.default_rng(seed)
    frame = population(rows, seed)
    fixed = dict(frame.items())
    columns = {"customer_id": frame["customer_id"], "as_of": pd.to_datetime(frame["as_of"]).astype("datetime64[us]")}
    for feature in features:
        numbers = np.where(rng.random(rows) < 0.2, np.nan, np.round(rng.exponential(30, rows)))
        numbers = np.where(np.isnan(numbers) & (feature.empty is not None), feature.empty or 0.0, numbers)
        texts = pd.Series(rng.choice(["a", "b", "c"], rows), dtype=object)
        columns[feature.name] = fixed.get(feature.name, numbers if feature.dtype == "number" else texts)
    made = pd.DataFrame(columns)
    p = 1 / (1 + np.exp(1.5 - made["days_since_last_purchase"] / 50 + made["order_count_90d"] / 4))
    churned = (rng.random(rows) < p).astype(float)
    return made.assign(churned=churned, value_minor=np.where(churned, 0.0, np.round(rng.gamma(2, 3000, rows))))


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    made = catalog(PRESENT, PARAMETERS["windows_days"], {"region": "category", "plan": "category"})
    train, calibration = made_up(made.features, 900, 1), made_up(made.features, 500, 2)
    model = fit(train, calibration, made, ONE_SEED, churn_params=PARAMS, value_params=PARAMS, seed=3)
    parameters = {
        "present": {name: sorted(columns) for name, columns in PRESENT.items()},
        "windows_days": list(PARAMETERS["windows_days"]),
        "attributes": {"region": "category", "plan": "category"},
    }
    path = write_bundle(
        tmp_path_factory.mktemp("real"),
        model,
        catalog=made,
        policy=load_policy(POLICIES / "retail.yaml"),
        reference=Reference.fit(calibration, model.predict(calibration), made.features),
        config=CONFIG,
        manifest=MANIFEST,
        golden=calibration.head(30),
        parameters=parameters,
    )
    return path, model, made_up(made.features, 150, 4)


def test_a_real_bundle_scores_as_the_model_that_was_written(company):
    path, model, frame = company
    bundle = load_bundle(path)
    prediction = model.predict(frame)
    for row, answer in enumerate(score(bundle, frame)):
        assert answer.status == "ok"
        assert answer.churn.probability == prediction.churn_probability[row]
        assert answer.value.expected == prediction.expected_value_minor[row] / 100
        assert 1 <= len(answer.reasons.churn) <= 5


def test_real_contributions_are_additive_on_every_row_of_both_heads(company):
    path, _, frame = company
    worst = 0.0
    for answer in score(load_bundle(path), frame):
        for books in (answer.explain.churn, answer.explain.value):
            worst = max(worst, abs(books.base + books.sum_contributions - books.raw))
    assert worst <= 1e-9


def test_real_answers_have_the_same_bits_alone_in_a_batch_shuffled_and_on_two_threads(company):
    path, _, frame = company
    bundle = load_bundle(path)

    def texts(answers):
        return {answer.customer_id: json.dumps({**answer.to_dict(), "index": None}) for answer in answers}

    batch = texts(score(bundle, frame))
    assert texts(score(bundle, frame.sample(frac=1, random_state=5), threads=2)) == batch
    alone = [score(bundle, frame.iloc[[row]])[0] for row in range(0, len(frame), 10)]
    for customer, text in texts(alone).items():
        assert text == batch[customer]


def test_the_catalog_can_be_made_again_from_the_bundle(company):
    path, _, _ = company
    bundle = load_bundle(path)
    assert bundle.catalog.rebuilt().names == bundle.catalog.names


@pytest.mark.parametrize("share", np.linspace(0.0, 1.0, 7)[1:-1])
def test_a_damaged_booster_never_reaches_its_parser(company, tmp_path, share):
    path, _, _ = company
    for file in sorted((path / "model").iterdir()):
        original = file.read_bytes()
        place = int(share * len(original))
        for changed in (original[:place], original[:place] + b"0" + original[place + 1 :] + b"\n"):
            file.write_bytes(changed)
            with pytest.raises(BundleError, match="as it was written"):
                load_bundle(path)
        file.write_bytes(original)


def test_the_company_of_the_hand_worked_tests_uses_names_of_the_real_catalog(company):
    path, _, _ = company
    real = {feature.name: feature for feature in load_bundle(path).catalog.features}
    for feature in FEATURES:
        assert (real[feature.name].group, real[feature.name].dtype) == (feature.group, feature.dtype), feature.name
