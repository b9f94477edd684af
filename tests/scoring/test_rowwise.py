"""A formula of one customer means the same as a column: Python's own reading of it is the oracle."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_value.estimators.compiled import rowwise
from churn_value.scoring import subscores

FORMULAS = [one for one in vars(subscores).values() if getattr(one, "__code__", None) is rowwise(abs).__code__]
EDGES = st.sampled_from([np.nan, 0.0, -0.0, 1.0, -1.0, 0.5, 1e-300, 1e300, np.inf])
NUMBERS = EDGES | st.floats(-1e6, 1e6, allow_subnormal=False)


def test_there_are_formulas_to_look_at():
    assert {"_first_known", "_satisfied", "_paid", "_in_time", "_trend"} <= {formula.__name__ for formula in FORMULAS}


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda formula: formula.__name__)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_column_is_its_rows_one_by_one(formula, data):
    plain = formula.__wrapped__
    rows = data.draw(st.lists(st.tuples(*[NUMBERS] * plain.__code__.co_argcount), min_size=1, max_size=5))
    found = formula(*(np.array(column) for column in zip(*rows, strict=True)))
    with np.errstate(all="ignore"):
        expected = [plain(*map(np.float64, row)) for row in rows]
    np.testing.assert_array_equal(found, np.array(expected, dtype=np.float64))
    alone = [formula(*(np.array([cell]) for cell in row))[0] for row in rows]
    np.testing.assert_array_equal(found, alone)


def test_a_number_in_place_of_a_column_holds_for_all_rows():
    shares = rowwise(lambda part, whole: part / whole)
    np.testing.assert_array_equal(shares(np.array([1.0, np.nan, 9.0]), 4.0), [0.25, np.nan, 2.25])
