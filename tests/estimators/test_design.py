"""Order, categories, and what is missing."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from simulated_customers import Column, Columns

from churn_value.errors import FingerprintMismatch
from churn_value.estimators.design import MOST_CATEGORIES, Design

CATALOG = Columns((Column("spend"), Column("region", "category"), Column("orders")))
FRAME = pd.DataFrame({"orders": [1, 2, 3], "region": ["south", None, "north"], "spend": [1.5, np.inf, np.nan]})


def test_columns_follow_the_catalog_and_codes_the_alphabet():
    design = Design.fit(FRAME, CATALOG)
    assert design.names == ("spend", "region", "orders")
    assert design.categories == {"region": ("north", "south")}
    assert design.category_places == (1,)
    expected = [[1.5, 1.0, 1.0], [np.nan, np.nan, 2.0], [np.nan, 0.0, 3.0]]
    np.testing.assert_array_equal(design.matrix(FRAME), expected)


def test_a_text_not_seen_at_fit_is_missing():
    later = pd.DataFrame({"spend": [1.0], "region": ["east"], "orders": [0]})
    assert np.isnan(Design.fit(FRAME, CATALOG).matrix(later)[0, 1])


def test_the_dtype_of_a_column_does_not_matter():
    design = Design.fit(FRAME, CATALOG)
    other = pd.DataFrame(
        {
            "orders": pd.array([1, None, 3], dtype="Int64"),
            "region": pd.Categorical(["south", None, "north"]),
            "spend": pd.array([1.5, None, None], dtype="Float64"),
        }
    )
    np.testing.assert_array_equal(design.matrix(other)[[0, 2]], design.matrix(FRAME)[[0, 2]])
    assert np.isnan(design.matrix(other)[1]).all()


def test_only_the_most_frequent_categories_are_known():
    texts = [f"t{number:03d}" for number in range(MOST_CATEGORIES + 30)] + ["often"] * 5
    frame = pd.DataFrame({"spend": 0.0, "region": texts, "orders": 0})
    known = Design.fit(frame, CATALOG).categories["region"]
    assert len(known) == MOST_CATEGORIES
    assert "often" in known


def test_a_missing_feature_is_named():
    with pytest.raises(FingerprintMismatch, match="region"):
        Design.fit(FRAME.drop(columns="region"), CATALOG)


def test_json_gives_the_same_design():
    design = Design.fit(FRAME, CATALOG)
    assert Design.from_json(json.loads(json.dumps(design.to_json()))) == design


def test_no_rows_give_an_empty_matrix():
    assert Design.fit(FRAME, CATALOG).matrix(FRAME.head(0)).shape == (0, 3)
