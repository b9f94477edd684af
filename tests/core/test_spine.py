"""Who is on the spine of 2025-07-01, worked by hand."""

from datetime import UTC, date, datetime

import pandas as pd
import pytest

from churn_value.config import CohortConfig, Config
from churn_value.spine import spine
from churn_value.tables.load import tables_from_frames

AS_OF = date(2025, 7, 1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONFIG = Config.model_validate(
    {
        "name": "hand",
        "tables": {
            name: {"path": "-", "time_zone": "UTC"} for name in ("purchases", "visits", "contracts", "customers")
        },
    }
)


def tables():
    stamp = pd.to_datetime
    purchases = pd.DataFrame(
        [
            ("before", "2025-06-30 23:59:59", "2025-06-30 23:59:59", 5.0),
            ("at", "2025-07-01 00:00:00", "2025-07-01 00:00:00", 5.0),
            ("known_late", "2025-06-01", "2025-07-01", 5.0),
            ("only_returned", "2025-06-01", "2025-06-01", -5.0),
            ("long_ago", "2024-01-01", "2024-01-01", 5.0),
            ("edge_in", "2025-06-01", "2025-06-01", 5.0),
            ("edge_out", "2025-05-31 23:59:59", "2025-05-31 23:59:59", 5.0),
        ],
        columns=["customer_id", "event_time", "known_at", "amount"],
    )
    purchases["event_time"], purchases["known_at"] = (
        stamp(purchases["event_time"], format="ISO8601"),
        stamp(purchases["known_at"], format="ISO8601"),
    )
    visits = pd.DataFrame({"customer_id": ["looker"], "event_time": stamp(["2025-06-30"]), "kind": ["view"]})
    contracts = pd.DataFrame(
        [
            ("running", "2025-01-01", None),
            ("ends_on_the_day", "2025-01-01", "2025-07-01"),
            ("ended", "2025-01-01", "2025-06-30"),
            ("starts_on_the_day", "2025-07-01", None),
        ],
        columns=["customer_id", "started_at", "ended_at"],
    )
    contracts["started_at"], contracts["ended_at"] = stamp(contracts["started_at"]), stamp(contracts["ended_at"])
    customers = pd.DataFrame(
        {
            "customer_id": ["signed_up", "signs_up_on_the_day", "never_said"],
            "signup_at": stamp(["2025-06-30", "2025-07-01", None]),
        }
    )
    frames = {"purchases": purchases, "visits": visits, "contracts": contracts, "customers": customers}
    return tables_from_frames(CONFIG, frames, observed_now=NOW)


@pytest.fixture(scope="module")
def world():
    return tables()


def admitted(world, rule, lookback_days=None):
    cohort = CohortConfig(rule=rule, lookback_days=lookback_days)
    frame = world.connection.to_pandas(spine(world.events, [AS_OF], cohort))
    assert not frame.duplicated().any()
    return set(frame["customer_id"])


def test_purchased_admits_who_bought_and_was_known_to_have_bought_before_as_of(world):
    assert admitted(world, "purchased") == {"before", "long_ago", "edge_in", "edge_out"}


def test_a_lookback_is_closed_on_the_left(world):
    assert admitted(world, "purchased", 30) == {"before", "edge_in"}


def test_visited_looks_at_visits(world):
    assert admitted(world, "visited") == {"looker"}


def test_an_active_contract_runs_at_as_of_even_when_it_ends_that_day(world):
    assert admitted(world, "active_contract") == {"running", "ends_on_the_day"}


def test_everyone_is_on_record_or_seen_and_not_from_the_future(world):
    assert admitted(world, "everyone") == {
        "signed_up",
        "never_said",
        "before",
        "only_returned",
        "long_ago",
        "edge_in",
        "edge_out",
        "looker",
        "running",
        "ends_on_the_day",
        "ended",
    }


def test_each_date_has_its_own_rows(world):
    dates = [AS_OF, date(2025, 7, 2)]
    frame = world.connection.to_pandas(spine(world.events, dates, CohortConfig(rule="purchased")))
    counts = frame.groupby(frame["as_of"].astype(str)).size().to_dict()
    assert counts == {"2025-07-01": 4, "2025-07-02": 6}
