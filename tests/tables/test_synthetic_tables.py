"""The synthetic world's seven tables: what they hold, and that a seed makes them."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from churn_value.config import TABLE_NAMES, Config
from churn_value.errors import ConfigError
from churn_value.tables.contract import CONTRACT, FEEDBACK_KINDS
from churn_value.tables.load import tables_from_frames
from churn_value.tables.synthetic import NOISE_COLUMNS, simulate
from churn_value.tables.synthetic.parameters import PARAMETERS, Parameters

EVENT_CLOCKS = {"purchases": "event_time", "visits": "event_time", "feedback": "event_time"}


@pytest.fixture(scope="module")
def world():
    return simulate(1500, seed=11)


def only(frame, ids):
    return frame[frame["customer_id"].isin(ids)].reset_index(drop=True)


def test_the_same_seed_writes_the_same_bytes_and_another_seed_does_not(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(120, seed=seed, days=200).write(tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.parquet"))
    assert {path.name for path in files} >= {f"{table}.parquet" for table in TABLE_NAMES}
    assert sum(path.parts[0] == "truth" for path in files) == 2
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
        assert (tmp_path / "a" / path).read_bytes() != (tmp_path / "c" / path).read_bytes()


@pytest.mark.parametrize("fewer", [60, 500, 501])
def test_a_customer_is_the_same_in_a_larger_world(fewer):
    small, large = simulate(fewer, seed=3, days=150), simulate(1001, seed=3, days=150)
    ids = small.frames["customers"]["customer_id"].unique()
    assert len(ids) == fewer
    for table, frame in small.frames.items():
        pd.testing.assert_frame_equal(frame, only(large.frames[table], ids))
    truth = small.truth(small.snapshot_as_of, 30)
    pd.testing.assert_frame_equal(truth, only(large.truth(large.snapshot_as_of, 30), ids), rtol=1e-12)


def test_every_column_is_one_of_the_contract_and_required_ones_are_there(world):
    assert set(world.frames) == set(TABLE_NAMES)
    for name, frame in world.frames.items():
        spec = CONTRACT[name]
        assert {column.name for column in spec.columns if column.required} <= set(frame)
        if not spec.has_attributes:
            assert set(frame) <= set(spec.names)
        stamps = [column for column in spec.names if column.endswith(("_at", "_time", "_from")) and column in frame]
        assert all(str(frame[column].dtype) == "datetime64[us, UTC]" for column in stamps)


def test_the_contract_accepts_every_row(world):
    tables = {name: {"path": f"{name}.parquet"} for name in TABLE_NAMES}
    config = Config.model_validate({"name": "synthetic", "tables": tables})
    now = datetime(world.end.year, world.end.month, world.end.day, tzinfo=UTC)
    loaded = tables_from_frames(config, world.frames, observed_now=now)
    for name, report in loaded.reports.items():
        assert (report.read, report.accepted) == (len(world.frames[name]),) * 2, (name, report.quarantined)
    assert loaded.reports["visits"].late == 0  # at most five days, and late counts from the eighth on
    assert loaded.reports["feedback"].late > 0


def test_nothing_is_stamped_or_known_at_or_after_the_end(world):
    end = pd.Timestamp(world.end, tz="UTC")
    for name, frame in world.frames.items():
        for column in frame.select_dtypes("datetimetz"):
            assert column == "due_at" or frame[column].max() < end, (name, column)
    for name, clock in EVENT_CLOCKS.items():
        assert (world.frames[name][clock] >= pd.Timestamp(world.start, tz="UTC")).all()


def test_some_visits_answers_and_returns_become_known_late(world):
    shares = {"visits": PARAMETERS.late_visit_share, "feedback": PARAMETERS.late_feedback_share}
    for name, share in shares.items():
        frame = world.frames[name]
        lag = (frame["known_at"] - frame["event_time"]).dt.days
        assert lag.min() == 0
        assert (lag > 0).mean() == pytest.approx(share, abs=0.01)
    purchases = world.frames["purchases"]
    late = purchases["known_at"] > purchases["event_time"]
    assert late[purchases["is_return"]].mean() == pytest.approx(0.75, abs=0.05)
    assert not late[~purchases["is_return"]].any()


def test_nothing_happens_before_sign_up(world):
    signup = world.frames["customers"].drop_duplicates("customer_id").set_index("customer_id")["signup_at"]
    clocks = EVENT_CLOCKS | {"contracts": "started_at", "payments": "due_at"}
    for name, clock in clocks.items():
        frame = world.frames[name]
        assert (frame[clock].to_numpy() >= signup.loc[frame["customer_id"]].to_numpy()).all(), name
    assert (signup < pd.Timestamp(world.start, tz="UTC")).mean() == pytest.approx(0.55, abs=0.04)
    quarter = (
        signup[signup >= pd.Timestamp(world.start, tz="UTC")] - pd.Timestamp(world.start, tz="UTC")
    ).dt.days // 92
    assert quarter.value_counts().reindex(range(8), fill_value=0).min() > 40  # new ones keep arriving


def test_a_return_takes_back_its_order_to_the_minor_unit(world):
    purchases = world.frames["purchases"]
    totals = purchases.groupby(["order_id", "is_return"])["amount"].sum().unstack()
    back = totals.dropna()
    assert len(back) > 500
    assert np.allclose(back[True], -back[False])
    assert (purchases.loc[purchases["is_return"], ["amount", "quantity"]] <= 0).all(axis=None)
    assert (purchases.loc[~purchases["is_return"], ["amount", "quantity"]] >= 0).all(axis=None)
    cents = purchases["amount"] * 100
    assert np.allclose(cents, cents.round(), atol=1e-6)
    assert len(back) / len(totals) == pytest.approx(PARAMETERS.return_share, abs=0.01)


def test_bills_are_the_invoiced_orders_and_cards_have_none(world):
    people = world.frames["customers"].drop_duplicates("customer_id").set_index("customer_id")
    purchases, payments = world.frames["purchases"], world.frames["payments"]
    bought = purchases[~purchases["is_return"]]
    by_invoice = people.loc[bought["customer_id"], "pays_by_invoice"].to_numpy()
    assert round(bought.loc[by_invoice, "amount"].sum(), 2) == round(payments["amount"].sum(), 2)
    assert bought.loc[by_invoice, "order_id"].nunique() == len(payments)
    assert 0.15 < (payments["paid_at"] > payments["due_at"].dt.ceil("D")).mean() < 0.4
    assert (payments["disputed"] == payments["disputed_at"].notna()).all()


def test_feedback_comes_on_five_scales_and_some_are_never_asked(world):
    feedback = world.frames["feedback"]
    surveys = feedback[feedback["scale_max"].notna()]
    scales = surveys[["kind", "scale_min", "scale_max"]].drop_duplicates().itertuples(index=False, name=None)
    assert set(scales) == {("csat", 1, 5), ("csat", 1, 7), ("csat", 1, 10), ("nps", 0, 10), ("review", 1, 5)}
    answered = surveys.dropna(subset="score")
    assert answered["score"].between(answered["scale_min"], answered["scale_max"]).all()
    assert set(feedback["kind"]) == set(FEEDBACK_KINDS)
    people = world.frames["customers"].drop_duplicates("customer_id").set_index("customer_id")["survey_panel"]
    assert people.loc[surveys["customer_id"]].all()
    assert people.mean() == pytest.approx(PARAMETERS.panel_share, abs=0.04)
    troubles = feedback[feedback["kind"].isin(["complaint", "ticket"])]
    closed = troubles.dropna(subset="resolved_at")
    assert (closed["resolved_at"] > closed["event_time"]).all()
    assert 0 < troubles["resolved_at"].isna().mean() < 0.05


def test_contracts_are_those_of_the_paid_plans(world):
    people = world.frames["customers"].drop_duplicates("customer_id").set_index("customer_id")
    contracts = world.frames["contracts"].set_index("customer_id")
    assert set(contracts.index) == set(people.index[people["plan"] != "basic"])
    assert (contracts["plan"] == people.loc[contracts.index, "plan"]).all()
    assert (contracts["started_at"] == people.loc[contracts.index, "signup_at"]).all()
    assert 0.1 < contracts["ended_at"].notna().mean() < 0.6


def test_a_move_adds_a_row_of_history(world):
    people = world.frames["customers"]
    rows = people.groupby("customer_id").agg(rows=("region", "size"), regions=("region", "nunique"))
    assert (rows["rows"] == rows["regions"]).all()
    assert 0.05 < (rows["rows"] == 2).mean() < 0.15
    assert not people.duplicated(["customer_id", "valid_from"]).any()


def test_snapshots_carry_the_drawn_outcome_of_those_who_bought(world):
    snapshots, as_of = world.frames["snapshots"], world.snapshot_as_of
    assert as_of == world.end - timedelta(days=90)
    purchases = world.frames["purchases"]
    before = purchases[~purchases["is_return"] & (purchases["event_time"] < pd.Timestamp(as_of, tz="UTC"))]
    assert set(snapshots["customer_id"]) == set(before["customer_id"])
    orders = before.groupby("customer_id")["order_id"].nunique()
    assert (snapshots.set_index("customer_id")["orders"] == orders.reindex(snapshots["customer_id"])).all()
    after = purchases[~purchases["is_return"] & (purchases["event_time"] >= pd.Timestamp(as_of, tz="UTC"))]
    assert (snapshots["label"] == (~snapshots["customer_id"].isin(after["customer_id"])).astype(int)).all()


def test_churn_is_between_a_quarter_and_two_fifths_and_value_is_heavy_tailed(world):
    for as_of in (date(2023, 9, 1), date(2024, 1, 1), date(2024, 5, 1)):
        outcomes = world.outcomes(as_of, 90)
        purchases = world.frames["purchases"]
        before = purchases.loc[purchases["event_time"] < pd.Timestamp(as_of, tz="UTC"), "customer_id"].unique()
        cohort = outcomes[outcomes["customer_id"].isin(before)]
        assert 0.25 < cohort["churned"].mean() < 0.40
        value = cohort["value_minor"].sort_values(ascending=False)
        assert value.iloc[: len(value) // 10].sum() / value.sum() > 0.35


def test_noise_columns_exist_and_say_nothing_about_the_label(world):
    for name in NOISE_COLUMNS:
        table, column = name.split(".")
        assert column in world.frames[table]
    snapshots = world.frames["snapshots"]
    label = snapshots["label"]
    for name in (name.split(".")[1] for name in NOISE_COLUMNS if name.startswith("snapshots.")):
        groups = label.groupby(snapshots[name] % 10 if name == "lucky_number" else snapshots[name])
        mean, size = groups.mean(), groups.size()
        chi_square = ((mean - label.mean()) ** 2 * size).sum() / label.var()
        assert chi_square < len(size) + 4 * np.sqrt(2 * len(size)), name


def test_the_numbers_of_the_world_are_probabilities():
    parameters = Parameters()
    for table in (
        parameters.transition,
        parameters.payment_chance,
        parameters.resolution_chance,
        parameters.rate_share,
        *(parameters.score_chance(points) for points in (5, 7, 10, 11)),
    ):
        assert (table >= 0).all()
        assert np.allclose(table.sum(axis=1), 1)
    assert np.allclose(parameters.stationary @ parameters.transition, parameters.stationary)
    worse = replace(parameters, unhappy_hazard=1.0, strained_hazard=1.0, fading_hazard=1.0)
    assert np.allclose(worse.hazard, np.array(worse.plan_hazard)[:, None])


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        ({"customers": 0, "seed": 1}, "customers"),
        ({"customers": 5, "seed": 1, "days": 29}, "days"),
        ({"customers": 5, "seed": -1}, "seed"),
    ],
)
def test_impossible_worlds_are_refused_by_name(arguments, where):
    with pytest.raises(ConfigError, match=where):
        simulate(**arguments)


def test_dates_outside_the_tables_are_refused(world):
    for as_of in (world.start, world.end + timedelta(days=1)):
        with pytest.raises(ConfigError, match="within the world's tables"):
            world.truth(as_of, 90)
    with pytest.raises(ConfigError, match="use 2024-10-02 or earlier"):
        world.outcomes(date(2024, 10, 3), 90)
    assert len(world.truth(world.end, 90)) == 1500
