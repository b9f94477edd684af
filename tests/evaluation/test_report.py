import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from judged import FEATURES, base, systems

from churn_value.config import Config
from churn_value.estimators.bootstrap import Estimate
from churn_value.evaluation import plots, shapley
from churn_value.evaluation.card import limits, metric_rows, model_card
from churn_value.evaluation.checks import run_checks
from churn_value.evaluation.comparison import evaluate
from churn_value.evaluation.figures import draw
from churn_value.evaluation.grade import grade
from churn_value.evaluation.report import html_report
from churn_value.evaluation.results import BY_NAME, Evaluation
from churn_value.evaluation.subject import Subject, number

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def rows():
    frame = base()
    return frame[frame["fold"] == "test"].reset_index(drop=True)


@pytest.fixture(scope="module")
def subject(rows):
    config = Config.model_validate(
        {"name": "acme", "currency": "GBP", "tables": {"purchases": {"path": "p.parquet"}}, "expires_after_days": 9}
    )
    report = {
        "read": 1000,
        "accepted": 990,
        "quarantined": {"NULL_ID": 10},
        "duplicates": 3,
        "first": "2023-01-01",
        "last": None,
    }
    manifest = {
        "span": ["2023-01-01", "2025-10-01"],
        "features": 131,
        "data_sha256": "ab" * 32,
        "per_fold": [{"fold": "test", "rows": 500, "churners": 200}, {"fold": "train", "rows": 900, "churners": 380}],
        "tables": {"purchases": report},
    }  # fmt: skip
    evaluation = evaluate(rows, systems(rows), seed=1, resamples=60, interval_level=0.8)
    checks = run_checks(base(), FEATURES, horizon_days=90, seed=1)
    return Subject(config, manifest, evaluation, checks, "1f3a9c0011223344", "2025-10-01T00:00:00+00:00", "2025-04-01")


class Explained:
    """A model whose contributions are known."""

    def __init__(self, parts):
        self.design = SimpleNamespace(names=[feature.name for feature in FEATURES])
        self._parts = parts

    def contributions(self, frame, *, threads=1):
        return self._parts[: len(frame)], None


@pytest.fixture(scope="module")
def figures(rows):
    parts = np.random.default_rng(0).normal(size=(len(rows), len(FEATURES) + 1))
    trials = pd.DataFrame({"number": [0, 1, 2], "loss": [0.6, 0.5, np.nan]})
    return draw(
        rows,
        systems(rows),
        currency="GBP",
        model=Explained(parts),
        features=FEATURES,
        trials={"churn": trials, "value": trials.head(0)},
        tiers={"S": 10, "A": 0, "B": 30},
        value_at_risk={"S": 5.0, "B": 1.0},
    )


def test_every_figure_the_data_allow_is_drawn(figures):
    names = ["calibration", "gain_churn", "gain_value", "deciles", "shapley_churn", "tiers", "search_churn"]
    assert list(figures) == names
    for figure in figures.values():
        assert plots.png(figure).startswith(PNG)


def test_equal_figures_are_equal_bytes(figures):
    assert plots.png(figures["tiers"]) == plots.png(figures["tiers"])


def test_a_churn_only_model_has_no_figures_of_value(rows):
    only = rows.assign(value_minor=np.nan)
    assert list(draw(only, systems(only, with_value=False), currency="GBP")) == ["calibration", "gain_churn"]


def test_a_constant_baseline_can_be_drawn(rows):
    flat = SimpleNamespace(churn_probability=np.full(len(rows), 0.4))
    drawn = draw(rows, {**systems(rows), "base_rate": flat}, currency="GBP")
    assert plots.png(drawn["calibration"]).startswith(PNG)


def test_a_figure_is_saved_where_it_was_said(tmp_path, figures):
    assert plots.save(figures["tiers"], tmp_path / "new" / "tiers.png").read_bytes().startswith(PNG)


def test_contributions_within_a_group_cancel_before_they_are_averaged():
    two = [SimpleNamespace(name=n, group="SPEND", en=n) for n in ("a", "b")]
    parts = np.array([[1.0, -1.0, 0.3], [2.0, 1.0, 0.3]])
    assert shapley.group_importance(parts, ["a", "b"], two).to_dict() == {"SPEND": 1.5}
    table = shapley.importance(parts, ["a", "b"], two)
    assert table["mean_absolute"].tolist() == [1.5, 1.0]
    assert table["feature"].tolist() == ["a", "b"]


def test_dots_stay_within_their_row():
    spread = shapley._spread(np.concatenate([np.zeros(500), np.ones(3)]))
    assert np.abs(spread).max() <= 0.38 + 1e-9
    assert shapley._spread(np.zeros(1)).tolist() == [0.0]


def test_the_gain_of_ties_is_a_straight_line():
    x, y = plots._gain_curve(np.array([1.0, 0.0, 1.0, 0.0]), np.full(4, 0.5))
    assert (x.tolist(), y.tolist()) == ([0.0, 1.0], [0.0, 1.0])


def test_the_card_says_what_a_reader_must_know_in_both_languages(subject):
    card = model_card(subject)
    english, chinese = card.split("\n---\n")
    for text in (
        "Quality grade",
        "within 90 days",
        "[2023-01-01, 2025-10-01)",
        "| recency |",
        "CV001",
        "NULL_ID 10",
        "9 days",
    ):
        assert text in english
    for text in ("质量等级", "90 天", "对数损失", "CV001", "通过", "9 天"):
        assert text in chinese
    assert english.index("train fold") < english.index("test fold")


def test_systems_have_names_for_people_in_both_languages(subject):
    english, chinese = model_card(subject).split("\n---\n")
    assert "| recency | run rate | BG/NBD |" in english
    assert "| 最近购买 | 历史速率 | BG/NBD |" in chinese
    page = html_report(subject, {})
    assert " (BG/NBD)" in page
    assert "（BG/NBD）" in page


def test_the_card_names_attributes_that_were_left_out_and_is_silent_where_there_are_none(subject):
    given = Subject(**{**_fields(subject), "left_out": ("attr_lucky_number", "attr_colour")})
    english, chinese = model_card(given).split("\n---\n")
    assert "| attributes left out (no more telling than chance) | attr_lucky_number, attr_colour |" in english
    assert "attr_lucky_number、attr_colour" in chinese
    assert "left out" not in model_card(subject)


def test_money_is_written_in_major_units_and_shares_in_percent():
    assert number(123_456.0, BY_NAME["value_mae_minor"], 100) == "1,234.56"
    assert number(123_456.0, BY_NAME["value_mae_minor"], 1) == "123,456.00"
    assert number(0.0345, BY_NAME["churn_calibration_error"], 100) == "3.5%"
    assert number(0.81234, BY_NAME["churn_auc"], 100) == "0.8123"
    assert number(float("nan"), BY_NAME["churn_auc"], 100) == "–"


def test_a_system_without_a_measure_shows_a_dash(subject):
    lacking = {name: dict(metrics) for name, metrics in subject.evaluation.metrics.items()}
    del lacking["recency"]["value_mae_minor"]
    changed = type(subject.evaluation)(**{**_fields(subject.evaluation), "metrics": lacking})
    given = Subject(**{**_fields(subject), "evaluation": changed})
    header, table = metric_rows(given, "en")
    row = next(cells for cells in table if cells[0] == "Mean absolute error (GBP)")
    assert row[header.index("recency")] == "–"


def _fields(of):
    return {name: getattr(of, name) for name in of.__slots__}


def test_the_coverage_is_told_beside_what_was_promised(subject):
    assert any("80%" in line and "interval" in line for line in limits(subject, "en"))
    assert any("80%" in line for line in limits(subject, "zh"))


def test_the_report_is_one_file_that_needs_no_network(subject, figures):
    page = html_report(
        subject, figures, dictionary=[{"name": "spend_minor", "source": "purchases", "en": "Spend", "zh": "消费"}]
    )
    assert page.count('src="data:image/png;base64,') == len(figures)
    assert not re.search(r"https?://|<script|<link|@import|url\(", page)
    assert not re.search(r"<!--[A-Z]+-->", page)
    assert page.count('class="en"') == page.count('class="zh"')
    for text in ("acme", "1f3a9c0011223344", "CV001", "与基线在相同行上的比较", "spend_minor"):
        assert text in page


def test_tiers_set_by_hand_are_listed_in_both_languages_and_only_where_there_are_any(subject):
    told = {
        "en": (["customer", "state"], [["<c1>", "refused"]]),
        "zh": (["客户", "状态"], [["<c1>", "被拒绝"]]),
    }
    page = html_report(subject, {}, by_hand=told)
    for text in ("Tiers set by hand", "人工指定的等级", "&lt;c1&gt;", "被拒绝"):
        assert text in page
    assert "<c1>" not in page
    plain = html_report(subject, {})
    assert "Tiers set by hand" not in plain
    assert not re.search(r"<!--[A-Z_]+-->", plain)


def test_text_from_tables_cannot_become_markup(subject):
    reports = {"<b>x</b>": subject.manifest["tables"]["purchases"]}
    given = Subject(**{**_fields(subject), "manifest": {**subject.manifest, "tables": reports}})
    page = html_report(given, {})
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x" in page


def graded(gaps, *, calibration=0.02, gini=None, total=None, confidence=0.95):
    metrics = {"model": {"churn_calibration_error": Estimate(calibration, 0, 1)}}
    if total is not None:
        metrics["model"]["value_total_bias"] = Estimate(total, total, total)
    differences = {}
    for name, ends in gaps.items():
        metrics[name] = {}
        differences[name] = {"churn_log_loss": Estimate(*ends)}
        if gini is not None:
            differences[name]["value_normalised_gini"] = Estimate(gini, gini, gini)
    given = {"rows": 9, "customers": 9, "churners": 3, "as_of": (), "confidence": confidence}
    return grade(Evaluation(metrics=metrics, differences=differences, **given))


def test_grades_follow_what_is_written():
    clear, close, lost = (-0.1, -0.12, -0.08), (-0.01, -0.03, 0.01), (0.01, -0.01, 0.03)
    assert graded({"recency": clear}).letter == "A"
    assert graded({"recency": clear, "bg_nbd": close}).letter == "B"
    found = graded({"recency": close, "bg_nbd": close})
    assert "the lead over recency, BG/NBD may be chance" in found.en
    assert "相对“最近购买”、“BG/NBD”的优势" in found.zh
    assert graded({"recency": clear}, calibration=0.06).letter == "B"
    assert graded({"recency": clear}, gini=-0.01).letter == "B"
    assert [graded({"recency": clear}, total=one).letter for one in (0.91, 1.0, 1.09, 0.89, 1.11)] == [*"AAABB"]
    assert "predicted amounts sum to 72% of the actual ones" in graded({"recency": clear}, total=0.72).en
    assert "预测金额合计为实际的 72%" in graded({"recency": clear}, total=0.72).zh
    assert graded({"recency": clear, "bg_nbd": lost}).letter == "C"
    assert "未优于“BG/NBD”：" in graded({"bg_nbd": lost}).zh
    assert graded({}).letter == "C"
