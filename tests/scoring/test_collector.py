"""The collector has nothing to find in answers, so that to have it look rarely costs no memory."""

import gc

import pytest

from churn_value.scoring.collector import RARELY, collecting_rarely
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame


@pytest.mark.parametrize("explain", [True, False])
def test_answers_have_no_cycles(bundle, customers, explain):
    answers_to_frame(score(bundle, customers, explain=explain, levers=True))  # what is made once is made here
    gc.collect()
    gc.disable()
    try:
        answers_to_frame(score(bundle, customers, explain=explain, levers=True))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_as_often_as_before_when_it_is_over():
    before = gc.get_threshold()
    with collecting_rarely():
        assert gc.get_threshold() == RARELY
    assert gc.get_threshold() == before
