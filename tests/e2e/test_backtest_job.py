"""The past of the small world, replayed as a user does."""

import json
from itertools import pairwise

import pandas as pd
import pytest

from churn_value.config import load_config
from pipelines import backtest
from tests.e2e.conftest import CONFIG, QUICK


@pytest.fixture(scope="module")
def replayed(places, world):
    config = load_config(CONFIG, (*QUICK, "dates.max_train_dates=2", "tuning.trials=0"))
    config = config.model_copy(update={"tables": {"purchases": config.tables["purchases"]}})
    return config, backtest.run(config, places, 200)


def test_each_date_was_trained_before_it_and_judged_on_what_followed(replayed, world):
    config, result = replayed
    points = result.replay.points
    assert len(points) + len(result.replay.skipped) >= 2
    for point in points:
        true = world.outcomes(pd.Timestamp(point.as_of).date(), config.horizon_days)
        assert 0.6 < point.metrics["churn_auc"] < 1
        assert point.customers <= len(true)
    assert all(earlier.as_of < later.as_of for earlier, later in pairwise(points))


def test_the_replay_leaves_a_document_a_table_and_a_chart(replayed):
    _, result = replayed
    document, rows, chart = result.files
    assert json.loads(document.read_text())["points"][0]["as_of"] == result.replay.points[0].as_of
    assert len(pd.read_csv(rows)) == len(result.replay.points)
    assert chart.read_bytes()[:4] == b"\x89PNG"
