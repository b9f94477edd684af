import numpy as np
import pandas as pd
import pytest
from judged import FEATURES, attribute, base

from churn_value.errors import LeakageError
from churn_value.evaluation.checks import Check, refuse_leaks, run_checks
from churn_value.evaluation.leakage import cells, sample


def checked(frame, *planted, dated=True):
    results = run_checks(frame, [*FEATURES, *planted], horizon_days=90, seed=7, dated=dated)
    return {check.code: check for check in results}


def refused(frame, *planted):
    with pytest.raises(LeakageError) as caught:
        refuse_leaks(checked(frame, *planted).values())
    return caught.value


def flipped(churned, share, seed=0):
    """Copy of the label with a share of its rows turned round."""
    wrong = np.random.default_rng(seed).uniform(size=len(churned)) < share
    return np.where(wrong, 1 - churned, churned)


def test_honest_data_pass_every_check():
    for seed in range(8):
        frame = base(seed=seed)
        results = checked(frame)
        assert {check.result for check in results.values()} == {"passed"}, seed
        refuse_leaks(results.values())


def test_the_strongest_honest_feature_is_named_without_alarm():
    assert "days_since_last_purchase" in checked(base(4_000))["CV001"].text_en


@pytest.mark.parametrize(
    ("copy", "dtype"),
    [
        (lambda churned, _: churned, "number"),
        (lambda churned, _: 1 - churned, "number"),
        (lambda churned, _: np.where(churned == 1, "Churned", "Stayed"), "category"),
        (lambda churned, _: flipped(churned, 0.01), "number"),
        (lambda churned, rng: np.where(churned == 1, 80, 20) + rng.integers(0, 20, len(churned)), "number"),
        (lambda churned, rng: np.where(churned == 1, rng.choice(["price", "moved"], len(churned)), None), "category"),
        (lambda churned, rng: np.where(churned == 1, np.nan, rng.integers(1, 90, len(churned))), "number"),
    ],
    ids=["copy", "opposite", "text", "one in a hundred wrong", "score", "reason only of churners", "days to the next"],
)  # fmt: skip
def test_a_planted_copy_of_the_label_is_caught_by_name(copy, dtype):
    frame = base()
    frame["attr_planted"] = copy(frame["churned"].to_numpy(), np.random.default_rng(2))
    error = refused(frame, attribute("attr_planted", dtype))
    assert error.code == "LEAKAGE_CV001"
    assert error.where == "attr_planted"
    assert "attributes" in error.remedy
    assert error.exit_status == 11


def test_two_copies_are_both_named():
    frame = base()
    frame["attr_churn_value"] = frame["churned"]
    frame["attr_churn_label"] = np.where(frame["churned"] == 1, "Yes", "No")
    error = refused(frame, attribute("attr_churn_value"), attribute("attr_churn_label", "category"))
    assert error.where == "attr_churn_label, attr_churn_value"


def test_a_copy_three_in_a_hundred_wrong_stands_alone_and_is_caught():
    frame = base(4_000)
    frame["attr_near"] = flipped(frame["churned"].to_numpy(), 0.03)
    assert refused(frame, attribute("attr_near")).where == "attr_near"


def test_a_strong_lonely_attribute_is_a_warning_not_a_stop():
    frame = base(4_000)
    frame["days_since_last_purchase"] = 1.0
    frame["attr_strong"] = flipped(frame["churned"].to_numpy(), 0.06)
    check = checked(frame, attribute("attr_strong"))["CV001"]
    assert (check.result, check.severity, check.columns) == ("issue", "warning", ("attr_strong",))
    assert not check.is_fatal


def test_a_text_that_differs_for_every_customer_is_no_leak():
    frame = base()
    frame["attr_email"] = [f"{i}@example.org" for i in range(len(frame))]
    assert checked(frame, attribute("attr_email", "category"))["CV001"].result == "passed"


def test_an_honest_attribute_that_tells_much_is_no_leak():
    """Month-to-month contracts of the telephone company: 43 % churn against 7 %."""
    frame = base()
    rate = np.where(frame["attr_region"] == "north", 0.43, 0.07)
    frame["churned"] = (np.random.default_rng(0).uniform(size=len(frame)) < rate).astype(float)
    assert checked(frame)["CV001"].result == "passed"


def test_silence_in_events_may_tell_nearly_everything():
    frame = base()
    frame["days_since_last_purchase"] = np.where(frame["churned"] == 1, 300.0, 10.0)
    frame.loc[frame.index[:12], "days_since_last_purchase"] = 150.0
    frame.loc[::150, "days_since_last_purchase"] = 10.0
    assert not checked(frame)["CV001"].is_fatal


def test_a_planted_future_amount_is_caught_by_name():
    frame = base()
    frame["attr_next_90_days_spend"] = (
        frame["value_minor"] / 100 + np.random.default_rng(0).normal(size=len(frame)) * 0.01
    )
    found = checked(frame, attribute("attr_next_90_days_spend"))
    assert found["CV002"].columns == ("attr_next_90_days_spend",)
    assert "attr_next_90_days_spend" in refused(frame, attribute("attr_next_90_days_spend")).where


def test_a_future_amount_known_only_for_those_who_stay_is_caught():
    frame = base()
    frame["churned"] = flipped(frame["churned"].to_numpy(), 0.2)
    frame["attr_invoice"] = np.where(frame["value_minor"] > 0, frame["value_minor"] * 2, np.nan)
    assert checked(frame, attribute("attr_invoice"))["CV002"].columns == ("attr_invoice",)


def test_a_flat_subscription_has_an_honest_price():
    """Every renewal costs the plan's price: price and past spend both tell the amount, neither is from the future."""
    frame = base()
    rng = np.random.default_rng(0)
    price = rng.choice(np.arange(500, 5_000, 100), len(frame)) * 1.0
    frame["value_minor"] = np.where(frame["churned"] == 1, 0.0, price * 3)
    frame["attr_price"], frame["spend_minor"] = price, price * 12
    assert checked(frame, attribute("attr_price"))["CV002"].result == "passed"


def test_a_total_written_after_the_outcome_is_caught_though_it_is_neither_label_nor_amount():
    frame = base()
    frame["attr_lifetime_spend"] = (frame["spend_minor"] + frame["value_minor"]) / 100
    error = refused(frame, attribute("attr_lifetime_spend"))
    assert (error.code, error.where) == ("LEAKAGE_CV001", "attr_lifetime_spend")


def test_a_total_written_in_time_is_no_leak():
    frame = base()
    frame["attr_lifetime_spend"] = frame["spend_minor"] / 100
    assert checked(frame, attribute("attr_lifetime_spend"))["CV001"].result == "passed"


@pytest.mark.parametrize(
    "written",
    [
        lambda days: days.dt.strftime("%Y-%m-%d"),
        lambda days: days.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
        lambda days: days.dt.strftime("%d/%m/%Y"),
        lambda days: days.dt.strftime("%d.%m.%Y"),
        lambda days: days,
        lambda days: days.dt.strftime("%Y%m%d").astype(float),
    ],
    ids=["iso day", "iso instant", "slashes", "dots", "stamp", "number"],
)
def test_a_date_on_or_after_as_of_is_caught_by_name(written):
    frame = base()
    days = pd.to_datetime(frame["as_of"]) - pd.Timedelta(days=40)
    days.iloc[10] = frame["as_of"].iloc[10]
    frame["attr_last_seen"] = written(days)
    kind = "number" if frame["attr_last_seen"].dtype == float else "category"
    error = refused(frame, attribute("attr_last_seen", kind))
    assert (error.code, error.where) == ("LEAKAGE_CV003", "attr_last_seen")
    days.iloc[10] -= pd.Timedelta(days=1)
    frame["attr_last_seen"] = written(days)
    assert checked(frame, attribute("attr_last_seen", kind))["CV003"].result == "passed"


def test_numbers_that_are_not_days_are_left_alone():
    frame = base()
    frame["attr_income"] = np.random.default_rng(0).integers(19_000_000, 21_000_000, len(frame)) * 1.0
    assert checked(frame, attribute("attr_income"))["CV003"].result == "passed"


def test_folds_one_day_too_close_are_caught():
    frame = base()
    frame.loc[frame["fold"] == "test", "as_of"] = pd.Timestamp("2025-06-29")
    assert refused(frame).code == "LEAKAGE_CV004"
    frame.loc[frame["fold"] == "test", "as_of"] = pd.Timestamp("2025-06-30")
    assert checked(frame)["CV004"].result == "passed"


def test_undated_folds_must_not_share_customers():
    frame = base().assign(as_of=pd.Timestamp("1970-01-01"))
    assert checked(frame, dated=False)["CV004"].result == "passed"
    assert checked(frame, dated=False)["CV003"].result == "not_applicable"
    frame.loc[frame.index[-1], "customer_id"] = frame["customer_id"].iloc[0]
    assert "1 customers" in checked(frame, dated=False)["CV004"].text_en


def test_a_row_that_stands_twice_is_caught():
    frame = base()
    assert refused(pd.concat([frame, frame.tail(1)], ignore_index=True)).code == "LEAKAGE_CV005"


def test_a_churn_rate_that_moved_is_a_warning():
    frame = base()
    rows = frame.index[frame["fold"] == "test"]
    frame.loc[rows, "churned"] = (np.arange(len(rows)) % 10 == 0).astype(float)
    check = checked(frame)["CV006"]
    assert (check.result, check.is_fatal) == ("issue", False)
    assert "10.0%" in check.text_en


def test_constant_and_empty_features_are_named():
    frame = base()
    frame["attr_constant"], frame["attr_empty"] = 1.0, np.nan
    check = checked(frame, attribute("attr_constant"), attribute("attr_empty"))["CV007"]
    assert (check.result, check.severity) == ("issue", "info")
    assert check.columns == ("attr_constant", "attr_empty")


def test_few_churners_make_the_scan_not_applicable():
    frame = base(60)
    found = checked(frame)
    assert (found["CV001"].result, found["CV008"].result) == ("not_applicable", "not_applicable")


def test_results_do_not_depend_on_the_order_of_rows():
    frame = base()
    assert checked(frame) == checked(frame.sample(frac=1, random_state=1).reset_index(drop=True))


def test_a_check_reads_back_from_its_json():
    check = Check("CV001", "issue", "error", "a", "甲", ("x", "y"))
    assert Check.from_dict(check.to_dict()) == check


def test_cells_keep_missing_values_apart():
    assert cells(pd.Series([1.0, np.nan, 2.0, 1.0]), "number").tolist() == [1, 0, 2, 1]
    assert cells(pd.Series(["a", None, "b", "a"]), "category").tolist() == [1, 0, 2, 1]
    assert len(np.unique(cells(pd.Series(np.arange(10_000.0)), "number"))) == 64


def test_a_sample_does_not_depend_on_order():
    frame = base()
    one = sample(frame, 3, most=100)
    other = sample(frame.iloc[::-1], 3, most=100)
    assert one["customer_id"].tolist() == other["customer_id"].tolist()
