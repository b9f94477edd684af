"""The compiled continued fraction is the written one to the bit, for one row as for many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churn_value.estimators.btyd.pareto_kernels import BLOCK, fraction


def compiled(b, c, z, terms):
    out = np.empty(len(z))
    fraction(b, c, z, terms, out)
    return out


def written(b, c, z, terms):
    """The same as array operations, a pair after the other."""
    tail = 0.5 * (1 + np.sqrt(1 - z))
    for k in range(terms, 0, -1):
        tail = 1 - (b + k) * (c + k - 1) / ((c + 2 * k - 1) * (c + 2 * k)) * z / tail
        tail = 1 - k * (c - b + k - 1) / ((c + 2 * k - 2) * (c + 2 * k - 1)) * z / tail
    return 1 / (1 - b / c * z / tail)


def drawn(rows, seed=0):
    rng = np.random.default_rng(seed)
    b = rng.gamma(1.0, 30.0, rows) + 0.01
    return b, b + rng.gamma(1.0, 3.0, rows) + 0.01, rng.random(rows)


def test_one_pair_by_hand():
    # b 1, c 2, z 0: every tail is 1 and so is the function. At z = 3/4 F(1, 1; 2; z) = -log(1 - z) / z.
    one = np.ones(1)
    assert compiled(one, 2 * one, 0 * one, 1)[0] == 1.0
    assert compiled(one, 2 * one, 0.75 * one, 30)[0] == pytest.approx(np.log(4) / 0.75, rel=1e-12)


@pytest.mark.parametrize("rows", [1, BLOCK - 1, BLOCK, BLOCK + 1, 1_000])
@pytest.mark.parametrize("terms", [8, 64])
def test_the_bits_are_those_of_array_operations(rows, terms):
    np.testing.assert_array_equal(compiled(*drawn(rows), terms), written(*drawn(rows), terms))


@given(st.integers(0, 2**31), st.integers(1, 64))
def test_a_row_has_the_same_bits_alone_and_among_others(seed, terms):
    rows = drawn(40, seed)
    together = compiled(*rows, terms)
    alone = [compiled(*(part[[row]] for part in rows), terms)[0] for row in range(40)]
    assert together.tolist() == alone
