from datetime import date

import numpy as np
import pandas as pd
import pytest

from churn_value.monitoring.outcomes import by_band, is_mature, matured, summary, wilson

DAY = pd.Timestamp("2025-07-01")


def scored():
    return pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d", "e"],
            "as_of": DAY,
            "churn_probability": [0.1, 0.2, 0.8, 0.9, None],
            "churn_band": ["low", "low", "high", "high", None],
            "expected_value": [10.0, 20.0, 2.0, 0.0, None],
            "value_lower": [5.0, 15.0, 0.0, 0.0, None],
            "value_upper": [15.0, 18.0, 4.0, 1.0, None],
        }
    )


def happened():
    return pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d", "e"],
            "as_of": DAY,
            "churned": [0.0, 1.0, 1.0, None, 0.0],
            "value_minor": [1_200.0, 0.0, 0.0, None, 100.0],
        }
    )


def test_a_window_matures_on_the_first_day_not_observed_after_it():
    assert is_mature(date(2025, 7, 1), 90, date(2025, 9, 29))
    assert not is_mature(date(2025, 7, 1), 90, date(2025, 9, 28))


def test_only_scored_rows_with_a_complete_outcome_count():
    rows = matured(scored(), happened())
    assert rows["customer_id"].tolist() == ["a", "b", "c"]
    assert rows["actual_value"].tolist() == [12.0, 0.0, 0.0]


def test_bands_worked_by_hand():
    bands = by_band(matured(scored(), happened()), "churn_band").set_index("band")
    low = bands.loc["low"]
    assert (low["customers"], low["predicted_churn"], low["realised_churn"]) == (2, pytest.approx(0.15), 0.5)
    assert (low["predicted_value"], low["realised_value"], low["value_ratio"]) == (15.0, 6.0, 2.5)
    assert bool(low["within"])
    assert np.isnan(bands.loc["high", "value_ratio"])


def test_a_promise_outside_the_interval_is_told():
    rows = pd.DataFrame(
        {"customer_id": range(400), "as_of": DAY, "churn_probability": 0.1, "tier": "A", "churned": [1.0, 0.0] * 200}
    ).assign(actual_value=np.nan)
    found = by_band(rows, "tier").iloc[0]
    assert not found["within"]
    assert "value_ratio" not in found.index


def test_the_interval_of_a_share_against_the_published_form():
    low, high = wilson(10, 20)
    assert (low, high) == (pytest.approx(0.2993, abs=1e-4), pytest.approx(0.7007, abs=1e-4))
    assert wilson(0, 20)[0] == 0
    assert wilson(20, 20)[1] == 1
    assert all(np.isnan(wilson(0, 0)))


def test_the_summary_worked_by_hand():
    found = summary(matured(scored(), happened()))
    assert found["rows"] == 3
    assert found["churn_rate"] == pytest.approx(2 / 3)
    assert found["auc"] == 1.0
    assert found["brier"] == pytest.approx((0.01 + 0.64 + 0.04) / 3)
    assert found["total_bias"] == pytest.approx(32 / 12)
    assert found["interval_coverage"] == pytest.approx(2 / 3)


def test_without_amounts_there_is_only_churn():
    rows = matured(scored(), happened().assign(value_minor=np.nan))
    assert set(summary(rows)) == {"rows", "churn_rate", "auc", "log_loss", "brier", "calibration_error"}
    assert summary(rows.head(0)) == {"rows": 0.0}


def test_an_outcome_that_stands_twice_is_refused():
    with pytest.raises(pd.errors.MergeError):
        matured(scored(), pd.concat([happened(), happened().head(1)]))
