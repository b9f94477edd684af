"""Every shipped configuration on its real data, with the counts known from the sets' publications."""

import os
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from churn_value.config import load_config
from churn_value.tables.load import load_tables

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("CHURN_VALUE_DATA", ROOT.parent / "shared" / "data"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.skipif(not (DATA / "cdnow.parquet").exists(), reason=f"no reference data in {DATA}")


def load(name):
    return load_tables(load_config(ROOT / "configs" / f"{name}.yaml"), data_root=DATA, observed_now=NOW)


def totals(tables, *columns):
    purchases = tables.events["purchases"]
    sums = purchases.aggregate(customers=purchases.customer_id.nunique(), total=purchases.amount_minor.sum())
    return tuple(int(value) for value in sums.to_pyarrow().to_pylist()[0].values())


def test_cdnow_has_its_69659_purchases_of_23570_customers():
    tables = load("cdnow")
    report = tables.reports["purchases"]
    assert (report.read, report.accepted, report.duplicates) == (69_659, 69_659, 255)
    # 2,500,315.63 dollars: the sum of the published file.
    assert totals(tables) == (23_570, 250_031_563)
    assert tables.span == (date(1997, 1, 1), date(1998, 7, 1))


def test_online_retail_sets_aside_its_135080_lines_without_a_customer():
    tables = load("online_retail")
    report = tables.reports["purchases"]
    assert (report.read, report.accepted) == (541_909, 406_829)
    assert dict(report.quarantined) == {"MISSING_ID": 135_080}
    assert totals(tables) == (4_372, 830_006_581)
    returns = tables.events["purchases"].filter(lambda t: t.is_return)
    assert returns.count().execute() == 8_905
    assert returns.filter(returns.amount_minor > 0).count().execute() == 0
    assert tables.present["purchases"] == {"order_id", "product_id", "quantity", "is_return"}


def test_complete_journey_has_its_households_departments_and_coupons():
    tables = load("completejourney")
    assert {name: (report.read, report.accepted) for name, report in tables.reports.items()} == {
        "purchases": (1_469_307, 1_469_307),
        "visits": (2_102, 2_102),
        "customers": (801, 801),
    }
    assert totals(tables)[0] == 2_469
    purchases = tables.events["purchases"]
    assert purchases.category.nunique().execute() >= 25
    assert tables.reports["purchases"].null_share["category"] < 0.01
    assert tables.present["visits"] == {"item"}
    assert set(tables.attribute_types["customers"]) == {
        "age",
        "income",
        "home_ownership",
        "marital_status",
        "household_size",
        "household_comp",
        "kids_count",
    }


def test_interconnect_has_its_contracts_ending_on_the_first_of_a_month():
    tables = load("interconnect")
    assert {name: report.accepted for name, report in tables.reports.items()} == {
        "customers": 7_043,
        "contracts": 7_043,
    }
    contracts = tables.events["contracts"]
    ended = contracts.filter(contracts.ended_at.notnull())
    ends = ended.group_by("ended_at").agg(n=ended.count())
    found = {row["ended_at"].date(): row["n"] for row in ends.to_pyarrow().to_pylist()}
    assert found == {
        date(2019, 10, 1): 458,
        date(2019, 11, 1): 485,
        date(2019, 12, 1): 466,
        date(2020, 1, 1): 460,
    }
    assert len(tables.attribute_types["customers"]) == 16
    assert not {"TotalCharges", "EndDate"} & set(tables.events["customers"].columns)
    assert tables.reports["customers"].null_share["MultipleLines"] == (7_043 - 6_361) / 7_043


def test_ibm_telco_has_its_1869_churners():
    tables = load("ibm_telco")
    snapshots = tables.events["snapshots"]
    assert (snapshots.count().execute(), snapshots.label.sum().execute()) == (7_043, 1_869)
    assert snapshots.TotalCharges.isnull().sum().execute() == 11
    types = tables.attribute_types["snapshots"]
    assert {name for name, kind in types.items() if kind == "number"} == {
        "SeniorCitizen",
        "tenure",
        "MonthlyCharges",
        "TotalCharges",
    }
    assert len(types) == 19


def test_the_synthetic_configuration_has_all_seven_tables():
    config = load_config(ROOT / "configs" / "synthetic.yaml")
    assert len(config.tables) == 7
