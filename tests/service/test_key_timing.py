"""How long a wrong key takes says nothing of how much of it was right."""

import gc
import hashlib
import hmac
import random
import time

import numpy as np
import pytest
from recorded import record
from scipy.stats import ttest_ind

from churn_value.service.auth import KeyRing

KEY = b"k" * 43
FIRST_WRONG, LAST_WRONG = b"x" + KEY[1:], KEY[:-1] + b"x"
MOST_US = 2.0


def ring():
    """Ten keys, the one that is almost presented in their middle."""
    keys = [hashlib.sha256(name).digest() for name in (b"a", b"b", b"c", b"d", KEY, b"e", b"f", b"g", b"h", b"i")]
    return KeyRing(tuple((digest, frozenset({"score"})) for digest in keys))


def timed(ask, count, seed=17):
    """Nanoseconds of both wrong keys, asked in a shuffled order; what an interruption took longest is left out."""
    order = [FIRST_WRONG, LAST_WRONG] * count
    random.Random(seed).shuffle(order)
    found = {FIRST_WRONG: [], LAST_WRONG: []}
    gc.disable()
    try:
        for key in order:
            began = time.perf_counter_ns()
            ask(key)
            found[key].append(time.perf_counter_ns() - began)
    finally:
        gc.enable()
    cut = np.quantile([*found[FIRST_WRONG], *found[LAST_WRONG]], 0.95)
    return tuple(np.array([one for one in found[key] if one <= cut]) for key in (FIRST_WRONG, LAST_WRONG))


def apart_us(first, last):
    return abs(float(np.median(first) - np.median(last))) / 1e3


@pytest.mark.parametrize("count", [2_000, pytest.param(20_000, marks=pytest.mark.long)])
def test_a_key_wrong_in_its_first_byte_takes_as_long_as_one_wrong_in_its_last(count):
    first, last = timed(ring().scopes, count)
    assert apart_us(first, last) <= MOST_US
    if count == 20_000:
        chance = float(ttest_ind(first, last, equal_var=False).pvalue)
        assert chance > 0.01
        told = f"medians {apart_us(first, last):.3f} µs apart, Welch p = {chance:.2f}"
        record("R25", "keys wrong in the first byte and in the last, timed in a shuffled order, of each", count, told)


def test_a_comparison_that_stops_at_the_first_difference_is_found():
    """The same measure on what is not done here: bytes compared one by one."""

    def leaky(key):
        digest = hashlib.sha256(key).digest()
        hmac.compare_digest(digest, digest)
        return all(one == other for one, other in zip(key, KEY, strict=True))

    first, last = timed(leaky, 2_000)
    assert float(ttest_ind(first, last, equal_var=False).pvalue) < 1e-6
