from pathlib import Path

import pytest

from churn_value.config import load_config
from churn_value.errors import ConfigError

SMALLEST = """
name: shop
tables:
  purchases: {path: shop.csv, columns: {customer_id: id, event_time: at, amount: paid}}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_smallest_yaml_has_a_default_for_everything_else(tmp_path):
    config = load_config(written(tmp_path, SMALLEST))
    assert (config.horizon_days, config.churn.definition, config.cohort.rule) == (90, "no_purchase", "purchased")
    assert config.has_value
    assert not config.is_snapshot


def test_the_policy_is_found_beside_the_yaml_that_names_it(tmp_path):
    config = load_config(written(tmp_path, SMALLEST + "policy: mine.yaml\n"))
    assert config.policy_file == tmp_path / "mine.yaml"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (SMALLEST + "horizon_day: 30\n", ["shop.yaml: horizon_day", "did you mean horizon_days?"]),
        (SMALLEST + "horizon_days: 0\n", ["shop.yaml: horizon_days", "received 0"]),
        (SMALLEST + "horizon_days: soon\n", ["shop.yaml: horizon_days", "received soon"]),
        (SMALLEST + "tuning: {trails: 3}\n", ["shop.yaml: tuning.trails", "did you mean trials?"]),
        (SMALLEST + "churn: {definition: no_visit}\n", ["needs tables.visits"]),
        (SMALLEST + "windows_days: [90, 30]\n", ["windows_days", "increasing"]),
        (SMALLEST.replace("purchases:", "purchase:"), ["tables.purchase is not a table", "did you mean purchases?"]),
        ("- a\n- b\n", ["must hold keys and values", "received list"]),
        ("name: [\n", ["must be YAML"]),
    ],
)
def test_a_refusal_names_the_file_the_key_what_was_received_and_what_to_write(tmp_path, text, parts):
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.exit_status == 10


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: the file must exist"):
        load_config(tmp_path / "nowhere.yaml")


def test_overrides_replace_single_settings_and_change_the_hash(tmp_path):
    path = written(tmp_path, SMALLEST)
    plain, changed = load_config(path), load_config(path, ("tuning.trials=3", "windows_days=[7, 30]"))
    assert (changed.tuning.trials, changed.windows_days) == (3, (7, 30))
    assert plain.sha256 != changed.sha256
    with pytest.raises(ConfigError, match="key=value"):
        load_config(path, ("tuning.trials",))
    with pytest.raises(ConfigError, match="lead through mappings"):
        load_config(path, ("name.first=x",))


def test_the_hash_knows_the_settings_and_not_the_place_of_the_file(tmp_path):
    (tmp_path / "other").mkdir()
    assert load_config(written(tmp_path, SMALLEST)).sha256 == load_config(written(tmp_path / "other", SMALLEST)).sha256


def test_on_yes_and_no_are_texts_and_only_true_and_false_are_booleans(tmp_path):
    text = SMALLEST.replace("paid}}", "paid}, joins: [{path: b.csv, on: {id: id}}], constants: {flag: true, said: No}}")
    purchases = load_config(written(tmp_path, text)).tables["purchases"]
    assert purchases.joins[0].on == {"id": "id"}
    assert purchases.constants == {"flag": True, "said": "No"}


def test_a_mapping_with_keys_that_are_not_texts_is_refused_and_not_a_crash(tmp_path):
    with pytest.raises(ConfigError, match="tables"):
        load_config(written(tmp_path, "name: shop\ntables: {purchases: {1: a}}\n"))
