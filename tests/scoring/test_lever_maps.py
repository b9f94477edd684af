"""The maps of levers against the feature engine: the event is appended, the features are built again and compared."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from churn_value.config import Config
from churn_value.dataset import features_at
from churn_value.features.suited import catalog_of, catalog_parameters
from churn_value.scoring.lever_maps import Row, paid, praised, purchase, resolved
from churn_value.tables.load import tables_from_frames
from churn_value.tables.synthetic import simulate

AS_OF = date(2024, 7, 1)
STAMP = pd.Timestamp("2024-06-30T23:59:59Z")
USED = ("purchases", "feedback", "payments", "customers")
CONFIG = Config.model_validate(
    {
        "name": "levers",
        "currency": "USD",
        "horizon_days": 90,
        "windows_days": (30, 90, 360),
        "cohort": {"rule": "purchased"},
        "tables": {name: {"path": f"{name}.parquet", "time_zone": "UTC"} for name in USED},
    }
)


def built(frames):
    tables = tables_from_frames(CONFIG, frames, observed_now=datetime(2026, 1, 1, tzinfo=UTC))
    catalog = catalog_of(catalog_parameters(CONFIG, tables))
    return features_at(CONFIG, tables, catalog, AS_OF).set_index("customer_id")


def favourite(lines, column):
    """The value of most lines of each customer, of equals the last by name."""
    counts = lines.groupby(["customer_id", column]).size().reset_index(name="lines")
    return counts.sort_values(["lines", column]).groupby("customer_id")[column].last()


def bought_again(purchases, features):
    past = purchases[(purchases["event_time"] < "2024-07-01") & (purchases["known_at"] < "2024-07-01")]
    past = past[~past["is_return"] & (past["amount"] > 0)]
    customers = features.index
    order = pd.DataFrame(
        {
            "customer_id": customers,
            "event_time": STAMP,
            "amount": (features["mean_order_minor"].round() / 100).to_numpy(),
            "order_id": [f"again-{one}" for one in customers],
            "product_id": favourite(past, "product_id").reindex(customers).to_numpy(),
            "category": favourite(past, "category").reindex(customers).to_numpy(),
            "quantity": features["mean_order_quantity"].to_numpy(),
            "margin": ((features["mean_order_minor"].round() * features["margin_share_360d"]).round() / 100).to_numpy(),
            "channel": features["channel_top"].to_numpy(),
            "currency": "USD",
            "known_at": STAMP,
            "is_return": False,
        }
    )
    # As many lines as the orders usually have (rounded where that is no whole number): all but the first cost
    # one cent, so that the whole order costs what it should to the cent.
    lines = features["mean_order_lines"].round().astype(int).to_numpy()
    order["amount"] = (order["amount"] - 0.01 * (lines - 1)).round(2)
    whole = order.loc[order.index.repeat(lines)].reset_index(drop=True)
    is_more = whole.duplicated("customer_id")
    whole.loc[is_more, ["amount", "quantity"]] = 0.01, np.nan
    whole["margin"] = whole["margin"].where(~is_more, 0.0 * whole["margin"])
    return whole


@pytest.fixture(scope="module")
def engine():
    """Features as they are, and as the engine builds them after the four events."""
    world = simulate(150, seed=3)
    frames = {name: world.frames[name].copy() for name in USED}
    before = built(frames)
    again = bought_again(frames["purchases"], before)
    frames["purchases"] = pd.concat([frames["purchases"], again], ignore_index=True)
    feedback = frames["feedback"]
    is_case = feedback["kind"].isin(["complaint", "ticket"]) & (feedback["event_time"] < "2024-07-01")
    is_open = is_case & (feedback["resolved_at"].isna() | (feedback["resolved_at"] >= "2024-07-01"))
    feedback.loc[is_open, "resolved_at"] = STAMP
    praise = {"event_time": STAMP, "known_at": STAMP, "kind": "csat", "score": 5.0, "scale_min": 1.0, "scale_max": 5.0}
    frames["feedback"] = pd.concat([feedback, pd.DataFrame({"customer_id": before.index, **praise})], ignore_index=True)
    payments = frames["payments"]
    is_due = (payments["due_at"] < "2024-07-01") & (payments["paid_at"].isna() | (payments["paid_at"] >= "2024-07-01"))
    payments.loc[is_due, "paid_at"] = STAMP
    return before, built(frames)


@pytest.fixture(scope="module")
def mapped(engine):
    before, _ = engine
    row = Row(before.reset_index(), [AS_OF] * len(before))
    purchase(row, 1)
    for change in (resolved, paid, praised):
        change(row)
    return row.frame().set_index("customer_id")


def faults(mapped, engine, names, customers=None):
    """Features with the largest difference, of those that differ by more than rounding."""
    found = {}
    for name in names:
        one, other = (table[name].to_numpy(dtype=float) for table in (mapped, engine[1]))
        if customers is not None:
            one, other = one[customers], other[customers]
        wrong = ~np.isclose(one, other, rtol=1e-5, atol=1e-4, equal_nan=True)
        if wrong.any():
            found[name] = (int(wrong.sum()), one[wrong][0], other[wrong][0])
    return found


# Where a row does not say enough, the map assumes something (see `lever_maps`); everything else must be what the engine
# builds. By feature: for whom the assumption is not needed, so that it must be exact there too.
KINDS = {
    f"{kind}_{what}" for kind in ("category", "product", "channel") for what in ("count", "entropy", "top", "top_share")
}
KINDS |= {"product_repeat_share"}


def whole_lines(before):
    return (before["mean_order_lines"] % 1 == 0) & (before["mean_order_lines_90d"].fillna(1) % 1 == 0)


EXACT_FOR = {
    "mean_order_lines": whole_lines,
    "weekend_share": whole_lines,
    "mean_order_quantity": lambda f: f["mean_order_quantity"] % 1 == 0,
    "margin_share": lambda f: f["margin_share_90d"] > 0,
    "order_amount_trend": lambda f: f["order_count_90d"] > 0,
    "satisfaction_last": lambda f: f["days_since_last_score"].fillna(9) > 1,
    "satisfaction_last_change": lambda f: f["days_since_last_score"].fillna(9) > 1,
    "satisfaction_level": lambda f: f["score_count"] <= 1,
    "response_share": lambda f: f["response_share"].fillna(1) > 0,
    "resolution_days_mean": lambda f: f["open_tickets"].fillna(0) <= 1,
    "days_late_last": lambda f: f["overdue_count"].fillna(0) == 0,
}


def stem(name):
    head, _, tail = name.rpartition("_")
    return head if tail[:-1].isdigit() and tail.endswith("d") else name


def test_everything_a_row_determines_is_what_the_engine_builds_after_the_events(mapped, engine):
    before = engine[0]
    names = [name for name in before if pd.api.types.is_numeric_dtype(before[name]) and stem(name) not in KINDS]
    assert len(names) > 100
    for name in names:
        customers = EXACT_FOR.get(stem(name), lambda frame: frame.index == frame.index)(before)
        assert customers.sum() >= 20
        one, other = (table.loc[customers, name].to_numpy(dtype=float) for table in (mapped, engine[1]))
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=2e-4, err_msg=name)


def test_the_events_change_what_the_maps_are_tested_on(mapped, engine):
    before = engine[0]
    moved = [name for name in before if stem(name) not in KINDS and not mapped[name].equals(before[name])]
    assert len(moved) > 70
    assert not [name for name in moved if name.startswith(("attr_", "tenure", "visit"))]


def row_of(**features):
    return Row(pd.DataFrame({name: [float(value)] for name, value in features.items()}), [AS_OF])


def test_shares_of_kinds_worked_by_hand():
    # 4 orders of 2 lines: 8 lines, 5 products, 6 of the main category. One more order of 2 lines: 10, 5 and 8.
    row = row_of(
        mean_order_minor=1000,
        mean_order_lines=2,
        order_count=4,
        category_count=3,
        category_top_share=0.75,
        product_count=5,
        product_repeat_share=0.375,
        weekend_share=0.5,
        days_since_last_purchase=9,
        frequency=3,
    )
    purchase(row, 1)
    found = row.frame().iloc[0]
    assert found["category_top_share"] == pytest.approx(0.8)
    assert found["product_repeat_share"] == pytest.approx(0.5)
    assert (found["category_count"], found["product_count"], found["order_count"]) == (3, 5, 5)
    assert found["weekend_share"] == pytest.approx(0.6)  # the day before 1 July 2024 was a Sunday: 4 + 2 of 10


def test_an_order_of_three_baskets_is_one_order_on_one_day():
    row = row_of(
        mean_order_minor=1000,
        order_count=4,
        max_order_minor=1500,
        purchase_days=4,
        days_since_last_purchase=11,
        frequency=3,
        mean_gap_days=10,
        std_gap_days=0,
        max_gap_days=10,
        spend_minor=4000,
        T_days=41,
        recency_days=30,
    )
    purchase(row, 3)
    found = row.frame().iloc[0]
    assert (found["spend_minor"], found["max_order_minor"], found["order_count"]) == (7000, 3000, 5)
    assert (found["mean_order_minor"], found["purchase_days"], found["frequency"]) == (1400, 5, 4)
    assert (found["mean_gap_days"], found["std_gap_days"], found["recency_days"]) == (10, 0, 40)


def test_who_bought_the_day_before_gains_an_order_but_no_day():
    row = row_of(
        mean_order_minor=1000, order_count=2, purchase_days=2, days_since_last_purchase=1, frequency=1, mean_gap_days=7
    )
    purchase(row, 1)
    found = row.frame().iloc[0]
    assert (found["purchase_days"], found["order_count"], found["mean_gap_days"], found["frequency"]) == (2, 3, 7, 1)


def test_a_first_answer_of_somebody_never_asked():
    row = row_of(
        never_asked=1, score_count=0, satisfaction_level=np.nan, satisfaction_mean=np.nan, response_share=np.nan
    )
    praised(row)
    assert row.frame().iloc[0].to_dict() == {
        "never_asked": 0.0,
        "score_count": 1.0,
        "satisfaction_level": 1.0,
        "satisfaction_mean": 1.0,
        "response_share": 1.0,
    }


def test_a_table_without_a_feature_stays_without_it():
    row = row_of(spend_minor=100, purchase_days=1)
    for change in (lambda one: purchase(one, 1), resolved, paid, praised):
        change(row)
    assert list(row.frame().columns) == ["spend_minor", "purchase_days"]
    assert row.frame()["spend_minor"].tolist() == [200.0]
