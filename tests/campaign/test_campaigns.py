from __future__ import annotations

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import lognorm

from churn_value.campaign.archive import CampaignArchive
from churn_value.campaign.contacts import Campaign, contact_list, is_held_out, profit_interval, spread_of
from churn_value.campaign.read_out import read_out, sample_for
from churn_value.config import Config
from churn_value.errors import ConfigError, TooLittleData
from churn_value.monitoring.archive import ScoreArchive
from churn_value.settings import Settings
from pipelines import contact_list as contact_job

AS_OF = pd.Timestamp("2025-07-01")


def scored(p, v, tier="A", upper=None):
    """Score table of customers with churn probabilities p and values v."""
    p, v = np.asarray(p, float), np.asarray(v, float)
    return pd.DataFrame(
        {
            "customer_id": [f"C{number:03d}" for number in range(len(p))],
            "as_of": AS_OF,
            "tier": tier,
            "churn_probability": p,
            "value_if_retained": v,
            "value_upper": 2 * v if upper is None else upper,
            "value_at_risk": p * v,
            "expected_value": (1 - p) * v,
        }
    )


def campaign(**changed):
    return Campaign(
        **{"name": "spring", "cost": 5.0, "budget": 10.0, "success_share": 0.2, "hold_out_share": 0.0, **changed}
    )


def test_whom_to_contact_worked_out_by_hand():
    # value at risk 50, 90, 10, 40; × 0.2 - 5 = 5, 13, -3, 3; the budget pays for two
    found = contact_list(scored([0.5, 0.9, 0.1, 0.4], [100, 100, 100, 100]), campaign())
    assert found.rows["customer_id"].tolist() == ["C001", "C000"]
    assert found.rows["expected_profit"].tolist() == pytest.approx([13.0, 5.0])
    assert (found.expected_profit, found.spent, found.left_out) == (pytest.approx(18.0), 10.0, 1)
    assert found.lower < 18 < found.upper


def test_who_is_as_good_as_gone_is_counted_and_not_on_the_list_however_much_is_at_risk():
    # value at risk 50, 995, 99; the second's probability is above 0.99, the third's is not
    found = contact_list(scored([0.5, 0.995, 0.99], [100, 1000, 100]), campaign(budget=100.0))
    assert found.rows["customer_id"].tolist() == ["C002", "C000"]
    assert found.rows["expected_profit"].tolist() == pytest.approx([14.8, 5.0])
    assert (found.as_good_as_gone, found.left_out) == (1, 0)


def test_when_all_are_as_good_as_gone_nobody_is_worth_contacting():
    with pytest.raises(TooLittleData) as caught:
        contact_list(scored([0.999], [1000.0]), campaign())
    assert caught.value.code == "NOBODY_WORTH_CONTACTING"


def test_the_profit_is_of_the_value_if_retained_not_of_the_expected_value():
    # p 0.8, v 100: at risk 80, expected 20. 80 × 0.2 - 5 = 11; with the expected value 0.8 × 20 × 0.2 - 5 < 0
    found = contact_list(scored([0.8], [100.0]), campaign())
    assert found.rows["expected_profit"].tolist() == pytest.approx([11.0])


def test_a_tier_with_its_own_success_moves_up():
    base = scored([0.5, 0.9], [100, 100], tier=["S", "A"])
    found = contact_list(base, campaign(success_by_tier={"S": 0.5}))
    assert found.rows["customer_id"].tolist() == ["C000", "C001"]
    assert found.rows["expected_profit"].tolist() == pytest.approx([20.0, 13.0])


def test_held_out_customers_are_not_paid_for_and_not_counted():
    base = scored(np.full(300, 0.5), np.full(300, 100.0))
    found = contact_list(base, campaign(budget=500.0, hold_out_share=0.3))
    contacted = found.rows[found.rows["group"] == "contact"]
    assert len(contacted) == 100
    assert found.spent == 500.0
    assert found.expected_profit == pytest.approx(500.0)
    assert 20 < len(found.rows) - len(contacted) < 70


def test_who_is_held_out_depends_on_the_names_alone():
    base = scored(np.linspace(0.3, 0.9, 200), np.full(200, 100.0))
    small = contact_list(base, campaign(budget=100.0, hold_out_share=0.3)).rows.set_index("customer_id")["group"]
    large = contact_list(base.iloc[::-1], campaign(budget=900.0, hold_out_share=0.3)).rows.set_index("customer_id")[
        "group"
    ]
    assert small.equals(large.loc[small.index])
    ids = base["customer_id"].to_numpy(dtype=object)
    assert not np.array_equal(is_held_out("spring", ids, 0.5), is_held_out("autumn", ids, 0.5))
    assert 0.4 < is_held_out("spring", ids, 0.5).mean() < 0.6


def test_without_amounts_or_profit_the_refusal_has_a_name():
    with pytest.raises(TooLittleData, match="value at risk") as caught:
        contact_list(scored([0.5], [np.nan]), campaign())
    assert caught.value.code == "NO_VALUE_AT_RISK"
    with pytest.raises(TooLittleData) as caught:
        contact_list(scored([0.1], [10.0]), campaign())
    assert caught.value.code == "NOBODY_WORTH_CONTACTING"


@pytest.mark.parametrize(
    "wrong",
    [
        {"cost": 0},
        {"budget": 4},
        {"success_share": 1.1},
        {"success_by_tier": {"S": -1}},
        {"hold_out_share": 1},
        {"name": " "},
    ],
)
def test_terms_outside_their_range_are_refused(wrong):
    with pytest.raises(ConfigError) as caught:
        campaign(**wrong)
    assert caught.value.code == "CAMPAIGN_INVALID"


def test_the_spread_is_found_again_from_the_interval_it_gave():
    p, v, sigma = 0.2, 100.0, 0.7
    amounts = lognorm(s=sigma, scale=v * math.exp(-sigma * sigma / 2))
    upper = amounts.ppf((0.9 - p) / (1 - p))
    assert spread_of(scored([p, 0.95], [v, v], upper=[upper, 150.0]), 0.8).tolist() == pytest.approx([sigma, sigma])


def test_the_interval_of_the_profit_agrees_with_simulation():
    rng = np.random.default_rng(3)
    rows = scored(rng.uniform(0.3, 0.8, 150), rng.lognormal(4, 0.5, 150)).assign(success_share=0.3)
    lower, upper = profit_interval(rows, campaign(cost=2.0))
    sigma = spread_of(rows, 0.8)
    p, v = rows["churn_probability"].to_numpy(), rows["value_if_retained"].to_numpy()
    kept = rng.random((20_000, 150)) < 0.3 * p
    amounts = v * np.exp(sigma * rng.standard_normal((20_000, 150)) - sigma**2 / 2)
    total = (kept * amounts).sum(axis=1) - 300.0
    low, high = np.quantile(total, [0.1, 0.9])
    assert lower == pytest.approx(low, abs=0.06 * total.std() + 1)
    assert upper == pytest.approx(high, abs=0.06 * total.std() + 1)


@given(
    st.lists(st.tuples(st.floats(0.01, 0.99), st.floats(1, 1000)), min_size=1, max_size=30),
    st.floats(5, 200),
)
@settings(max_examples=40, deadline=None)
def test_no_one_left_out_is_better_than_one_chosen_and_the_budget_holds(pairs, budget):
    base = scored([p for p, _ in pairs], [v for _, v in pairs])
    terms = campaign(budget=budget, success_share=0.9)
    profit = base.set_index("customer_id")["value_at_risk"] * 0.9 - 5
    if (profit <= 0).all():
        return
    found = contact_list(base, terms)
    chosen = profit.loc[found.rows["customer_id"]]
    others = profit.drop(chosen.index)
    assert found.spent <= budget + 1e-6
    assert (chosen > 0).all()
    assert others[others > 0].empty or others.max() <= chosen.min()
    assert len(others[others > 0]) == found.left_out


def outcome(churned, group, value, **columns):
    rows = pd.DataFrame({"group": group, "churned": churned, "actual_value": value})
    return rows.assign(**{"churn_probability": 0.5, "success_share": 0.4, "value_at_risk": 50.0, **columns})


def test_a_read_out_worked_out_by_hand():
    # 100 contacted of whom 30 left, 100 held out of whom 50 left; who stayed is worth 100
    churned = np.repeat([1.0, 0.0, 1.0, 0.0], [30, 70, 50, 50])
    found = read_out(outcome(churned, np.repeat(["contact", "hold_out"], 100), 100 * (1 - churned)), cost=5.0)
    assert (found.churn.contacted, found.churn.held_out) == (0.3, 0.5)
    # Newcombe's method 10 from Wilson's (.2189, .3958) and (.4038, .5962)
    assert found.churn.lower == pytest.approx(-0.2 - math.hypot(0.0811, 0.0962), abs=2e-4)
    assert found.churn.upper == pytest.approx(-0.2 + math.hypot(0.0958, 0.0962), abs=2e-4)
    assert found.churn.shown
    assert found.value.difference == pytest.approx(20.0)
    assert found.profit == pytest.approx(100 * 20 - 500)
    assert found.churn.expected == pytest.approx(-0.2)


def test_the_sample_needed_is_that_of_the_textbook():
    # p .3 against .5 in equal groups: (1.96 + .8416)² (.21/.5 + .25/.5) / .04 = 180.5
    assert sample_for(0.3, 0.5, 0.5) == 181


def test_a_sample_too_small_says_how_many_would_do():
    churned = np.tile([1.0, 0.0], 20)
    rows = outcome(churned, np.repeat(["contact", "hold_out"], 20), 100 * (1 - churned))
    found = read_out(rows, cost=1.0)
    assert not found.churn.shown
    assert found.needed == 181
    with pytest.raises(TooLittleData) as caught:
        read_out(rows.iloc[:25], cost=1.0)
    assert caught.value.code == "GROUP_TOO_SMALL"


def test_what_was_known_before_narrows_the_interval_and_keeps_the_difference_unbiased():
    rng = np.random.default_rng(5)
    known = rng.lognormal(4, 1, 600)
    group = np.where(rng.random(600) < 0.5, "contact", "hold_out")
    value = known + 10 * (group == "contact") + rng.normal(0, 3, 600)
    plain = read_out(outcome(0.0, group, value), cost=0.0).value
    adjusted = read_out(outcome(0.0, group, value, expected_value=known), cost=0.0).value
    assert adjusted.upper - adjusted.lower < 0.1 * (plain.upper - plain.lower)
    assert adjusted.lower < 10 < adjusted.upper


def test_a_list_is_kept_with_its_terms_and_a_strange_name_is_refused(tmp_path):
    archive, terms = CampaignArchive(tmp_path), campaign(success_by_tier={"S": 0.5})
    archive.write(terms, contact_list(scored([0.5], [100]), terms).rows)
    again, rows = archive.read("spring")
    assert again == terms
    assert rows["customer_id"].tolist() == ["C000"]
    for name, code in (("../spring", "CAMPAIGN_NAME"), ("autumn", "CAMPAIGN_UNKNOWN")):
        with pytest.raises(ConfigError) as caught:
            archive.read(name)
        assert caught.value.code == code


CONFIG = Config.model_validate({"name": "tested", "currency": "GBP", "tables": {"purchases": {"path": "p.parquet"}}})


def test_the_job_takes_the_newest_scored_date_and_prints_a_summary(tmp_path, capsys):
    places = Settings(tmp_path / "data", tmp_path / "artifacts", tmp_path / "models", "sqlite://")
    with pytest.raises(ConfigError, match="scored base"):
        contact_job.run(CONFIG, places, campaign())
    archive = ScoreArchive(places.scores("tested"))
    archive.write(scored([0.1, 0.1], [1, 1]), date(2025, 6, 1))
    archive.write(scored([0.5, 0.9], [100, 100]), date(2025, 7, 1))
    found = contact_job.run(CONFIG, places, campaign())
    contact_job.show(found)
    assert found.contacts.rows["customer_id"].tolist() == ["C001", "C000"]
    assert "C001" in capsys.readouterr().out
    assert contact_job.success_by_tier(("S=0.2",)) == {"S": 0.2}
    with pytest.raises(ConfigError, match="tier=share"):
        contact_job.success_by_tier(("S:0.2",))


def test_the_interval_of_a_difference_takes_the_right_end_of_each_group():
    # Wilson of 10 of 100: (.0552, .1744); of 20 of 100: (.1334, .2888)
    churned = np.repeat([1.0, 0.0, 1.0, 0.0], [10, 90, 20, 80])
    found = read_out(outcome(churned, np.repeat(["contact", "hold_out"], 100), 100 * (1 - churned)), cost=5.0).churn
    assert found.lower == pytest.approx(-0.1 - math.hypot(0.1 - 0.0552, 0.2888 - 0.2), abs=2e-4)
    assert found.upper == pytest.approx(-0.1 + math.hypot(0.1744 - 0.1, 0.2 - 0.1334), abs=2e-4)
