"""Typical values of customers like them: who buys in the same rhythm."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_company import FEATURES, LinearModel, population
from test_reasons import CONTRIBUTIONS, FRAME, TWO, TYPICAL

from churn_value.errors import BundleError
from churn_value.scoring.peers import BANDS, EVERYBODY, LEAST_CUSTOMERS, ONCE, Peers, rhythm_cuts
from churn_value.scoring.reason_catalog import peers_in_words
from churn_value.scoring.reasons import Teller, explained, values_of
from churn_value.scoring.reference import Reference
from churn_value.scoring.score import score

PEERS = Peers((4.0, 9.0), (100, 200, 200, 200), ({}, {"spend_minor": 5000.0}, {"attr_b": "y"}, {}))


def grouped(peers, days, gaps):
    return peers.groups(np.array(days, dtype=float), np.array(gaps, dtype=float))


def test_a_rhythm_ends_with_its_cut_and_who_bought_once_is_a_group():
    assert grouped(PEERS, [1, 2, 2, 5, 5, 5], [np.nan, 1, 4, 4.01, 9, 9.5]) == [ONCE, 1, 1, 2, 2, 3]


def test_who_never_bought_or_has_no_known_rhythm_is_compared_with_everybody():
    assert grouped(PEERS, [np.nan, 0, 3], [np.nan, np.nan, np.nan]) == [EVERYBODY] * 3
    assert grouped(Peers(), [1, 5], [np.nan, 3]) == [EVERYBODY] * 2


def test_cuts_are_whole_days_that_part_known_gaps_evenly():
    # 10 gaps: the 2nd, 4th, 6th and 8th smallest, rounded up
    assert rhythm_cuts(np.array([1.5, 2.5, 4, 5, 6, 7, 8, 20, 30, 99])) == (3.0, 5.0, 7.0, 20.0)
    assert rhythm_cuts(np.full(50, 7.0)) == ()  # one rhythm: nobody above the cut
    assert rhythm_cuts(np.array([np.nan])) == ()
    assert rhythm_cuts(np.array([1.0, 1, 1, 5, 9])) == (5.0,)  # nobody need read "at least every 1 day"


def test_where_all_have_one_rhythm_those_who_came_back_are_one_group():
    weekly = Peers((), (100, 200), ({}, {"spend_minor": 5000.0}))
    assert grouped(weekly, [1, 2, 50], [np.nan, 7, 7]) == [ONCE, 1, 1]
    assert [weekly.code(group) for group in (ONCE, 1)] == ["once", "repeatedly"]
    assert peers_in_words(weekly, 1, "en") == "customers who bought more than once"
    assert peers_in_words(weekly, 1, "zh") == "购买不止一次的客户"


@given(st.lists(st.one_of(st.just(float("nan")), st.floats(0.5, 400)), max_size=60))
def test_cuts_rise_and_every_group_they_make_has_somebody(gaps):
    cuts = rhythm_cuts(np.array(gaps, dtype=float))
    known = [gap for gap in gaps if not np.isnan(gap)]
    assert list(cuts) == sorted(set(cuts))
    assert len(cuts) < BANDS
    groups = grouped(Peers(cuts, (1,) * (len(cuts) + 2)), [2] * len(known), known)
    assert set(groups) == set(range(1, len(cuts) + 2)) or not known


def shoppers(each=LEAST_CUSTOMERS):
    """As many weekly shoppers silent for 3 to 5 days as monthly ones silent for 20 to 40, and some who bought once."""
    frame = population(2 * each + 10)
    weekly = np.arange(len(frame)) < each
    once = np.arange(len(frame)) >= 2 * each
    frame["purchase_days"] = np.where(once, 1.0, 9.0)
    frame["mean_gap_days"] = np.where(once, np.nan, np.where(weekly, 7.0, 30.0))
    frame["days_since_last_purchase"] = np.where(weekly, 3.0 + np.arange(len(frame)) % 3, 30.0)
    frame["attr_region"] = np.where(weekly, "north", "south")
    frame.loc[0, "satisfaction_level"] = np.nan
    return frame


@pytest.fixture(scope="module")
def reference():
    frame = shoppers()
    return Reference.fit(frame, LinearModel().predict(frame), FEATURES)


def test_weekly_shoppers_are_compared_with_weekly_shoppers(reference):
    peers = reference.peers
    assert (peers.cuts, peers.customers) == ((7.0,), (10, LEAST_CUSTOMERS, LEAST_CUSTOMERS))
    assert peers.typical[1]["days_since_last_purchase"] == 4.0
    assert peers.typical[2]["days_since_last_purchase"] == 30.0
    assert [peers.typical[group]["attr_region"] for group in (1, 2)] == ["north", "south"]
    assert reference.typical["days_since_last_purchase"] == 30.0  # of everybody, as before


def test_a_group_too_small_or_that_knows_too_little_gives_way_to_everybody(reference):
    peers = reference.peers
    assert peers.told_by(ONCE, "days_since_last_purchase") == EVERYBODY  # ten customers
    assert peers.told_by(1, "satisfaction_level") == EVERYBODY  # one of the hundred was never heard
    assert peers.told_by(1, "days_since_last_purchase") == 1
    assert peers.told_by(EVERYBODY, "days_since_last_purchase") == EVERYBODY


def test_what_forms_the_groups_is_compared_with_everybody(reference):
    assert [reference.peers.told_by(1, name) for name in ("purchase_days", "mean_gap_days")] == [EVERYBODY] * 2


def test_peers_read_back_to_the_same_bits_and_a_reference_without_them_is_refused(reference):
    assert Reference.from_json(reference.to_json()).peers == reference.peers
    content = json.loads(reference.to_json())
    del content["peers"]
    with pytest.raises(BundleError):
        Reference.from_json(json.dumps(content))


def test_a_population_without_purchases_has_no_peers():
    frame = population(30).assign(purchase_days=np.nan, mean_gap_days=np.nan)
    assert Reference.fit(frame, LinearModel().predict(frame), FEATURES).peers == Peers()


@pytest.mark.parametrize(
    ("group", "en", "zh"),
    [
        (EVERYBODY, "all customers", "全体客户"),
        (ONCE, "customers who bought once", "仅购买一次的客户"),
        (1, "customers who buy at least every 4 days", "至少每4天购买一次的客户"),
        (2, "customers who buy every 4 to 9 days", "每4至9天购买一次的客户"),
        (3, "customers who buy less often than every 9 days", "间隔超过9天才购买的客户"),
    ],
)
def test_groups_in_words(group, en, zh):
    assert (peers_in_words(PEERS, group, "en"), peers_in_words(PEERS, group, "zh")) == (en, zh)


def told(alike, language="en", phrasebook=None):
    values = values_of(FRAME, TWO)
    heads = explained("churn", CONTRIBUTIONS, CONTRIBUTIONS.sum(axis=1), values)
    given = {"currency": "GBP", "language": language, "top": 10, "peers": PEERS, "alike": alike}
    return Teller(heads, values, TYPICAL, **given, phrasebook=phrasebook)


def test_the_reason_says_whose_typical_value_it_is_in_field_and_sentence():
    spend, frequency, _ = told([1, 2]).reasons(0)
    assert (spend.typical, spend.typical_of) == (50.0, "every_0_4_days")
    assert spend.text == (
        "Spending: £1,834.20 net so far (typical of customers who buy at least every 4 days: £50.00)"
        " – speaks for staying"
    )
    assert (frequency.typical, frequency.typical_of) == (2.0, "all")  # the group has no median of it
    assert "typical of all customers: 2 orders" in frequency.text
    in_chinese = told([1, 2], "zh").reasons(0)[0].text
    assert in_chinese == "消费金额：累计净消费£1,834.20（至少每4天购买一次的客户一般为£50.00），有利于留存"


def test_a_reason_without_a_typical_value_names_no_group():
    complaints = next(one for one in told([1, 1]).reasons(1) if one.code == "COMPLAINTS")
    assert (complaints.typical, complaints.typical_of) == (None, None)


def test_one_phrasebook_keeps_the_groups_apart():
    book = {}
    first, second = (told([group, 2], phrasebook=book).reasons(0)[0] for group in (1, 3))
    assert (first.typical_of, second.typical_of) == ("every_0_4_days", "all")


def test_alone_and_in_a_batch_a_customer_has_the_same_reasons_in_the_same_words(bundle):
    frame = shoppers()
    known = Reference.fit(frame, LinearModel().predict(frame), FEATURES)
    alike = replace(bundle, reference=known)
    rows = pd.concat([frame.iloc[:3], frame.iloc[-3:], frame.iloc[150:153]])
    together = score(alike, rows, top=20)
    assert {reason.typical_of for one in together for reason in one.reasons.churn} == {
        "all",
        "every_0_7_days",
        "over_7_days",
    }
    for place, answer in enumerate(together):
        (alone,) = score(alike, rows.iloc[[place]], top=20)
        assert replace(alone, index=place) == answer
