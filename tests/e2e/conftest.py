import pytest

from churn_value.config import load_config
from churn_value.settings import Settings
from churn_value.tables.synthetic import simulate
from pipelines import promote, score, train

CONFIG = "configs/synthetic.yaml"
QUICK = ("tuning.trials=1", "tuning.seeds_averaged=1", "dates.max_train_dates=3", "gate.max_calibration_error=0.5")


@pytest.fixture(scope="session")
def places(tmp_path_factory):
    """Folders of a company that starts from nothing."""
    root = tmp_path_factory.mktemp("company")
    return Settings(root / "data", root / "artifacts", root / "models", f"sqlite:///{root}/artifacts/mlflow.db")


@pytest.fixture(scope="session")
def config():
    return load_config(CONFIG, QUICK)


@pytest.fixture(scope="session")
def world(places):
    made = simulate(600, seed=11)
    made.write(places.data_root / "synthetic")
    return made


@pytest.fixture(scope="session")
def trained(places, config, world):
    return train.run(config, places)


@pytest.fixture(scope="session")
def promoted(places, config, trained):
    return promote.run(config, places)


@pytest.fixture(scope="session")
def scored(places, config, promoted):
    return score.run(config, places)
