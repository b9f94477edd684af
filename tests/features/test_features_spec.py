"""Each family against hand-worked tables, dates at the edges of as_of and of each window."""

from datetime import date

import pytest
from feature_specs import SPECS
from feature_world import rows_of

AS_OF = date(2025, 7, 1)


@pytest.fixture(scope="module")
def answers(engine):
    tables: dict[str, list[dict]] = {}
    for case, (source, rows, _) in SPECS.items():
        for table, text in {source: rows}.items() if isinstance(rows, str) else rows.items():
            tables.setdefault(table, []).extend(row | {"customer_id": case} for row in rows_of(table, text))
    return engine(tables, [(case, AS_OF) for case in SPECS])


def expected_of(table: str) -> dict:
    """Feature and value of each line; a value that is no number is a category, none at all is null."""
    expected = {}
    for line in table.strip().splitlines():
        name, value = (cell.strip() for cell in line.split("|"))
        try:
            expected[name] = float(value) if value else None
        except ValueError:
            expected[name] = value
    return expected


def is_as_worked(value, expected) -> bool:
    if isinstance(value, float) and isinstance(expected, float):
        return value == pytest.approx(expected, rel=1e-6, abs=1e-6)
    return value == expected


@pytest.mark.parametrize("case", SPECS)
def test_features_of(case, answers):
    answer, expected = answers[case, AS_OF], expected_of(SPECS[case][2])
    wrong = {name: (answer[name], value) for name, value in expected.items() if not is_as_worked(answer[name], value)}
    assert not wrong, "computed, worked by hand"


def test_every_feature_is_worked_by_hand_at_least_once(every_feature):
    worked = {name for _, _, table in SPECS.values() for name in expected_of(table)}
    spans = [f"_{days}d" for days in (7, 28, 90)]
    families = {name.removesuffix(next((s for s in spans if name.endswith(s)), "")) for name in worked}
    missing = {
        n for n in every_feature.names if n.removesuffix(next((s for s in spans if n.endswith(s)), "")) not in families
    }
    assert missing <= {"attr_gender", "attr_score_band"}
