"""A policy previewed on a scored base, and tiers set by hand, as a user runs them."""

import hashlib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from churn_value.errors import ConfigError, DataContractError
from churn_value.scoring.policy import load_policy
from pipelines import preview_policy, score


def contents(*folders):
    """Hash of every file, to see that nothing was touched."""
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if "mlflow.db" not in path.name}


@pytest.fixture
def stricter(tmp_path):
    """The retail policy with fewer places at the top and other weights."""
    content = yaml.safe_load(Path("configs/policy/retail.yaml").read_text(encoding="utf-8"))
    content["version"] = 2
    content["weights"] |= {"value": 70, "behaviour": 10}
    content["tiers"]["levels"][0]["from_percentile"] = 99
    path = tmp_path / "stricter.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return load_policy(path)


def test_a_preview_shows_who_would_move_and_touches_nothing(places, config, promoted, stricter, tmp_path, capsys):
    scored = score.run(config, places)  # other tests score other dates, and a preview is of the last base scored
    before = contents(places.artifacts, places.models, places.data_root)
    result = preview_policy.run(config, places, stricter, out=tmp_path / "out")
    preview_policy.show(result)
    assert contents(places.artifacts, places.models, places.data_root) == before
    found = result.preview
    base = scored.answers.dropna(subset=["tier"])
    counts = base["tier"].value_counts()
    rows = found.tiers.set_index("tier")
    assert {tier: rows.loc[tier, "customers_before"] for tier in counts.index} == counts.to_dict()
    assert rows["expected_value_before"].sum() == pytest.approx(base["expected_value"].sum())
    assert rows["customers_after"].sum() == rows["customers_before"].sum() == found.customers
    assert 0 < len(found.movers) < found.customers
    movers = pd.read_csv(tmp_path / "out" / "movers.csv", dtype={"customer_id": str})
    assert movers["customer_id"].tolist() == found.movers["customer_id"].tolist()
    assert (tmp_path / "out" / "tiers.png").read_bytes().startswith(b"\x89PNG")
    assert f"{len(found.movers):,} of {found.customers:,} would move" in capsys.readouterr().out


def test_the_policy_in_force_moves_nobody(places, config, scored, tmp_path):
    found = preview_policy.run(config, places, scored.bundle.policy, out=tmp_path).preview
    assert found.movers.empty


def test_a_preview_before_any_scoring_says_what_to_do(places, config, promoted, stricter, tmp_path):
    with pytest.raises(ConfigError, match=r"run python -m pipelines\.score") as caught:
        preview_policy.run(config, replace(places, artifacts=tmp_path), stricter)
    assert caught.value.code == "NEVER_SCORED"


def test_an_override_of_the_company_is_applied_listed_and_published(places, config, scored, tmp_path, capsys):
    one, other = scored.answers.dropna(subset=["tier"])["customer_id"].head(2)
    data = tmp_path / "data"
    data.mkdir()
    (data / "synthetic").symlink_to(places.data_root / "synthetic")
    rows = [f"{one},S,board member,anna,2100-01-01", f"{other},S,trial,bert,2001-01-01"]
    (data / "by_hand.csv").write_text(
        "customer_id,tier,reason,owner,expires\n" + "\n".join(rows) + "\n", encoding="utf-8"
    )
    elsewhere = replace(places, data_root=data, artifacts=tmp_path / "artifacts")
    with_table = config.model_copy(update={"tier_overrides": "by_hand.csv"})
    result = score.run(with_table, elsewhere)
    score.show(result)
    answers = result.answers.set_index("customer_id")
    assert answers.loc[one, ["tier", "tier_source", "override_owner"]].tolist() == ["S", "override", "anna"]
    assert answers.loc[other, "tier_source"] == "model"
    assert elsewhere.tier_overrides(config.name).exists()
    printed = capsys.readouterr().out
    assert "Tiers set by hand" in printed
    assert "expired" in printed
    (data / "by_hand.csv").write_text(
        f"customer_id,tier,reason,owner,expires\n{one},S,,anna,2100-01-01\n", encoding="utf-8"
    )
    with pytest.raises(DataContractError) as caught:
        score.run(with_table, elsewhere)
    assert caught.value.code == "OVERRIDE_WITHOUT_REASON"
