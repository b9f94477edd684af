"""Data flows down the list of rooms; a room imports only rooms above it. This walks the imports and keeps it true."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "churn_value"
ROOMS = (
    "errors",
    "timeline",
    "yaml_files",
    "config",
    "settings",
    "provenance",
    "tables",
    "features",
    "labels",
    "spine",
    "split",
    "snapshots",
    "manifest",
    "dataset",
    "recommendation",
    "estimators",
    "evaluation",
    "scoring",
    "tracking",
    "training",
    "monitoring",
    "campaign",
    "service",
    "cli",
    "config_document",
    "documents",
)
ONLY_IMPORTERS = {"mlflow": "tracking", "bentoml": "service", "optuna": "estimators/tuning"}
DRAWERS = {"utils", "helpers", "common", "base", "misc"}
FILES = sorted(SOURCE.rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(SOURCE).with_suffix("").as_posix()


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("path", FILES, ids=place)
def test_a_room_imports_only_rooms_above_it(path):
    room = place(path).split("/")[0]
    if room == "__init__":
        return
    assert room in ROOMS, f"{room} has no place in the list of rooms"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "churn_value" and len(parts) > 1 and parts[1] in ROOMS:
            assert ROOMS.index(parts[1]) <= ROOMS.index(room), f"{place(path)} imports {name} from below"


@pytest.mark.parametrize("path", FILES, ids=place)
def test_each_library_at_the_rim_has_one_importer(path):
    for name in imported(path):
        home = ONLY_IMPORTERS.get(name.split(".")[0])
        assert home is None or place(path).startswith(home), f"{place(path)} imports {name}; only {home} may"


def test_there_is_no_drawer():
    assert not [place(path) for path in FILES if path.stem in DRAWERS]


@pytest.mark.parametrize("path", sorted((SOURCE.parents[1] / "pipelines").glob("*.py")), ids=lambda path: path.stem)
def test_a_pipeline_is_short_wiring(path):
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 120, f"{path.name} is longer than wiring should be"
    assert not {name.split(".")[0] for name in imported(path)} & {"duckdb", "ibis", "numpy", "lightgbm", "mlflow"}
