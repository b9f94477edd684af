"""A champion whose boosters have the size the field is used to, for benchmarks of speed.

The heads that are shipped are grown until they stop gaining, which makes them small. Here boosters of a given size are
grown to repeat the raw scores of the champion's heads, so that answers are much like its own, with as many reasons and
words, and only the boosters' share of the time changes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from churn_value.estimators import FloatArray
from churn_value.estimators.churn_head import ChurnHead
from churn_value.estimators.hurdle import HurdleModel
from churn_value.estimators.trees import Growing, Objective, Sample, TreeParams, Trees, fit_trees
from churn_value.estimators.value_head import ValueHead, ValuePart
from churn_value.scoring.bundle import Bundle, load_bundle, write_bundle
from churn_value.scoring.pointer import Pointer
from churn_value.scoring.reference import Reference
from churn_value.scoring.shelf import MANIFEST
from churn_value.settings import Settings
from churn_value.tracking.exported import champion_folder_or_refuse, point

RESULTS = Path(__file__).parent / "results"
GOLDEN_ROWS = 40
LEAF_ROWS = 5  # few: a base of some thousand customers must grow every tree to its full number of leaves
LEAVES, MOST_TREES = 31, 5_000

Grown = Annotated[
    int, typer.Option(min=0, max=MOST_TREES, help=f"Trees of {LEAVES} leaves in each head; 0: as trained.")
]


@dataclass(frozen=True)
class Grower:
    """Grows boosters of one size that repeat what is shown to them."""

    matrix: FloatArray
    categories: tuple[int, ...]
    trees: int

    def like(self, raw: FloatArray) -> Trees:
        """One booster whose raw score is close to `raw`, shape (n,)."""
        params = TreeParams(num_leaves=LEAVES, min_leaf_rows=LEAF_ROWS)
        growing = Growing(params, self.categories, (1,), 1)
        return fit_trees(Sample(self.matrix, raw), Objective("regression"), growing, rounds=[self.trees])

    def churn(self, head: ChurnHead) -> ChurnHead:
        """The head with one booster for all of its own, of their weight together."""
        known = len(head.trees)
        weights = head.weights[:known]
        raw = np.average([part.raw(self.matrix) for part in head.trees], axis=0, weights=weights)
        return replace(head, trees=(self.like(raw),), weights=(sum(weights), *head.weights[known:]))

    def value(self, head: ValueHead) -> ValueHead:
        """The head with one booster for all of its own."""
        part = ValuePart("tweedie", 1.0, self.like(head.raw(self.matrix)))
        return replace(head, parts=(part,), spend=None)


def results(benchmark: str, trees: int) -> Path:
    """File of a benchmark's results with heads of so many trees."""
    return RESULTS / (f"{benchmark}_{trees}.json" if trees else f"{benchmark}.json")


def settings_of(settings: Settings, name: str, trees: int, folder: Path) -> Settings:
    """Settings whose champion of `name` has heads of so many trees, in `folder`; the same settings for no trees.

    Needs a champion and its scored features (`make demo`).
    """
    if not trees:
        return settings
    rows = pd.read_parquet(settings.scored_features(name))
    bundle = load_bundle(champion_folder_or_refuse(settings.exported(name), name))
    made = replace(settings, models=folder / "models")
    exported = made.exported(name)
    place = _written(bundle, rows, trees, exported / "1")
    digest = hashlib.sha256((place / MANIFEST).read_bytes()).hexdigest()
    point(exported, Pointer("1", f"1/{place.name}", digest, place.name))
    return made


def _written(bundle: Bundle, rows: pd.DataFrame, trees: int, folder: Path) -> Path:
    """Bundle of the larger model; its reference population is the scored base."""
    model = _grown(bundle, rows, trees)
    folder.mkdir(parents=True)
    return write_bundle(
        folder,
        model,
        catalog=bundle.catalog,
        policy=bundle.policy,
        reference=Reference.fit(rows, model.predict(rows), bundle.catalog.features),
        config=bundle.config,
        manifest={name: value for name, value in bundle.manifest.items() if name not in {"files", "format"}},
        golden=rows.head(GOLDEN_ROWS),
        parameters=bundle.catalog.parameters,
        recommender=bundle.recommender,
    )


def _grown(bundle: Bundle, rows: pd.DataFrame, trees: int) -> HurdleModel:
    model = bundle.model
    if not isinstance(model, HurdleModel):
        raise TypeError(model)
    grower = Grower(model.design.matrix(rows), model.design.category_places, trees)
    value = None if model.value is None else grower.value(model.value)
    return replace(model, churn=grower.churn(model.churn), value=value)
