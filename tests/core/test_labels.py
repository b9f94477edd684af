"""Labels, worked by hand for as_of 2025-07-01 and a horizon of 90 days: the window is [2025-07-01, 2025-09-29)."""

from datetime import date

import ibis
import pandas as pd
import pytest

from churn_value.labels import labels

AS_OF = date(2025, 7, 1)


@pytest.fixture(scope="module")
def connection():
    return ibis.duckdb.connect()


def purchases(connection, rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "event_time", "amount_minor", "is_return"])
    frame["event_time"] = pd.to_datetime(frame["event_time"])
    return ibis.memtable(
        frame,
        schema={"customer_id": "string", "event_time": "timestamp(6)", "amount_minor": "int64", "is_return": "boolean"},
    )


def spine(*customers, as_of=AS_OF):
    frame = pd.DataFrame({"customer_id": list(customers), "as_of": [as_of] * len(customers)})
    return ibis.memtable(frame, schema={"customer_id": "string", "as_of": "date"})


def run(connection, events, rows, definition="no_purchase", observed_through=date(2026, 1, 1)):
    table = labels(events, rows, definition=definition, horizon_days=90, observed_through=observed_through)
    frame = connection.to_pandas(table).sort_values(["customer_id", "as_of"])
    return {
        row.customer_id: (
            None if pd.isna(row.churned) else int(row.churned),
            None if pd.isna(row.value_minor) else int(row.value_minor),
        )
        for row in frame.itertuples()
    }


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2025-06-30 23:59:59.999999", (1, 0)),
        ("2025-07-01 00:00:00", (0, 500)),
        ("2025-09-28 23:59:59.999999", (0, 500)),
        ("2025-09-29 00:00:00", (1, 0)),
    ],
)
def test_the_outcome_window_is_closed_on_the_left_and_open_on_the_right(connection, stamp, expected):
    events = {"purchases": purchases(connection, [("a", stamp, 500, False)])}
    assert run(connection, events, spine("a")) == {"a": expected}


def test_a_refund_in_the_window_of_an_earlier_purchase_lowers_the_value_and_does_not_count_as_buying(connection):
    events = {"purchases": purchases(connection, [("a", "2025-06-10", 900, False), ("a", "2025-07-03", -900, True)])}
    assert run(connection, events, spine("a")) == {"a": (1, -900)}


def test_value_is_the_exact_net_sum_in_minor_units(connection):
    rows = [("a", "2025-07-02", 10, False), ("a", "2025-07-09", 20, False), ("a", "2025-07-10", -5, True)]
    assert run(connection, {"purchases": purchases(connection, rows)}, spine("a")) == {"a": (0, 25)}


def test_a_free_item_alone_is_not_a_purchase(connection):
    events = {"purchases": purchases(connection, [("a", "2025-07-02", 0, False)])}
    assert run(connection, events, spine("a")) == {"a": (1, 0)}


@pytest.mark.parametrize(("observed_through", "complete"), [(date(2025, 9, 29), True), (date(2025, 9, 28), False)])
def test_a_window_not_yet_complete_gives_null(connection, observed_through, complete):
    events = {"purchases": purchases(connection, [("a", "2025-07-02", 10, False)])}
    result = run(connection, events, spine("a"), observed_through=observed_through)
    assert result == {"a": (0, 10) if complete else (None, None)}


def test_no_visit_churn_looks_at_visits_and_value_at_purchases(connection):
    visits = purchases(connection, [("a", "2025-07-02", 0, False)]).select("customer_id", "event_time")
    events = {"visits": visits, "purchases": purchases(connection, [("b", "2025-07-02", 70, False)])}
    assert run(connection, events, spine("a", "b"), "no_visit") == {"a": (0, 0), "b": (1, 70)}


def contracts(rows):
    frame = pd.DataFrame(rows, columns=["customer_id", "started_at", "ended_at"])
    frame[["started_at", "ended_at"]] = frame[["started_at", "ended_at"]].apply(pd.to_datetime)
    schema = {"customer_id": "string", "started_at": "timestamp(6)", "ended_at": "timestamp(6)"}
    return ibis.memtable(frame, schema=schema)


def test_contract_end_needs_the_last_running_contract_to_end_inside_the_window(connection):
    events = {
        "contracts": contracts(
            [
                ("ends_on_first_day", "2024-01-01", "2025-07-01"),
                ("ends_on_last_day", "2024-01-01", "2025-09-28"),
                ("ends_after", "2024-01-01", "2025-09-29"),
                ("open", "2024-01-01", None),
                ("ended_before", "2024-01-01", "2025-06-30"),
                ("renewed", "2024-01-01", "2025-08-01"),
                ("renewed", "2025-08-01", None),
                ("starts_later", "2025-07-02", "2025-07-20"),
            ]
        )
    }
    names = ["ends_on_first_day", "ends_on_last_day", "ends_after", "open", "ended_before", "renewed", "starts_later"]
    result = run(connection, events, spine(*names), "contract_end")
    churned = {name: flag for name, (flag, _) in result.items()}
    assert churned == {
        "ends_on_first_day": 1,
        "ends_on_last_day": 1,
        "ends_after": 0,
        "open": 0,
        "ended_before": 0,
        "renewed": 0,
        "starts_later": 0,
    }
    assert {value for _, value in result.values()} == {None}


def test_one_customer_at_several_dates_has_a_label_for_each(connection):
    events = {"purchases": purchases(connection, [("a", "2025-07-02", 10, False)])}
    frame = pd.DataFrame({"customer_id": ["a", "a"], "as_of": [date(2025, 7, 1), date(2025, 7, 3)]})
    both = ibis.memtable(frame, schema={"customer_id": "string", "as_of": "date"})
    table = labels(events, both, definition="no_purchase", horizon_days=90, observed_through=date(2026, 1, 1))
    result = connection.to_pandas(table).sort_values("as_of")
    assert result[["churned", "value_minor"]].to_numpy().tolist() == [[0, 10], [1, 0]]
