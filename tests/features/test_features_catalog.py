"""The catalog as a whole: enough columns, well named, worded in two languages, pinned, and fit for Spark."""

import json
import random
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import ibis
import pytest
from feature_world import ATTRIBUTES, LADDER, PRESENT, arrow_rows, rows_of, spine_rows
from worlds_at_edges import SPINE, world_at_edges

from churn_value.errors import LeakageError
from churn_value.features import purchases
from churn_value.features.asof import build, past_of
from churn_value.features.catalog import Catalog, catalog, source_schema
from churn_value.features.compiled import compiled_sql
from churn_value.features.declare import feature
from churn_value.features.dictionary import full_catalog, main, rendered
from churn_value.features.grain import Grain, Measure

GROUPS = {
    "RECENCY",
    "FREQUENCY",
    "SPEND",
    "SPEND_TREND",
    "FREQUENCY_TREND",
    "RHYTHM",
    "GAP_OVERDUE",
    "BASKET",
    "CATEGORY_BREADTH",
    "CATEGORY_FOCUS",
    "CHANNEL",
    "RETURNS",
    "MARGIN",
    "TENURE",
    "VISIT_ACTIVITY",
    "VISIT_RECENCY",
    "VISIT_TREND",
    "LAST_SIGN",
    "VISIT_DEPTH",
    "INTENT",
    "SATISFACTION_LEVEL",
    "SATISFACTION_TREND",
    "NEVER_ASKED",
    "COMPLAINTS",
    "OPEN_TICKETS",
    "RESOLUTION_TIME",
    "PAYMENT_LATENESS",
    "OVERDUE",
    "PAYMENT_TREND",
    "DISPUTES",
    "CONTRACT",
    "PLAN_PRICE",
    "PROFILE",
}
DOCUMENT = Path(__file__).parents[2] / "docs" / "features.md"


def test_all_tables_give_at_least_a_hundred_columns():
    assert len(full_catalog().features) >= 100


def test_every_column_has_its_own_name_a_known_group_and_words_in_two_languages(every_feature):
    assert len(set(every_feature.names)) == len(every_feature.names)
    for entry in every_feature.dictionary():
        assert all(entry[text] for text in ("en", "zh", "unit")), entry
        assert not set("{}") & set(entry["en"] + entry["zh"]), entry
        assert any("\u4e00" <= character <= "\u9fff" for character in entry["zh"]), entry
        assert entry["group"] in GROUPS, entry


def test_windows_and_half_lives_are_in_the_name_and_in_the_words(every_feature):
    for f in every_feature.features:
        span = f.window_days or f.half_life_days
        if f.name == "satisfaction_level" or span is None:
            continue
        assert f.name.endswith(f"_{span}d")
        assert f"{span} days" in f.en
        assert f"{span}天" in f.zh


def test_money_columns_say_so_and_categories_have_no_number(every_feature):
    for f in every_feature.features:
        assert (f.unit == "minor units") == ("_minor" in f.name), f.name
        assert (f.dtype == "category") == (f.unit == "category"), f.name


def test_only_features_of_present_columns_are_offered():
    offered = catalog({"purchases": frozenset()}, LADDER)
    assert {f.source for f in offered.features} == {"purchases"}
    assert "spend_minor" in offered.names
    assert not {"category_count_28d", "product_count_28d", "margin_share_28d", "return_count"} & set(offered.names)
    wider = catalog({"purchases": frozenset({"category"})}, LADDER)
    assert set(wider.names) - set(offered.names) == {n for n in wider.names if n.startswith("category_")}


def test_a_year_of_birth_becomes_an_age_and_customers_come_before_snapshots():
    present = {"customers": frozenset({"birth_year", "region"}), "snapshots": frozenset({"region", "balance"})}
    types = {"birth_year": "number", "region": "category", "balance": "number"}
    offered = {f.name: f.source for f in catalog(present, LADDER, types).features}
    assert offered == {"age_years": "customers", "attr_region": "customers", "attr_balance": "snapshots"}


def test_a_ladder_of_one_window_is_enough(every_feature):
    short = catalog(PRESENT, (30,), ATTRIBUTES)
    assert len(set(short.names)) == len(short.names) < len(every_feature.names)
    visits = [f for f in short.features if f.source == "visits"]
    assert "visit_count_30d" in Catalog(tuple(visits), {}).sql


def test_the_fingerprint_is_stable_and_names_the_order(every_feature):
    again = catalog(PRESENT, LADDER, ATTRIBUTES)
    some, same, reversed_ = (
        features[::9] for features in (every_feature.features, again.features, again.features[::-1])
    )
    fingerprint = Catalog(some, ATTRIBUTES).fingerprint
    assert fingerprint == Catalog(same, ATTRIBUTES).fingerprint
    assert fingerprint != Catalog(reversed_, ATTRIBUTES).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"window_days": 8},
        {"empty": 1},
        {"unit": "pieces"},
        {"reduce": lambda past: past.sum(past.amount_minor) + 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_changed_definition_changes_the_fingerprint(change):
    spend = next(purchases.spend_minor.expanded(LADDER))
    before = Catalog((spend,), {}).fingerprint
    assert Catalog((replace(spend, **change),), {}).fingerprint != before


def test_every_feature_is_written_for_spark_without_spark(every_feature):
    sql = compiled_sql(every_feature.features, every_feature.schemas, dialect="pyspark")
    assert all(f"AS `{name}`" in sql or f"`{name}`" in sql for name in every_feature.names)
    assert "MAX_BY" in sql
    assert ibis.options.pyspark is None


def test_the_written_dictionary_is_current():
    assert DOCUMENT.read_text(encoding="utf-8") == rendered(full_catalog(), "markdown"), (
        "run python -m churn_value.features.catalog --format markdown > docs/features.md"
    )


def test_the_command_prints_the_dictionary(capsys):
    assert main(["--format", "json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in entries] == list(full_catalog().names)
    assert main(["--lang", "zh"]) == 0
    assert "近28天订单数" in capsys.readouterr().out


def test_the_command_refuses_a_missing_file_by_name(capsys):
    assert main(["--config", "nowhere.yaml"]) == 10
    assert "nowhere.yaml" in capsys.readouterr().err


def test_money_is_exact_to_the_minor_unit(engine):
    draw = random.Random(4)
    amounts = [draw.choice([10, 20, 10**9 + 1, draw.randrange(10**12)]) for _ in range(3_000)]
    days = [draw.randrange(1, 60) for _ in amounts]
    midnight = datetime.fromisoformat("2025-07-01")
    rows = [
        {"customer_id": "a", "event_time": midnight - timedelta(days=day), "amount_minor": amount, "is_return": False}
        for amount, day in zip(amounts, days, strict=True)
    ]
    row = engine({"purchases": rows}, [("a", midnight.date())])["a", midnight.date()]
    recent = sum(amount for amount, day in zip(amounts, days, strict=True) if day <= 28)
    assert row["spend_minor"] == sum(amounts)
    assert row["spend_minor_28d"] == recent
    assert 2**50 > row["spend_minor"] > recent > 2**40
    decayed = sum(amount * 0.5 ** (day / 7) for amount, day in zip(amounts, days, strict=True))
    assert row["spend_decayed_minor_7d"] == pytest.approx(decayed, rel=1e-9)


def test_the_expression_and_its_text_give_the_same_rows(every_feature, engine):
    tables = world_at_edges(1)
    some = every_feature.features[::4]
    connection = ibis.duckdb.connect()
    rows = {name: ibis.memtable(arrow_rows(name, tables[name])) for name in every_feature.schemas}
    sources = {name: connection.create_table(name, table) for name, table in rows.items()}
    spine = connection.create_table("spine", ibis.memtable(spine_rows(SPINE)))
    frame = connection.to_pandas(build(some, sources, spine).order_by("customer_id", "as_of"))
    assert list(frame.columns) == ["customer_id", "as_of", *(f.name for f in some)]
    numbers = [f.name for f in some if f.dtype == "number"]
    assert {str(kind) for kind in frame[numbers].dtypes} == {"float64"}
    text = engine.table(tables, SPINE).to_pandas()
    assert frame[numbers].equals(text[numbers])


def test_past_rows_carry_their_age_and_no_later_clock():
    schema = source_schema("contracts", {})
    table = """
customer_id | started_at       | ended_at
a           | 2025-06-30 23:59 | 2025-07-01
a           | 2025-07-01 00:00 |
"""
    rows = arrow_rows("contracts", rows_of("contracts", table))
    past = past_of(
        "contracts", ibis.memtable(rows, schema=schema), ibis.memtable(spine_rows([("a", date(2025, 7, 1))]))
    )
    found = past.execute()
    assert found[["customer_id", "age_days"]].to_dict("records") == [{"customer_id": "a", "age_days": 1}]
    assert found["ended_at"].isna().all()


def build_one(grain: Grain):
    @feature(grain, unit="x", group="PROFILE", en="x", zh="x")
    def planted(past):
        return past.sum(past.planted)

    schema = source_schema(grain.source, {})
    sources = {grain.source: ibis.table(schema, name=grain.source)}
    return build([next(planted.expanded(LADDER))], sources, ibis.table({"customer_id": "string", "as_of": "date"}))


def test_a_measure_that_looks_at_other_rows_is_refused():
    ahead = Grain("purchases", "ahead", before={"planted": Measure(lambda line: line.amount_minor.lead())})
    whole = Grain("purchases", "whole", before={"planted": Measure(lambda line: line.amount_minor.max())})
    for grain in (ahead, whole):
        with pytest.raises(LeakageError, match="its own row only") as refused:
            build_one(grain)
        assert refused.value.code == "FEATURE_SEES_OTHER_ROWS"


@pytest.mark.parametrize("column", ["paid_at", "disputed_at", "disputed"])
def test_a_measure_that_looks_at_a_later_clock_too_early_is_refused(column):
    peeking = Grain("payments", "peeking", before={"planted": Measure(lambda row: getattr(row, column).notnull())})
    with pytest.raises(LeakageError, match=column):
        build_one(peeking)
