"""The champion of another size that benchmarks of speed serve: larger boosters, much the same answers."""

import numpy as np
import pandas as pd
from served_company import NAME

from benchmarks import sized
from churn_value.scoring.bundle import load_bundle
from churn_value.scoring.score import score
from churn_value.tracking.exported import champion_folder_or_refuse


def test_its_heads_have_the_size_asked_for_and_say_much_what_the_champion_says(company, tmp_path):
    made = sized.settings_of(company.settings, NAME, 60, tmp_path)
    larger = load_bundle(champion_folder_or_refuse(made.exported(NAME), NAME))
    model, champion = larger.model, company.bundle.model
    boosters = [trees.boosters for trees in (*model.churn.trees, *(part.trees for part in model.value.parts))]
    assert [[len(booster.trees) for booster in of_a_head] for of_a_head in boosters] == [[60], [60]]
    rows = pd.read_parquet(company.settings.scored_features(NAME))
    said, known = model.predict(rows), champion.predict(rows)
    assert np.corrcoef(said.churn_raw, known.churn_raw)[0, 1] > 0.9
    assert np.corrcoef(said.value_raw, known.value_raw)[0, 1] > 0.9
    answers = score(larger, rows.head(5))
    assert {one.status for one in answers} == {"ok"}
    assert all(one.reasons.churn and one.reasons.value for one in answers)


def test_as_trained_nothing_is_made(company, tmp_path):
    assert sized.settings_of(company.settings, NAME, 0, tmp_path) is company.settings
    assert list(tmp_path.iterdir()) == []
    assert sized.results("batch", 0).name == "batch.json"
    assert sized.results("batch", 300).name == "batch_300.json"
