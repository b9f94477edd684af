"""Both notebooks run from top to bottom, on a small synthetic world and on two runs logged for them."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml

from churn_value.evaluation.comparison import evaluate
from churn_value.tables.synthetic import simulate
from churn_value.tracking.runs import training_run
from churn_value.tracking.store import open_store

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# A kernel needs its own event loop and its own warnings: it is run by a process of its own.
RUNNER = (
    "import sys, nbformat; from nbclient import NotebookClient; book = nbformat.read(sys.argv[1], as_version=4); "
    "NotebookClient(book, timeout=240, kernel_name='python3').execute(cwd=sys.argv[3]); "
    "nbformat.write(book, sys.argv[2])"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("notebooks")


def executed(name, place, **environment):
    """The outputs of a notebook as one text, and its images."""
    paths = [str(ROOT / "src"), str(ROOT)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "CHURN_VALUE_ARTIFACTS": str(place), **environment}
    command = [sys.executable, "-c", RUNNER, str(ROOT / "notebooks" / name), str(place / name), str(ROOT / "notebooks")]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    outputs = [output for cell in nbformat.read(place / name, as_version=4).cells for output in cell.get("outputs", [])]
    texts = [output["text"] for output in outputs if output.output_type == "stream"]
    texts += [str(value) for output in outputs for value in output.get("data", {}).values()]
    return "\n".join(texts), sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.fixture(scope="module")
def world(place):
    """YAML of a world of 250 customers, three tables and five as_of dates."""
    simulate(250, seed=3).write(place / "data" / "synthetic")
    shutil.copytree(ROOT / "configs" / "policy", place / "policy")
    config = yaml.safe_load((ROOT / "configs" / "synthetic.yaml").read_text(encoding="utf-8"))
    config["tables"] = {name: config["tables"][name] for name in ("purchases", "feedback", "customers")}
    config |= {"name": "small", "windows_days": [30, 90], "dates": {"max_train_dates": 3}}
    path = place / "small.yaml"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return {"CHURN_VALUE_CONFIG": str(path), "CHURN_VALUE_DATA": str(place / "data")}


def test_the_features_and_labels_of_a_world_can_be_explored(world, place):
    text, images = executed("01-explore-features-and-labels.ipynb", place, **world)
    for expected in ("rows read", "churn_rate", "auc_alone", "CV001", "days_since_last_purchase"):
        assert expected in text
    assert images == 2


def logged(store, skill, seed):
    """A training run whose model knows the truth with some skill."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(size=600)
    frame = pd.DataFrame(
        {
            "customer_id": [f"c{i}" for i in range(600)],
            "as_of": pd.Timestamp("2025-07-01"),
            "churned": (np.random.default_rng(0).uniform(size=600) < truth).astype(float),
            "value_minor": np.nan,
        }
    )
    systems = {
        "model": SimpleNamespace(churn_probability=np.clip(skill * truth + (1 - skill) / 2, 0.01, 0.99)),
        "base_rate": SimpleNamespace(churn_probability=np.full(600, 0.5)),
    }
    tags = {"config_sha256": f"{seed}" * 8, "data_sha256": "d" * 64}
    with training_run(store, "small", run_name=f"skill {skill}", tags=tags) as run:
        run.params({"churn.num_leaves": seed})
        run.evaluation(evaluate(frame, systems, seed=1, resamples=40))
        run.text("model_card.md", f"# Card of skill {skill}")


def test_two_runs_can_be_compared_without_reading_code(world, place):
    uri = f"sqlite:///{place / 'mlflow.db'}"
    store = open_store(uri)
    logged(store, 0.1, 1)
    logged(store, 0.9, 1)
    logged(store, 0.9, 2)
    text, _ = executed("02-compare-two-runs.ipynb", place, MLFLOW_TRACKING_URI=uri, **world)
    for expected in ("skill 0.1", "churn.num_leaves", "tested on the same rows", "Log-loss", "# Card of skill 0.9"):
        assert expected in text


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs_and_defines_nothing(path):
    book = nbformat.read(path, as_version=4)
    assert "**Question.**" in book.cells[0].source
    assert "**Answer.**" in book.cells[0].source
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
            assert not kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}


def test_both_notebooks_are_there():
    assert [path.name for path in NOTEBOOKS] == ["01-explore-features-and-labels.ipynb", "02-compare-two-runs.ipynb"]
