import shutil

import evaluations
import pytest

from churn_value.tracking.registry import register
from churn_value.tracking.runs import training_run
from churn_value.tracking.store import open_store


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory):
    """A migrated database to copy, since migrating takes seconds."""
    folder = tmp_path_factory.mktemp("mlflow")
    open_store(f"sqlite:///{folder / 'mlflow.db'}")
    return folder / "mlflow.db"


@pytest.fixture
def store(tmp_path, empty_database):
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return open_store(f"sqlite:///{tmp_path / 'mlflow.db'}")


@pytest.fixture
def train(store, tmp_path):
    """Log a run with a bundle and an evaluation, and register it as the challenger."""

    def trained(content="one", evaluation=None, checks=()):
        folder = evaluations.write_bundle(tmp_path / f"made-{content}", content)
        with training_run(store, "acme", run_name=content) as run:
            run.evaluation(evaluation or evaluations.evaluation())
            run.checks(checks)
            place = run.bundle(folder)
        return register(store, "acme", run.run_id, place)

    return trained
