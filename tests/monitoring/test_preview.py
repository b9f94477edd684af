import numpy as np
import pandas as pd
import pytest

from churn_value.evaluation.plots import png
from churn_value.monitoring.preview import preview
from churn_value.monitoring.preview_chart import preview_chart
from churn_value.monitoring.preview_tables import preview_summary, preview_tables


def answers(**tiers):
    """Customers named by letters; the first is worth 100, the next 90 and so on."""
    worth = 100.0 - 10.0 * np.arange(len(tiers))
    return pd.DataFrame(
        {
            "customer_id": list(tiers),
            "tier": pd.Series(list(tiers.values()), dtype=object),
            "tier_rank": 1,
            "overall_score": 50.0,
            "expected_value": worth,
            "churn_probability": 0.1,
            "value_at_risk": worth / 10,
        }
    )


BEFORE = answers(anna="S", bert="A", cleo="A", dora=None)
AFTER = answers(anna="GOLD", bert="A", cleo="GOLD", dora="A").assign(overall_score=60.0)


def test_counts_and_value_by_tier_before_and_after_worked_by_hand():
    found = preview(BEFORE, AFTER, ["S", "A"], ["GOLD", "A"])
    assert found.tiers.to_dict("list") == {
        "tier": ["GOLD", "A", "S", "(none)"],
        "customers_before": [0, 2, 1, 1],
        "expected_value_before": [0.0, 170.0, 100.0, 70.0],
        "value_at_risk_before": [0.0, 17.0, 10.0, 7.0],
        "customers_after": [2, 2, 0, 0],
        "expected_value_after": [180.0, 160.0, 0.0, 0.0],
        "value_at_risk_after": [18.0, 16.0, 0.0, 0.0],
    }
    assert found.matrix.loc["A"].to_dict() == {"GOLD": 1, "A": 1, "(none)": 0}
    assert found.matrix.to_numpy().sum() == found.customers == 4


def test_movers_come_with_the_most_valuable_first():
    found = preview(BEFORE, AFTER.sample(frac=1, random_state=1), ["S", "A"], ["GOLD", "A"])
    moves = found.movers[["customer_id", "before", "after"]].to_numpy().tolist()
    assert moves == [["anna", "S", "GOLD"], ["cleo", "A", "GOLD"], ["dora", "(none)", "A"]]
    assert (found.moved_share, found.moved_value) == (0.75, 250.0)
    assert found.movers["overall_after"].tolist() == [60.0] * 3


def test_the_same_policy_moves_nobody():
    found = preview(BEFORE, BEFORE, ["S", "A"], ["S", "A"])
    assert found.movers.empty
    assert found.moved_share == 0


def test_other_customers_are_refused():
    with pytest.raises(ValueError, match="the same customers"):
        preview(BEFORE, AFTER.head(3), ["S", "A"], ["GOLD", "A"])


def test_the_chart_has_a_bar_for_each_tier_before_and_after():
    figure = preview_chart(preview(BEFORE, AFTER, ["S", "A"], ["GOLD", "A"]), "old → new", "GBP")
    counts, value = figure.axes
    assert [bar.get_height() for bar in counts.patches] == [0, 2, 1, 1, 2, 2, 0, 0]
    assert [bar.get_height() for bar in value.patches] == [0, 170, 100, 70, 180, 160, 0, 0]
    assert [label.get_text() for label in counts.get_xticklabels()] == ["GOLD", "A", "S", "(none)"]
    assert png(figure).startswith(b"\x89PNG")


def test_what_is_printed_exists_in_both_languages():
    found = preview(BEFORE, AFTER, ["S", "A"], ["GOLD", "A"])
    english, chinese = (preview_tables(found, language) for language in ("en", "zh"))
    for one, other in zip(english, chinese, strict=True):
        assert one[0] != other[0]
        assert len(one[1]) == len(other[1]) == len(one[2][0])
        assert one[2] == other[2]
    assert preview_summary(found, "GBP", "en") == "3 of 4 would move (75.0%), worth 250 GBP"
    assert preview_summary(found, "GBP", "zh") == "4 位客户中有 3 位将变动（75.0%），预期价值合计 250 GBP"
    assert len(preview_tables(preview(BEFORE, BEFORE, ["S", "A"], ["S", "A"]), "en")) == 2
