from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scored_company import POLICIES

from churn_value.errors import ConfigError
from churn_value.scoring.matching import Rules
from churn_value.scoring.policy import policy_of
from churn_value.scoring.reach import Range, check_ordered, sources_of
from churn_value.scoring.rules import When, when_of
from churn_value.scoring.sections import Band

RANGES = {"overall": Range(0, 100), "satisfaction": Range(0, 100), "count": Range(low=0, whole=True)}
RANGES |= {"churn_probability": Range(0, 1, always_known=True)}
TEXTS = {"tier": ("A", "B", None)}
LABEL = {"en": "x", "zh": "x"}
BANDS = [Band(code=code, label=LABEL, **{"from": begins}) for code, begins in (("high", 0.6), ("low", 0.0))]


def asked(**written):
    texts = {"tier": frozenset("AB"), "churn_band": frozenset({"high", "low"}), "segment": frozenset({"best", "rest"})}
    return when_of(written, frozenset({*RANGES, "r", "f", "m"}), texts)


SEGMENTS = [when_of({"r": ">= 4"}, frozenset("rfm"), {}), When()]


def check(*written, exhaustive=False):
    whens = [asked(**one) for one in written]
    banded = {"churn_probability": ("churn_band", BANDS)}
    sources = sources_of(whens, RANGES, TEXTS, banded=banded, segments=(SEGMENTS, ["best", "rest"]))
    check_ordered(whens, sources, exhaustive=exhaustive)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({}, {"overall": "> 5"}),
        ({"overall": ">= 5"}, {"overall": "> 5"}),
        ({"overall": ">= 5"}, {"overall": ">= 5, < 9", "tier": "A"}),
        ({"tier": ["A", "B"]}, {"tier": "A"}),
        ({"overall": "known"}, {"overall": "< 3"}),
        ({"churn_probability": ">= 0.5"}, {"churn_band": "high"}),
        ({"churn_band": "high"}, {"churn_probability": "> 0.9"}),
        ({"segment": "best"}, {"r": 5}),
        ({"r": ">= 3"}, {"segment": "best", "m": "missing"}),
        ({"count": "> 1"}, {"count": ">= 2, < 3"}),
    ],
)
def test_a_rule_that_an_earlier_one_always_pre_empts_is_refused(earlier, later):
    with pytest.raises(ValueError, match="rule 2 is unreachable: rule 1 catches everybody it could; for example"):
        check(earlier, later)


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ({"overall": "> 5"}, {"overall": ">= 5"}),
        ({"overall": "> 5", "tier": "A"}, {"overall": "> 5"}),
        ({"overall": "missing"}, {"overall": "< 3"}),
        ({"tier": "A"}, {"tier": ["A", "B"]}),
        ({"churn_probability": ">= 0.6"}, {"churn_probability": "> 0.5"}),
        ({"churn_probability": "> 0.6"}, {"churn_band": "high"}),
        ({"segment": "best"}, {"r": ">= 3"}),
        ({"r": "known"}, {"segment": "missing"}),
    ],
)
def test_a_rule_that_somebody_can_reach_is_kept(earlier, later):
    check(earlier, later)


def test_a_rule_hidden_by_several_together_is_refused_with_a_customer_and_who_takes_them():
    with pytest.raises(ValueError, match="rule 5 is unreachable: rule 3 catches") as caught:
        check({"count": 7}, {"overall": "< 40"}, {"satisfaction": "< 50"}, {"overall": ">= 40"}, {"satisfaction": 20})
    assert "for example a customer with satisfaction 20, overall 0 is taken by rule 2" in str(caught.value)
    with pytest.raises(ValueError, match="rule 4 is unreachable: rules 1 and 2 together catch everybody"):
        check({"overall": "< 40"}, {"overall": ">= 30"}, {"overall": "missing"}, {"overall": "> 20, < 50", "tier": "A"})


def test_a_gap_is_refused_with_a_customer_who_falls_into_it():
    with pytest.raises(ValueError, match="no rule, for example a customer with overall missing; end with a rule"):
        check({"overall": "< 40"}, {"overall": ">= 40"}, exhaustive=True)
    check({"overall": "< 40"}, {"overall": ">= 40"}, {"overall": "missing"}, exhaustive=True)
    check({"churn_band": "high"}, {"churn_probability": "< 0.6"}, exhaustive=True)
    with pytest.raises(ValueError, match=r"churn_probability 0\.55"):
        check({"churn_band": "high"}, {"churn_probability": "<= 0.5"}, exhaustive=True)


@pytest.mark.parametrize(
    "rule", [{"overall": "< 0"}, {"churn_probability": "missing"}, {"count": "> 1, < 2"}, {"r": 6}]
)
def test_a_rule_that_no_customer_can_meet_is_refused(rule):
    with pytest.raises(ValueError, match="rule 1 can hold for nobody"):
        check(rule)


numbers = st.sampled_from([10, 50, 90])
demands = st.one_of(
    st.builds("{} {}".format, st.sampled_from([">=", ">", "<", "<="]), numbers),
    st.sampled_from(["known", "missing"]),
)
tiers = st.one_of(st.sampled_from([["A"], ["B"], ["A", "B"]]), st.sampled_from(["known", "missing"]))
rules = st.fixed_dictionaries({}, optional={"overall": demands, "satisfaction": demands, "tier": tiers})
GRID = list(product([*range(0, 101, 5), np.nan], [*range(0, 101, 5), np.nan], ["A", "B", None]))
PEOPLE = {
    name: np.array([*(person[place] for person in GRID), None], dtype=object)[:-1].astype(kind)
    for place, (name, kind) in enumerate([("overall", float), ("satisfaction", float), ("tier", object)])
}


@settings(max_examples=150, deadline=None)
@given(st.lists(rules, min_size=1, max_size=6), st.booleans())
def test_what_is_refused_is_what_no_customer_of_a_fine_grid_shows(written, exhaustive):
    matched = Rules(tuple(asked(**one) for one in written)).first(PEOPLE, len(GRID))
    sound = set(range(len(written))) <= set(matched.tolist()) and not (exhaustive and -1 in matched)
    try:
        check(*written, exhaustive=exhaustive)
    except ValueError:
        assert not sound
    else:
        assert sound


def policy(**changes):
    content = yaml.safe_load((POLICIES / "retail.yaml").read_text(encoding="utf-8"))
    return policy_of(content | changes, "mine.yaml")


def test_a_playbook_hidden_by_several_plays_together_names_them():
    plays = [
        {"when": {"churn_band": "high"}, "actions": ["NEWSLETTER"]},
        {"when": {"churn_probability": "< 0.6", "tier": ["S", "A"]}, "actions": ["NEWSLETTER"]},
        {"when": {"tier": "S"}, "actions": ["NEWSLETTER"]},
        {"actions": ["NEWSLETTER"]},
    ]
    newsletter = {"channel": "email", "owner": "marketing", "sla_days": 30, "text": LABEL}
    with pytest.raises(ConfigError, match="playbook: rule 3 is unreachable: rules 1 and 2 together catch") as caught:
        policy(playbook=plays, actions={"NEWSLETTER": newsletter})
    assert str(caught.value).count("a customer with tier S, churn_probability 0 is taken by rule 2") == 1


def test_a_life_cycle_with_a_gap_names_a_customer():
    stages = [
        {"code": "quiet", "when": {"rhythm_ratio": "> 2"}, "label": LABEL},
        {"code": "active", "when": {"rhythm_ratio": "<= 2"}, "label": LABEL},
    ]
    with pytest.raises(ConfigError, match=r"lifecycle: somebody could match no rule, .* rhythm_ratio missing"):
        policy(lifecycle=stages)


def test_a_tier_that_no_percentile_and_no_rule_leads_to_is_refused():
    levels = [
        {"code": code, "from_percentile": cut, "label": LABEL} for code, cut in (("S", 99.6), ("A", 99.2), ("D", 0))
    ]
    with pytest.raises(ConfigError, match="nobody can get into A: no rule leads there"):
        policy(
            tiers={"mode": "percentile", "levels": levels},
            tags=[],
            playbook=[{"actions": ["X"]}],
            actions={"X": {"channel": "email", "owner": "marketing", "sla_days": 30, "text": LABEL}},
        )


def test_a_tag_or_disagreement_for_nobody_is_refused():
    for place, said in (("tags", "label"), ("disagreements", "text")):
        with pytest.raises(ConfigError, match=f"{place}: rule 1 can hold for nobody"):
            policy(**{place: [{"code": "none", "when": {"satisfaction": "> 100"}, said: LABEL}]})
