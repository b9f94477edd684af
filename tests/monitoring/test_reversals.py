import math

import numpy as np
import pandas as pd

from churn_value.monitoring.reversals import Reversals, reversals

WEEK = 7


def weekly(**ranks):
    """Ranks of each customer, one a week from 2025-01-01."""
    rows = [
        {"customer_id": name, "as_of": pd.Timestamp("2025-01-01") + pd.Timedelta(days=WEEK * week), "tier_rank": rank}
        for name, found in ranks.items()
        for week, rank in enumerate(found)
    ]
    return pd.DataFrame(rows)


def test_a_change_taken_back_within_the_time_is_a_reversal():
    found = reversals(weekly(anna=[2, 1, 2, 2, 2, 2]), within_days=14)
    # Up in week 1, back in week 2: the first is taken back, the second (down) is not.
    assert (found.changes, found.reversed, found.customers) == (2, 1, 1)
    assert found.reversal_share == 0.5


def test_a_change_taken_back_too_late_is_none():
    assert reversals(weekly(anna=[2, 1, 1, 1, 2, 2, 2]), within_days=14).reversed == 0
    assert reversals(weekly(anna=[2, 1, 1, 2, 2, 2, 2]), within_days=14).reversed == 1


def test_going_past_the_tier_before_counts_as_taken_back():
    assert reversals(weekly(anna=[2, 1, 3, 3, 3, 3]), within_days=14).reversed == 1
    assert reversals(weekly(anna=[2, 3, 4, 4, 4, 4]), within_days=14).reversed == 0


def test_changes_whose_time_is_not_over_are_not_counted():
    found = reversals(weekly(anna=[1, 1, 1, 2, 1]), within_days=14)
    assert found == Reversals(0, 0, 0, 2)
    assert math.isnan(found.reversal_share)


def test_customers_are_kept_apart_and_rows_without_a_tier_left_out():
    table = weekly(anna=[1, 1, 1, 1, 1], bert=[3, 3, 3, 3, 3], cleo=[2, np.nan, 1, 1, 1])
    found = reversals(table.sample(frac=1, random_state=1), within_days=14)
    assert (found.changes, found.reversed) == (1, 0)
    assert found.steps == 2 + 2 + 1
    assert found.change_share == 0.2
    assert reversals(table.head(0)).steps == 0
