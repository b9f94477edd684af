from __future__ import annotations

import pytest
from scored_company import loaded, population, written


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return loaded(written(tmp_path_factory.mktemp("bundles")))


@pytest.fixture
def customers():
    return population(60, seed=5)
