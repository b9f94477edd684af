"""The document of settings has every key that a YAML may have, and what the models hold of each."""

from pydantic import BaseModel

from churn_value import config
from churn_value.config_document import config_markdown

TEXT = config_markdown()
MODELS = [
    one
    for one in vars(config).values()
    if isinstance(one, type) and issubclass(one, BaseModel) and one.__module__ == config.__name__ and one.model_fields
]


def test_every_setting_has_a_meaning():
    settings = {
        (model.__name__, name): field
        for model in MODELS
        for name, field in model.model_fields.items()
        if not field.exclude
    }
    assert len(settings) > 50
    assert [key for key, field in settings.items() if not field.description] == []
    assert TEXT.count("\n| `") == len(settings)


def test_ranges_defaults_and_places_are_those_of_the_models():
    for line in (
        "| `horizon_days` | integer from 1 to 36,500 | `90` | how far ahead value and churn are predicted |",
        "| `level` | number above 0 below 1 | `0.8` | share of values that lie within |",
        "| `on` | mapping to text | needed | this table's column: the other file's column |",
        "| `train` | list of date | needed | the parts of the heads are fitted on |",
        '| `separator` | text | `","` | what parts the columns of a CSV |',
        "| `max_total_bias` | number above 0 | `0.35` | \\|predicted / actual - 1\\| |",
    ):
        assert line in TEXT.splitlines()
    places = [line for line in TEXT.splitlines() if line.startswith("## ")]
    assert places[2:5] == ["## `tables.<table>`", "## `tables.<table>.joins[]`", "## `dates`"]
