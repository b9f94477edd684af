"""The past replayed: which dates, what was known at each, and what the figures over the dates say."""

import itertools
import json
from datetime import UTC, date, datetime

import ibis
import numpy as np
import pandas as pd
import pytest
from judged import base, systems

from churn_value.config import load_config
from churn_value.dataset import build_dataset
from churn_value.errors import ConfigError, TooLittleData
from churn_value.evaluation.backtest import config_at, features_made, known_at, replay_dates
from churn_value.evaluation.backtest_figure import replay_figure
from churn_value.evaluation.comparison import evaluate
from churn_value.evaluation.plots import png
from churn_value.evaluation.replay import Point, Replay, point_of
from churn_value.tables.load import load_tables

HORIZON = 30


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Sixty customers who buy every eight days from 2025-01-01 to 2025-09-01; one line is known late.

    Every fifth is away for forty days after each forty, each from another day on.
    """
    folder = tmp_path_factory.mktemp("shop")
    days = pd.date_range("2025-01-01", "2025-09-01", freq="8D")
    lines = pd.DataFrame([(f"c{c}", day + pd.Timedelta(days=c % 8), 10.0) for c in range(60) for day in days])
    lines.columns = ["customer_id", "event_time", "amount"]
    number, elapsed = lines["customer_id"].str[1:].astype(int), (lines["event_time"] - days[0]).dt.days
    away = (number % 5 == 0) & ((elapsed + 7 * number) // 40 % 2 == 1)
    lines = lines[~away & (lines["event_time"] < "2025-09-01")].assign(known_at=lambda f: f["event_time"])
    lines.loc[lines.index[0], "known_at"] = pd.Timestamp("2025-07-01")
    lines.to_parquet(folder / "purchases.parquet")
    config = {
        "name": "shop",
        "horizon_days": HORIZON,
        "tables": {"purchases": {"path": "purchases.parquet", "time_zone": "UTC"}},
        "dates": {"observed_through": "2025-09-01"},
    }
    path = folder / "shop.yaml"
    path.write_text(json.dumps(config))
    loaded = load_config(path)
    return loaded, load_tables(loaded, data_root=folder, observed_now=datetime(2025, 9, 1, tzinfo=UTC))


def test_every_date_leaves_two_windows_and_a_history_before_it_and_one_window_after(shop):
    config, tables = shop
    found = replay_dates(config, tables, 30)
    assert found[-1] == date(2025, 8, 2)  # its window ends on the first day not observed
    assert found[0] >= date(2025, 4, 1)  # 30 days of history, then the windows of train and calibration
    assert {(later - earlier).days for earlier, later in itertools.pairwise(found)} == {30}
    assert found[0] - pd.Timedelta(days=30) < date(2025, 4, 1)


@pytest.mark.parametrize(("asked", "apart"), [(1, 10), (14, 10), (16, 20), (30, 30)])
def test_dates_lie_whole_steps_apart_so_that_trainings_share_them(shop, asked, apart):
    config, tables = shop
    found = replay_dates(config, tables, asked)
    assert {(later - earlier).days for earlier, later in itertools.pairwise(found)} == {apart}


def test_a_training_at_a_date_is_tested_there_and_learns_from_windows_complete_by_then(shop):
    config, tables = shop
    then = config_at(config, tables, date(2025, 6, 3))
    assert then.dates.observed_through == date(2025, 7, 3)
    assert then.windows_days == config_at(config, tables, date(2025, 8, 2)).windows_days
    assert config.dates.observed_through == date(2025, 9, 1)


def test_windows_follow_the_rhythm_known_by_then(shop):
    """Nobody has bought twice by 2025-01-08, so the ladder cannot come from their gaps."""
    config, tables = shop
    early, late = (config_at(config, tables, day).windows_days for day in (date(2025, 1, 8), date(2025, 6, 3)))
    assert early != late


def test_what_was_known_later_is_not_there_yet_and_the_outcomes_are(shop):
    _, tables = shop
    early, late = (known_at(tables, day).events["purchases"] for day in (date(2025, 6, 3), date(2025, 7, 2)))
    everything = tables.events["purchases"].count().execute()
    assert late.count().execute() == everything
    assert early.count().execute() == everything - 1
    assert early.event_time.max().execute() == tables.events["purchases"].event_time.max().execute()


def test_features_made_once_are_those_of_a_training_that_knew_only_what_was_known_by_then(shop):
    config, tables = shop
    day = date(2025, 6, 3)
    once = features_made(config, tables, (day, date(2025, 8, 2)))
    then, known = config_at(config, tables, day), known_at(tables, day)
    with_them, by_itself = build_dataset(then, known, once[then.windows_days]), build_dataset(then, known)
    pd.testing.assert_frame_equal(with_them.frame, by_itself.frame)
    assert with_them.manifest == by_itself.manifest
    other = then.model_copy(update={"windows_days": (5, 50)})
    with pytest.raises(ConfigError, match="same tables, columns and windows"):
        build_dataset(other, known, once[then.windows_days])


def test_tables_without_a_second_clock_stay_as_they_are(shop):
    _, tables = shop
    customers = ibis.memtable({"customer_id": ["a"]})
    with_customers = known_at(type(tables)(**{**vars(tables), "events": {"customers": customers}}), date(2025, 6, 3))
    assert with_customers.events["customers"] is customers


def test_dates_given_by_hand_are_replayed_where_two_earlier_ones_are_complete(shop):
    config, tables = shop
    days = [date(2025, month, 1) for month in (3, 4, 5, 6, 7)]
    content = config.model_dump() | {
        "dates": {"as_of": {"train": days[:3], "calibration": days[3:4], "test": days[4:]}}
    }
    by_hand = type(config).model_validate(content)
    found = replay_dates(by_hand, tables)
    assert found == tuple(days[2:])
    then = config_at(by_hand, tables, days[3]).dates.as_of
    assert (then.train, then.calibration, then.test) == (tuple(days[:2]), (days[2],), (days[3],))


def test_a_span_too_short_to_replay_is_named(shop):
    config, tables = shop
    with pytest.raises(TooLittleData) as caught:
        replay_dates(config.model_copy(update={"horizon_days": 120}), tables)
    assert caught.value.code == "SPAN_TOO_SHORT"


def test_snapshots_have_no_past_to_replay(shop):
    _, tables = shop
    with pytest.raises(ConfigError, match="snapshots have none"):
        replay_dates(load_config("configs/ibm_telco.yaml"), tables)


def point(as_of, gap, bias):
    return Point(as_of, 100, 0.4, 0.4 + gap, {"churn_auc": 0.8, "value_total_bias": bias}, {"churn_log_loss": 0.5})


@pytest.fixture
def replay():
    """Gap +2, +4, +6 points and totals 1.0, 0.9, 0.8 at dates a month apart."""
    points = [point("2025-01-01", 0.02, 1.0), point("2025-01-31", 0.04, 0.9), point("2025-03-02", 0.06, 0.8)]
    return Replay("shop", 30, tuple(points), {"2025-04-01": "too few churners"})


def test_drift_worked_by_hand(replay):
    calibration, total = replay.drift()
    assert (calibration.mean, calibration.worst, calibration.per_month) == pytest.approx((0.04, 0.06, 0.02))
    assert (total.mean, total.worst, total.per_month) == pytest.approx((0.9, 0.8, -0.1))
    assert total.en == "Predicted total was 90% of actual on average, 80% at worst, moving -10.0% a month."
    assert total.zh == "预测总额平均为实际的 90%，最差时为 80%，每月变动 -10.0%。"
    assert calibration.en.startswith("Predicted churn was +4.0% points from actual on average, +6.0% at worst")


def test_the_worst_total_is_the_one_farthest_from_one_on_either_side(replay):
    points = (point("2025-01-01", 0.0, 1.3), point("2025-01-31", 0.0, 0.9))
    found = Replay("shop", 30, points, {}).drift()[1]
    assert found.worst == 1.3
    assert np.isnan(found.per_month)
    assert "month" not in found.en


def test_the_table_has_a_row_for_each_date_and_the_json_reads_back(replay):
    frame = replay.frame()
    assert frame["as_of"].tolist() == ["2025-01-01", "2025-01-31", "2025-03-02"]
    assert frame["calibration_gap"].tolist() == pytest.approx([0.02, 0.04, 0.06])
    content = json.loads(replay.to_json())
    assert content["skipped"] == {"2025-04-01": "too few churners"}
    assert content["points"][2]["metrics"]["value_total_bias"] == 0.8


def test_a_point_holds_the_models_figures_and_the_best_baselines():
    rows = base()
    rows = rows[rows["fold"] == "test"].reset_index(drop=True)
    given = systems(rows)
    evaluation = evaluate(rows, given, seed=1, resamples=10)
    found = point_of(evaluation, given["model"].churn_probability)
    assert found.as_of == "2025-07-01"
    assert found.metrics["churn_auc"] == evaluation.of("churn_auc").value
    losses = [evaluation.of("churn_log_loss", name).value for name in evaluation.baselines]
    assert found.best_baseline["churn_log_loss"] == min(losses)
    assert found.calibration_gap == pytest.approx(
        given["model"].churn_probability.mean() - rows["churned"].mean(), abs=1e-12
    )


def test_the_figure_draws_what_there_is(replay):
    figure = replay_figure(replay)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Churn rate", "AUC", "Predicted over actual total"]
    assert png(figure)[:4] == b"\x89PNG"
