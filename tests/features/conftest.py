import pytest
from feature_world import Engine, full_catalog


@pytest.fixture(scope="session")
def every_feature():
    return full_catalog()


@pytest.fixture(scope="session")
def engine(every_feature):
    return Engine(every_feature)
