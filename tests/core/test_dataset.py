from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from churn_value.config import Config
from churn_value.dataset import _within_budget, build_dataset, features_at, features_for, keys_at
from churn_value.errors import ConfigError, TooLittleData
from churn_value.snapshots import fold_of_customer
from churn_value.split import observed_through
from churn_value.tables.load import load_tables, tables_from_frames

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def config(**changes):
    content = {
        "name": "small",
        "horizon_days": 30,
        "tables": {"purchases": {"path": "-"}},
        "dates": {"step_days": 15, "min_history_days": 60},
    }
    return Config.model_validate({**content, **changes})


def purchases(customers=40, days=240, seed=3):
    """Customers who buy every 10 to 60 days and stop at a random day."""
    draw = np.random.default_rng(seed)
    rows = []
    for number in range(customers):
        day, gap, end = int(draw.integers(0, 40)), int(draw.integers(10, 60)), int(draw.integers(60, 400))
        while day < min(days, end):
            stamp = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day, hours=int(draw.integers(0, 24)))
            rows.append((f"c{number:03d}", stamp, float(draw.integers(100, 900)) / 10))
            day += max(1, int(draw.normal(gap, 3)))
    return pd.DataFrame(rows, columns=["customer_id", "event_time", "amount"])


def tables_of(frame, settings=None):
    return tables_from_frames(settings or config(), {"purchases": frame}, observed_now=NOW)


@pytest.fixture(scope="module")
def tables():
    return tables_of(purchases())


@pytest.fixture(scope="module")
def data(tables):
    return build_dataset(config(), tables)


def test_rows_are_sorted_and_folds_are_purged(data):
    keys = data.frame[["as_of", "customer_id"]]
    assert keys.equals(keys.sort_values(["as_of", "customer_id"], ignore_index=True))
    assert not keys.duplicated().any()
    ends = data.frame.groupby("fold")["as_of"].agg(["min", "max"])
    horizon = pd.Timedelta(days=30)
    assert ends.loc["train", "max"] + horizon <= ends.loc["calibration", "min"]
    assert ends.loc["calibration", "max"] + horizon <= ends.loc["test", "min"]


def test_columns_are_keys_outcomes_then_features_in_catalog_order(data):
    assert list(data.frame.columns[:5]) == ["customer_id", "as_of", "fold", "churned", "value_minor"]
    assert tuple(data.frame.columns[5:]) == data.catalog.names


def test_the_label_and_the_run_rate_of_one_customer_are_as_counted_by_hand(data):
    frame = purchases()
    row = data.frame.iloc[len(data.frame) // 2]
    own = frame[frame["customer_id"] == row["customer_id"]]
    start = row["as_of"].tz_localize("UTC")
    after = own[(own["event_time"] >= start) & (own["event_time"] < start + pd.Timedelta(days=30))]
    before = own[own["event_time"] < start]
    assert row["churned"] == float(after.empty)
    assert row["value_minor"] == round(after["amount"].sum() * 100)
    assert row["spend_minor"] == round(before["amount"].sum() * 100)


def test_the_manifest_counts_what_is_in_the_frame(data):
    per_as_of = pd.DataFrame(data.manifest["per_as_of"])
    assert per_as_of["rows"].sum() == len(data.frame) == data.manifest["rows"]
    assert per_as_of["churners"].sum() == data.frame["churned"].sum()
    assert data.manifest["tables"]["purchases"]["read"] == len(purchases())
    assert data.manifest["feature_fingerprint"] == data.catalog.fingerprint


def test_shuffled_input_gives_the_same_frame_and_data_hash(data):
    shuffled = tables_of(purchases().sample(frac=1, random_state=5))
    again = build_dataset(config(), shuffled)
    pd.testing.assert_frame_equal(again.frame, data.frame, check_exact=True)
    assert again.manifest["data_sha256"] == data.manifest["data_sha256"]


def test_features_for_scoring_are_those_the_model_was_fitted_on(data, tables):
    as_of = data.split.test[0]
    test = data.fold("test")
    scored = features_at(config(), tables, data.catalog, as_of)
    pd.testing.assert_frame_equal(scored[list(data.catalog.names)], test[list(data.catalog.names)], check_exact=True)
    again = features_for(tables, data.catalog, test[["customer_id", "as_of"]].sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(again, scored, check_exact=True)


def test_more_train_rows_than_wanted_are_thinned_by_customer_and_the_other_folds_are_not(data, tables):
    frame = pd.concat([data.frame.assign(customer_id=data.frame["customer_id"] + f"-{n}") for n in range(40)])
    frame = frame.reset_index(drop=True)
    thinned, available = _within_budget(frame, 1_000)
    before, after = frame.groupby("fold").size(), thinned.groupby("fold").size()
    assert available == before["train"] > 2_000
    assert after["train"] == pytest.approx(1_000, rel=0.2)
    assert (after["calibration"], after["test"]) == (before["calibration"], before["test"])
    dates = frame[frame["fold"] == "train"].groupby("customer_id").size()
    kept = thinned[thinned["fold"] == "train"].groupby("customer_id").size()
    assert (kept == dates[kept.index]).all()
    assert _within_budget(frame, available)[0] is frame


def test_a_cohort_rule_without_its_table_is_refused_by_name(tables):
    with pytest.raises(ConfigError, match=r"cohort\.rule: .*needs tables\.visits"):
        build_dataset(config(cohort={"rule": "visited"}), tables)


def test_a_fold_without_churners_is_refused():
    stamps = pd.date_range("2025-01-01", periods=240, tz="UTC")
    daily = pd.DataFrame({"customer_id": "always", "event_time": stamps, "amount": 1.0})
    with pytest.raises(TooLittleData, match="at least one churner"):
        build_dataset(config(), tables_of(daily))


def test_undated_snapshots_are_split_by_a_hash_of_the_customer():
    folds = pd.Series([fold_of_customer(f"c{number}") for number in range(5_000)]).value_counts(normalize=True)
    assert folds["train"] == pytest.approx(0.6, abs=0.03)
    assert folds["calibration"] == pytest.approx(0.2, abs=0.03)
    assert fold_of_customer("c1") == fold_of_customer("c1")


def test_snapshots_become_rows_with_their_label_and_attributes():
    settings = Config.model_validate(
        {
            "name": "snap",
            "churn": {"definition": "label", "positive": "yes"},
            "cohort": {"rule": "everyone"},
            "tables": {"snapshots": {"path": "-"}},
        }
    )
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{number}" for number in range(60)],
            "label": ["yes", "no"] * 30,
            "plan": ["a", "b", "c"] * 20,
            "months": [float(number) for number in range(60)],
        }
    )
    data = build_dataset(settings, tables_from_frames(settings, {"snapshots": frame}, observed_now=NOW))
    assert data.split is None
    row = data.frame.set_index("customer_id").loc["c7"]
    assert (row["churned"], row["attr_plan"], row["attr_months"]) == (0.0, "b", 7.0)
    assert data.frame["value_minor"].isna().all()
    assert data.frame["churned"].sum() == 30


DAYS = [(month, date(2024, month, 1)) for month in (1, 2, 3)]


def snapshots_of(frame, **churn):
    """Configuration and tables of a company that has nothing but snapshots."""
    settings = Config.model_validate(
        {
            "name": "snap",
            "churn": {"definition": "label", **churn},
            "cohort": {"rule": "everyone"},
            "tables": {"snapshots": {"path": "-"}},
        }
    )
    return settings, tables_from_frames(settings, {"snapshots": frame}, observed_now=NOW)


def test_who_has_no_label_is_scored_and_not_learned_from():
    labels = [None if number % 3 == 0 else number % 2 for number in range(90)]
    frame = pd.DataFrame({"customer_id": [f"c{number}" for number in range(90)], "label": labels, "months": 1.0})
    settings, tables = snapshots_of(frame)
    data = build_dataset(settings, tables)
    assert len(data.frame) == 60
    assert data.frame["churned"].notna().all()
    assert data.frame.index.tolist() == list(range(60))
    assert len(features_at(settings, tables, data.catalog, date(2025, 1, 1))) == 90


def test_snapshots_of_several_days_are_rows_of_their_own_and_a_customer_s_are_in_one_fold():
    frame = pd.DataFrame(
        [
            (f"c{number}", day, (number + month) % 2, 10.0 * number + month)
            for number in range(40)
            for month, day in DAYS
        ],
        columns=["customer_id", "as_of", "label", "months"],
    )
    data = build_dataset(*snapshots_of(frame)).frame
    assert len(data) == 120
    for row in data.itertuples():
        number, month = int(row.customer_id[1:]), row.as_of.month
        assert (row.churned, row.attr_months) == ((number + month) % 2, 10.0 * number + month)
    assert data.groupby("customer_id")["fold"].nunique().eq(1).all()


@pytest.mark.parametrize(("as_of", "day"), [(date(2024, 2, 15), 2), (date(2024, 2, 1), 2), (date(2024, 1, 31), 1)])
def test_everyone_is_scored_by_their_newest_snapshot_of_the_day(as_of, day):
    frame = pd.DataFrame(
        [(f"c{one}", at, one % 2, float(month)) for one in range(40) for month, at in DAYS],
        columns=["customer_id", "as_of", "label", "months"],
    )
    settings, tables = snapshots_of(frame)
    made = features_at(settings, tables, build_dataset(settings, tables).catalog, as_of)
    assert made["customer_id"].tolist() == sorted(frame["customer_id"].unique())
    assert made["attr_months"].eq(float(day)).all()
    pd.testing.assert_frame_equal(keys_at(settings, tables, as_of), made[["customer_id", "as_of"]])


@pytest.mark.parametrize(("churn", "told"), [({"positive": "gone"}, "'gone'"), ({}, "1, true or yes")])
def test_labels_that_never_mean_churned_are_refused_with_what_they_are_compared_with(churn, told):
    frame = pd.DataFrame({"customer_id": [f"c{number}" for number in range(90)], "label": "no", "months": 1.0})
    with pytest.raises(TooLittleData, match=r"churn\.positive") as refused:
        build_dataset(*snapshots_of(frame, **churn))
    assert told in str(refused.value)


@pytest.mark.parametrize("written", ["date", "stamp", "text"])
def test_a_snapshot_s_day_may_be_a_date_a_stamp_or_a_text(tmp_path, written):
    settings = Config.model_validate(
        {
            "name": "snap",
            "churn": {"definition": "label"},
            "cohort": {"rule": "everyone"},
            "tables": {"snapshots": {"path": "s.parquet", "time_zone": "UTC"}},
        }
    )
    day = date(2025, 1, 1)
    cell = {"date": day, "stamp": pd.Timestamp(day), "text": "2025-01-01"}[written]
    frame = pd.DataFrame({"customer_id": ["a", "b"], "as_of": [cell] * 2, "label": [0, 1], "months": [3.0, 4.0]})
    frame.to_parquet(tmp_path / "s.parquet", index=False)
    tables = load_tables(settings, data_root=tmp_path, observed_now=NOW)
    assert tables.events["snapshots"].execute()["as_of"].astype(str).tolist() == ["2025-01-01"] * 2


def test_a_horizon_too_long_to_learn_on_is_labelled_whole_at_the_test_date_and_shorter_before(tables):
    # 240 days less 60 of history and 90 of the test's outcome leave two windows of 45 to learn on.
    found = build_dataset(config(horizon_days=90), tables)
    span = tables.span
    learned = ((span[1] - span[0]).days - 60 - 90) // 2
    assert found.learned_days == learned < 90
    assert found.split.test == (span[1] - timedelta(days=90),)
    events = purchases()
    events["day"] = events["event_time"].dt.tz_localize(None).dt.normalize()
    for fold, days in (("train", learned), ("refit", learned), ("calibration", learned), ("test", 90)):
        rows = found.fold(fold)
        assert len(rows)
        for row in rows.sample(10, random_state=1).itertuples():
            own = events[events["customer_id"] == row.customer_id]
            inside = own[(own["day"] >= row.as_of) & (own["day"] < row.as_of + pd.Timedelta(days=days))]
            assert row.churned == float(inside.empty)
            assert row.value_minor == pytest.approx(100 * inside["amount"].sum())


def observed_until(through, **changes):
    return config(dates={**config().dates.model_dump(), "observed_through": through}, **changes)


def test_a_day_observed_through_long_after_the_last_event_is_refused(tables):
    after_last = tables.span[1]
    with pytest.raises(ConfigError, match="within a horizon") as caught:
        build_dataset(observed_until(after_last + timedelta(days=30)), tables)
    assert caught.value.code == "OBSERVED_AFTER_THE_EVENTS"
    assert f"set it to {after_last}" in str(caught.value)
    # A day less, and whoever bought on the last day has not left yet.
    assert observed_through(observed_until(after_last + timedelta(days=29)), tables) == after_last + timedelta(days=29)
    # Who left may be written down without an event for months.
    labelled = observed_until(
        after_last + timedelta(days=90),
        churn={"definition": "label"},
        tables={"purchases": {"path": "-"}, "snapshots": {"path": "-"}},
    )
    assert observed_through(labelled, tables) == after_last + timedelta(days=90)


PANEL = Config.model_validate(
    {
        "name": "panel",
        "horizon_days": 30,
        "churn": {"definition": "label", "positive": "yes"},
        "cohort": {"rule": "everyone"},
        "tables": {"snapshots": {"path": "-", "time_zone": "UTC"}},
    }
)
MONTHS = [date(2025, month, 1) for month in range(1, 8)]


def panel(days, customers=120, unlabelled=()):
    """Every customer on every day; `month` is the month of the row, every fifth label is a yes."""
    rows = pd.DataFrame(
        [(f"c{n}", day, n) for day in days for n in range(customers)], columns=["customer_id", "as_of", "n"]
    )
    label = np.where(rows["n"] % 5 == 0, "yes", "no").astype(object)
    label[rows["as_of"].isin(list(unlabelled))] = None
    month = [float(day.month) for day in rows["as_of"]]
    return rows[["customer_id", "as_of"]].assign(label=label, month=month, as_of=pd.to_datetime(rows["as_of"]))


def panel_data(frame, settings=PANEL):
    return build_dataset(settings, tables_from_frames(settings, {"snapshots": frame}, observed_now=NOW))


def test_dated_snapshots_are_parted_by_date_and_every_row_shows_its_own_date():
    """Seven months and 30 days: July tests, June would end on 1 July (30 days) and calibrates, and so on back."""
    data = panel_data(panel(MONTHS))
    folds = data.frame.groupby("fold")["as_of"].unique().map(lambda days: sorted(day.month for day in days))
    assert dict(folds) == {"test": [7], "calibration": [6], "train": [1, 2, 3, 4, 5]}
    assert (data.frame["attr_month"] == data.frame["as_of"].dt.month).all()
    assert len(data.frame) == 7 * 120


def test_the_future_of_dated_snapshots_is_out_of_reach_of_the_past():
    """31 days: June's outcome reaches into July, so May calibrates, March trains, and June takes no part."""
    data = panel_data(panel(MONTHS), PANEL.model_copy(update={"horizon_days": 31}))
    assert data.split is not None
    assert [day.month for day in (*data.split.train, *data.split.calibration, *data.split.test)] == [1, 2, 3, 5, 7]
    assert [day.month for day in data.split.refit] == [4]
    assert set(data.frame["as_of"].dt.month) == {1, 2, 3, 4, 5, 7}


def test_dates_without_labels_test_nothing():
    data = panel_data(panel(MONTHS, unlabelled=MONTHS[-2:]))
    assert data.split is not None
    assert data.split.test == (MONTHS[-3],)


def test_dates_of_snapshots_given_by_hand_are_taken():
    given = {"as_of": {"train": [MONTHS[0]], "calibration": [MONTHS[2]], "test": [MONTHS[5]]}}
    settings = Config.model_validate({**PANEL.model_dump(mode="json", exclude={"source_file"}), "dates": given})
    data = panel_data(panel(MONTHS), settings)
    assert sorted(data.frame["as_of"].dt.month.unique()) == [1, 3, 6]


@pytest.mark.parametrize(
    "days",
    [MONTHS[:2], [date(2025, 1, day) for day in range(1, 20)]],
    ids=["too few dates", "dates within a horizon"],
)
def test_dates_that_make_no_purged_folds_leave_snapshots_parted_by_customer(days):
    data = panel_data(panel(days))
    assert data.split is None
    assert not data.frame[["customer_id", "fold"]].drop_duplicates()["customer_id"].duplicated().any()


def test_a_day_of_each_customer_is_no_date_of_the_table():
    frame = panel(MONTHS[:1], customers=900)
    frame["as_of"] += pd.to_timedelta(np.arange(900) % 200, unit="D")
    data = panel_data(frame)
    assert data.split is None
    assert len(data.frame) == 900
