from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churn_value.config import Config
from churn_value.errors import BundleError, TooLittleData
from churn_value.features.statements import Statements
from churn_value.recommendation.baskets import Baskets, baskets
from churn_value.recommendation.habits import habits, shares_of
from churn_value.recommendation.item_facts import ItemFacts
from churn_value.recommendation.learning import recommender_for
from churn_value.recommendation.live import LiveHabits
from churn_value.recommendation.ranking import ndcg_at, recall_at, top_places
from churn_value.recommendation.recommender import Recommender, bought_of, learn
from churn_value.recommendation.terms import Constants, terms
from churn_value.tables.load import tables_from_frames

AS_OF = date(2025, 7, 1)
HORIZON = 28
CONFIG = Config.model_validate(
    {
        "name": "tested",
        "currency": "GBP",
        "horizon_days": HORIZON,
        "tables": {"purchases": {"path": "p.parquet", "time_zone": "UTC"}},
    }
)


def past_of_rows(*rows):
    """Baskets of rows (customer, item, age_days), each of one line."""
    frame = pd.DataFrame(rows, columns=["customer_id", "item", "age_days"])
    return Baskets.of(frame.groupby(["customer_id", "item", "age_days"]).size().rename("lines").reset_index())


def shop(purchases, **columns):
    """Tables of purchases (customer, day before AS_OF, category); each costs 1."""
    frame = pd.DataFrame(purchases, columns=["customer_id", "age", "category"])
    stamps = [f"{AS_OF - timedelta(days=int(age))}T10:00:00Z" for age in frame.pop("age")]
    frame = frame.assign(event_time=stamps, amount=1.0, **columns)
    return tables_from_frames(CONFIG, {"purchases": frame}, observed_now=datetime(2026, 1, 1, tzinfo=UTC), threads=1)


@pytest.fixture(scope="module")
def rhythmic():
    """Sixty customers buy bread weekly, milk every 28 days, and coffee beside filters; half of them buy no coffee."""
    rows = []
    for number in range(60):
        rows += [(f"c{number:02d}", age, "bread") for age in range(1 + number % 7, 200, 7)]
        rows += [(f"c{number:02d}", age, "milk") for age in range(1 + number % 28, 200, 28)]
        if number % 2:
            pair = range(1 + number % 14, 200, 14)
            rows += [(f"c{number:02d}", age, name) for age in pair for name in ("coffee", "filters")]
    return shop(rows)


def test_recall_and_ndcg_of_a_list_worked_out_by_hand():
    ranked = np.array([[0, 1], [2, 0], [0, 1]])
    bought = np.array([[True, False, True], [False, False, True], [False, False, False]])
    assert recall_at(ranked, bought)[:2].tolist() == [0.5, 1.0]
    assert ndcg_at(ranked, bought)[:2].tolist() == pytest.approx([1 / (1 + 1 / np.log2(3)), 1.0])
    assert np.isnan(recall_at(ranked, bought)[2])
    assert np.isnan(ndcg_at(ranked, bought)[2])


def test_of_equal_scores_the_first_item_is_taken():
    assert top_places(np.array([[1.0, 2.0, 2.0]]), 2).tolist() == [[1, 2]]


def test_facts_of_items_worked_out_by_hand():
    past = past_of_rows(("a", "tea", 5), ("a", "tea", 25), ("b", "tea", 60), ("b", "jam", 3), ("a", "jam", 9))
    facts = ItemFacts.of(past, horizon_days=28, neighbours=5)
    assert facts.items == ("jam", "tea")
    assert facts.popularity.tolist() == pytest.approx([2.5 / 3, 1.5 / 3])  # b's tea is older than a horizon
    assert facts.gap_days.tolist() == [20.0, 20.0]  # one repeat in all, of 20 days
    np.testing.assert_allclose(facts.likeness.toarray(), [[0, 1], [1, 0]])


def test_likeness_is_the_cosine_over_customers():
    past = past_of_rows(("a", "tea", 5), ("b", "tea", 5), ("c", "tea", 5), ("a", "jam", 5), ("d", "jam", 5))
    likeness = ItemFacts.of(past, horizon_days=28, neighbours=5).likeness.toarray()
    assert likeness[0, 1] == pytest.approx(1 / np.sqrt(2 * 3))


def test_terms_of_a_customer_worked_out_by_hand():
    past = past_of_rows(("a", "tea", 14), ("a", "tea", 42), ("b", "jam", 28))
    facts = ItemFacts(
        ("jam", "tea"),
        np.array([0.5, 0.25]),
        np.array([40.0, 10.0]),
        ItemFacts.of(past_of_rows(("x", "jam", 1), ("x", "tea", 1)), horizon_days=28, neighbours=1).likeness,
    )
    ((places, found),) = terms(past, facts, Constants(0.5, 1.0, gap_repeats=2.0), 28)
    assert places == range(2)
    assert found["recent_days"][0, 1] == pytest.approx(2**-1 + 2**-3)  # half-life 14 days
    assert found["lasting_days"][0, 1] == pytest.approx(2**-0.5 + 2**-1.5)
    # The gap expected of a for tea: (2 × 10 + 28) / (2 + 1) = 16 days; 14 of them are gone.
    assert found["elapsed"][0].tolist() == pytest.approx([0.0, 14 / 16])
    assert found["elapsed"][1].tolist() == pytest.approx([28 / 40, 0.0])
    assert found["overdue"].max() == 0
    assert found["alongside"][1, 1] == pytest.approx(np.log1p(2**-1))  # jam goes with tea
    assert found["own_alongside"][1, 1] == 0
    assert found["pace"][:, 0].tolist() == pytest.approx([np.log(3), np.log(2)])


def test_the_recommender_learns_rhythm_and_what_goes_together(rhythmic):
    made = recommender_for(CONFIG, rhythmic, AS_OF)
    assert made is not None
    assert (made.kind, made.horizon_days, made.learned_through) == ("category", 28, "2025-07-01")
    past = baskets(rhythmic, AS_OF)
    ((_, scores),) = made.scores(past)
    bread, coffee = made.facts.items.index("bread"), made.facts.items.index("coffee")
    assert (scores[:, bread] >= scores.max(axis=1) - 1e-9).all()
    assert scores[1::2, coffee].min() > scores[::2, coffee].max()


def test_a_round_trip_through_json_gives_the_same_bits(rhythmic):
    made = recommender_for(CONFIG, rhythmic, AS_OF)
    again = Recommender.from_json(made.to_json())
    past = baskets(rhythmic, AS_OF)
    for (_, one), (_, other) in zip(made.scores(past), again.scores(past), strict=True):
        assert one.tobytes() == other.tobytes()
    assert again.to_json() == made.to_json()


def test_a_customer_alone_has_the_bits_of_the_batch(rhythmic):
    made = recommender_for(CONFIG, rhythmic, AS_OF)
    ((_, together),) = made.scores(baskets(rhythmic, AS_OF))
    ((_, alone),) = made.scores(baskets(rhythmic, AS_OF, customer_ids=["c07"]))
    assert alone[0].tobytes() == together[7].tobytes()


@pytest.mark.parametrize("broken", [b"{}", b"[]", b"not json", b'{"kind": "category", "items": ["a"]}'])
def test_what_is_no_recommender_is_refused_by_name(broken):
    with pytest.raises(BundleError, match="recommender"):
        Recommender.from_json(broken)


def test_nothing_can_be_learned_where_nobody_bought_again():
    past = past_of_rows(("a", "tea", 40))
    with pytest.raises(TooLittleData, match="bought again"):
        learn(past, past, kind="category", horizon_days=28, learned_through="2025-07-01")
    assert recommender_for(CONFIG, shop([("a", 40, "tea")]), AS_OF) is None


def test_purchases_from_as_of_on_or_known_later_are_not_seen():
    rows = [("a", 1, "tea"), ("a", 0, "jam"), ("a", -3, "ham"), ("b", 10, "rye")]
    late = [None, None, None, f"{AS_OF}T00:00:00Z"]
    found = baskets(shop(rows, known_at=pd.Series(late, dtype="str")), AS_OF)
    assert found.items == ("tea",)
    assert found.age_days.tolist() == [1]


def test_returns_are_no_purchases():
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "a"],
            "event_time": ["2025-06-01T00:00:00Z"] * 2,
            "amount": [1.0, -1.0],
            "category": ["tea", "jam"],
        }
    )
    tables = tables_from_frames(CONFIG, {"purchases": frame}, observed_now=datetime(2026, 1, 1, tzinfo=UTC), threads=1)
    assert baskets(tables, AS_OF).items == ("tea",)


def test_shares_are_of_all_lines_and_equal_ones_come_by_name():
    past = past_of_rows(("a", "tea", 1), ("a", "tea", 1), ("a", "jam", 2), ("a", "ham", 3))
    assert json.loads(shares_of(past)["a"]) == [["tea", 0.5], ["ham", 0.25], ["jam", 0.25]]


def test_habits_tell_not_known_from_none(rhythmic):
    made = recommender_for(CONFIG, rhythmic, AS_OF)
    table = habits(rhythmic, AS_OF, customer_ids=["c01", "stranger"], recommender=made)
    assert table["channels"].tolist() == [None, None]  # no such column
    assert table["categories"][1] == table["next_best"][1] == "[]"
    first, chance, before = json.loads(table["next_best"][0])[0]
    assert (first, before) == ("bread", True)
    assert 0.5 < chance <= 1
    assert json.loads(table["categories"][0])[0][0] == "bread"


def test_live_habits_are_those_of_the_tables(rhythmic):
    made, ids = recommender_for(CONFIG, rhythmic, AS_OF), ["c03", "c31", "nobody"]
    purchases = rhythmic.events["purchases"]
    statements = Statements({"purchases": purchases.schema()})
    live = LiveHabits(statements, rhythmic.present["purchases"], made)
    for day in (AS_OF, AS_OF - timedelta(days=50)):
        batch = habits(rhythmic, day, customer_ids=ids, recommender=made)
        few = purchases.filter(purchases.customer_id.isin(ids)).to_pyarrow()
        asked = [(one, day) for one in ids]
        found = live.texts(statements.answered({"purchases": few}, asked), asked)
        assert found == list(batch[["categories", "channels", "next_best"]].itertuples(index=False, name=None))
    assert live.texts({}, [("x", AS_OF)])[0][0] == "[]"


ROWS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["tea", "jam", "ham"]), st.integers(1, 60)),
    min_size=1,
    max_size=30,
)


@given(ROWS, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_rows_changes_nothing(rows, random):
    shuffled = random.sample(rows, len(rows))
    one, other = past_of_rows(*rows), past_of_rows(*shuffled)
    assert one.customer.tolist() == other.customer.tolist()
    assert one.age_days.tolist() == other.age_days.tolist()
    facts = [ItemFacts.of(past, horizon_days=28, neighbours=2) for past in (one, other)]
    assert facts[0].to_json() == facts[1].to_json()


@given(ROWS)
@settings(max_examples=30, deadline=None)
def test_shares_add_up_to_at_most_one(rows):
    for text in shares_of(past_of_rows(*rows)).values():
        shares = [share for _, share in json.loads(text)]
        assert sum(shares) <= 1 + 5e-4
        assert shares == sorted(shares, reverse=True)


def test_what_was_bought_is_placed_by_name():
    outcome = past_of_rows(("b", "ham", 1), ("a", "tea", 1), ("z", "tea", 1))
    assert bought_of(outcome, ("a", "b"), ("ham", "jam")).tolist() == [[False, False], [True, False]]
