import numpy as np
import pandas as pd
import pytest
from judged import FEATURES, base

from churn_value.evaluation.explore import _rates, labels_by_date, plot_churn_by, plot_labels, strongest_alone
from churn_value.evaluation.plots import png


def test_labels_are_counted_by_date_oldest_first():
    frame = pd.DataFrame(
        {
            "as_of": pd.to_datetime(["2025-07-01", "2025-04-01", "2025-07-01"]),
            "fold": ["test", "train", "test"],
            "churned": [1.0, 0.0, 0.0],
            "value_minor": [0.0, 50.0, 100.0],
        }
    )
    found = labels_by_date(frame)
    assert found["fold"].tolist() == ["train", "test"]
    assert found["rows"].tolist() == [1, 2]
    assert found["churn_rate"].tolist() == [0.0, 0.5]
    assert found["mean_value_minor"].tolist() == [50.0, 50.0]


def test_the_strongest_feature_alone_comes_first():
    found = strongest_alone(base(), FEATURES, seed=1)
    assert found["feature"].iloc[0] == "days_since_last_purchase"
    assert found["auc_alone"].iloc[0] > 0.8
    assert found["auc_alone"].iloc[1:].between(0.4, 0.6).all()


def test_too_few_churners_give_an_empty_table():
    assert strongest_alone(base(40), FEATURES, seed=1).empty


def test_rates_worked_by_hand():
    labels, rates, rows = _rates(pd.Series([1.0, 1.0, 2.0, np.nan]), pd.Series([1.0, 0.0, 0.0, 1.0]), "number")
    assert (labels, rates, rows) == (["none", "≥ 1", "≥ 2"], [1.0, 0.5, 0.0], 4)
    labels, rates, _ = _rates(pd.Series(["b", "b", None]), pd.Series([1.0, 0.0, 1.0]), "category")
    assert (labels, rates) == (["b", "none"], [0.5, 1.0])
    assert _rates(pd.Series([np.nan] * 2), pd.Series([1.0, 0.0]), "number")[1] == [0.5]


@pytest.mark.parametrize("number", [1, 3])
def test_panels_are_drawn_for_any_number_of_features(number):
    frame = base(300)
    assert png(plot_churn_by(frame, FEATURES[-number:])).startswith(b"\x89PNG")
    assert png(plot_labels(frame, currency="GBP")).startswith(b"\x89PNG")
