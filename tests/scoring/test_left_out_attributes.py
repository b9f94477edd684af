"""An attribute that the model leaves out makes no answer weaker, whatever stands in it, or whether it is there."""

from types import SimpleNamespace

import pytest
from scored_company import FEATURES, LinearModel, population, written

from churn_value.scoring.bundle import load_bundle
from churn_value.scoring.score import score


class Leaving(LinearModel):
    """Does not look at the region."""

    features = tuple(feature for feature in FEATURES if feature.name != "attr_region")

    @property
    def design(self):
        plans = super().design.categories["attr_plan"]
        return SimpleNamespace(names=tuple(one.name for one in self.features), categories={"attr_plan": plans})


@pytest.fixture(scope="module")
def leaving(tmp_path_factory):
    path = written(tmp_path_factory.mktemp("bundles"), Leaving())
    return load_bundle(path, read_model=Leaving.from_files)


def told(bundle, **cells):
    """Status and warnings of one customer."""
    (answer,) = score(bundle, population(1, seed=5).assign(**cells), explain=False)
    return answer.status, [(warning.code, warning.field) for warning in answer.warnings]


def test_a_text_that_nobody_read_is_no_unseen_category(leaving):
    assert told(leaving, attr_region="atlantis") == ("ok", [])
    assert told(leaving, attr_plan="atlantis") == ("ok", [("UNSEEN_CATEGORY", "attr_plan")])


def test_an_attribute_that_is_not_offered_is_missed_only_where_it_is_read(leaving):
    customer = population(1, seed=5)
    (without,) = score(leaving, customer.drop(columns="attr_region"), explain=False)
    assert (without.status, without.warnings) == ("ok", ())
    (lacking,) = score(leaving, customer.drop(columns=["attr_region", "attr_plan"]), explain=False)
    assert (lacking.status, [warning.field for warning in lacking.warnings]) == ("partial", ["attr_plan"])


def test_a_left_out_attribute_still_stands_in_the_portrait(leaving):
    (answer,) = score(leaving, population(1, seed=5).assign(attr_region="atlantis"), explain=False)
    assert ("region", "atlantis") in [(one.code, one.value) for one in answer.portrait.profile.attributes]
