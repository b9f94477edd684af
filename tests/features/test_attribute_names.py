"""A company names its columns as it likes: none meets a name of ours."""

from datetime import UTC, date, datetime

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from churn_value.config import Config
from churn_value.errors import SchemaError
from churn_value.features.asof import build
from churn_value.features.catalog import catalog
from churn_value.features.past import Past
from churn_value.tables.load import tables_from_frames

NOW = datetime(2025, 1, 1, tzinfo=UTC)
COMPANY = {
    "name": "company",
    "tables": {"purchases": {"path": "x"}, "customers": {"path": "y", "attributes": "all"}},
    "churn": {"definition": "no_purchase"},
}
BOUGHT = {
    "customer_id": ["a", "b"],
    "event_time": pd.to_datetime(["2024-01-01", "2024-02-01"], utc=True),
    "amount": [1.0, 2.0],
}
REDUCTIONS = [name for name in dir(Past) if not name.startswith("__")]
OF_THE_ENGINE = ["age_days", "as_of", "as_of_day", "as_of_year", "event_day", "known_day", "is_newest", "version"]
OF_LANGUAGES = ["self", "select", "order", "group", "x y", '"q"', "it's", "a.b", "a;b", "\u5927\u5c0f", "1st", "A"]
OF_PEOPLE = [
    "known_at",
    "event_time",
    "event_id",
    "fold",
    "churned",
    "value_minor",
    "index",
    "_x",
    "__row",
    "profile_x",
]


@pytest.mark.parametrize("name", [*REDUCTIONS, *OF_THE_ENGINE, *OF_LANGUAGES, *OF_PEOPLE])
def test_an_attribute_of_any_name_is_the_feature_it_says(name):
    profiles = pd.DataFrame({"customer_id": ["a", "b"], name: [5.0, 7.0]})
    frames = {"purchases": pd.DataFrame(BOUGHT), "customers": profiles}
    tables = tables_from_frames(Config.model_validate(COMPANY), frames, observed_now=NOW)
    features = catalog(tables.present, (30, 90), tables.attribute_types["customers"]).features
    spine = ibis.memtable(pa.table({"customer_id": ["a", "b"], "as_of": [date(2024, 6, 1)] * 2}))
    found = tables.connection.to_pandas(build(features, tables.events, spine)).sort_values("customer_id")
    assert found[f"attr_{name}"].tolist() == [5.0, 7.0]


def test_a_frame_with_a_column_without_a_name_is_refused():
    frames = {"purchases": pd.DataFrame({**BOUGHT, "": [1, 2]})}
    company = {**COMPANY, "tables": {"purchases": {"path": "x"}}}
    with pytest.raises(SchemaError) as refused:
        tables_from_frames(Config.model_validate(company), frames, observed_now=NOW)
    assert refused.value.code == "COLUMN_NAME"
