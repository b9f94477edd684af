"""The deployable unit: a directory written once, named by its content, and trusted only after every byte is checked.

::

    1f3a9c…/                first 16 hex digits of the sha256 of manifest.json: the bundle's version
      manifest.json         sha256 and size of every other file; data hash, seed, library versions …
      model/…               LightGBM texts and one JSON
      features.json         the catalog: parameters, fingerprint, ordered features
      policy.yaml           the policy
      reference.json        the frozen reference population
      config.json           the configuration
      recommender.json      next best items, where the company sells any (may be absent)
      golden.json           rows with their predictions, to the bit

Nothing is a pickle. LightGBM's text parser can be made to write outside its memory by a damaged file, so the loader
reads each file once, checks the hash of exactly those bytes, and only then hands *those bytes* to any parser. Last, the
golden rows must be predicted bit by bit as they were when the bundle was written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import yaml
from pydantic import ValidationError

from churn_value.config import Config
from churn_value.errors import TRAIN_AGAIN, BundleError, OutdatedBundle
from churn_value.estimators.hurdle import HurdleModel
from churn_value.estimators.sieve import ATTRIBUTE
from churn_value.recommendation.recommender import Recommender
from churn_value.scoring.answer import ModelName, PolicyName
from churn_value.scoring.golden import check_golden, golden_of
from churn_value.scoring.model_shape import Model
from churn_value.scoring.offered import Expected
from churn_value.scoring.policy import Policy, policy_of
from churn_value.scoring.policy_words import PolicyWords
from churn_value.scoring.portrait import Shown
from churn_value.scoring.quantities import FactColumns
from churn_value.scoring.reason_groups import Grouping
from churn_value.scoring.reference import Reference
from churn_value.scoring.shelf import MODEL_FOLDER, read_checked, write_addressed
from churn_value.scoring.spoken import Phrasebook
from churn_value.scoring.standing import Frozen
from churn_value.scoring.stored_catalog import CatalogLike, StoredCatalog, StoredFeature, stored_catalog
from churn_value.scoring.subscores import overall_thresholds
from churn_value.scoring.wording import Language, minor_units

FORMAT = 2
RECOMMENDER = "recommender.json"
PARTS = ("features.json", "policy.yaml", "reference.json", "config.json", "golden.json")


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, ready to score; what every call would work out again is worked out once and kept."""

    version: str
    manifest: Mapping[str, Any]
    model: Model = field(repr=False)
    catalog: StoredCatalog = field(repr=False)
    policy: Policy = field(repr=False)
    reference: Reference = field(repr=False)
    config: Config = field(repr=False)
    frozen: Frozen = field(repr=False)
    recommender: Recommender | None = field(default=None, repr=False)

    def under(self, policy: Policy) -> Bundle:
        """The same model under another policy, in memory only: to preview who would move."""
        return replace(self, policy=policy, frozen=_frozen(self.reference, policy, self.config))

    @cached_property
    def model_features(self) -> tuple[StoredFeature, ...]:
        """Features in the order of the model's contributions."""
        by_name = {feature.name: feature for feature in self.catalog.features}
        return tuple(by_name[name] for name in self.model.design.names)

    @cached_property
    def grouping(self) -> Grouping:
        """Groups of the model's features that reasons are made of."""
        return Grouping.of(self.model_features)

    @cached_property
    def phrasebook(self) -> Phrasebook:
        """Sentences of reasons, ready but for the customer's value; filled by use."""
        return {}

    @cached_property
    def expected(self) -> Expected:
        """What a feature table must look like."""
        design = self.model.design
        left_out = {name for name in self.catalog.names if name.startswith(ATTRIBUTE)} - {*design.names}
        return Expected.of(
            self.catalog.features, categories=design.categories, reference=self.reference, unread=left_out
        )

    @cached_property
    def fact_columns(self) -> FactColumns:
        """Which features show what."""
        return FactColumns.of(self.catalog.features)

    @cached_property
    def shown(self) -> Shown:
        """Which features a portrait shows."""
        return Shown.of(self.catalog.features)

    @cached_property
    def words(self) -> Mapping[Language, PolicyWords]:
        """What the policy says, by language."""
        return {language: PolicyWords.of(self.policy, language) for language in get_args(Language)}

    @cached_property
    def named(self) -> tuple[ModelName, PolicyName]:
        """Model and policy as answers name them."""
        model = ModelName(str(self.manifest["model_name"]), self.version, self.manifest["trained_through"])
        return model, PolicyName(self.policy.id, self.policy.version, self.policy.sha256)


def _json(content: Any) -> bytes:
    """JSON in the order of `content`: the order of attributes is the order of their features."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1).encode()


def write_bundle(
    folder: Path,
    model: Model,
    *,
    catalog: CatalogLike,
    policy: Policy,
    reference: Reference,
    config: Config,
    manifest: Mapping[str, Any],
    golden: pd.DataFrame,
    parameters: Mapping[str, Any],
    recommender: Recommender | None = None,
) -> Path:
    """Write a bundle: to a temporary directory, synced to disk, then renamed to its name.

    Parameters
    ----------
    folder
        Where bundles are kept; made if absent.
    manifest
        At least ``model_name``, ``created_at``, ``trained_through``, ``data_sha256``, ``seed`` and ``libraries``; the
        files' hashes are added.
    golden
        Some feature rows (20 to 200 are plenty), kept with their predictions.
    parameters
        What the catalog was made with, so that it can be made again.
    recommender
        Of next best items; None where there is nothing to recommend.

    Returns
    -------
    Path
        ``folder/<version>``; the same content gives the same version, and is not written twice.

    Raises
    ------
    BundleError
        When the manifest lacks a key, or there is no golden row.
    """
    absent = sorted(MANIFEST_KEYS - set(manifest))
    if absent:
        raise BundleError("a manifest says where a model is from", where="manifest", received=f"without {absent}")
    files = {f"{MODEL_FOLDER}/{name}": content for name, content in model.to_files().items()}
    files["features.json"] = _json(stored_catalog(catalog, parameters).to_json())
    files["policy.yaml"] = policy.to_yaml().encode()
    files["reference.json"] = reference.to_json().encode()
    files["config.json"] = _json(config.model_dump(mode="json"))
    files["golden.json"] = _json(golden_of(golden, model.predict(golden), model.design.names))
    if recommender is not None:
        files[RECOMMENDER] = recommender.to_json()
    return write_addressed(folder, files, {**manifest, "format": FORMAT})


MANIFEST_KEYS = frozenset({"model_name", "created_at", "trained_through", "data_sha256", "seed", "libraries"})


def load_bundle(
    path: Path,
    *,
    version: str | None = None,
    read_model: Callable[[Mapping[str, bytes]], Model] = HurdleModel.from_files,
) -> Bundle:
    """Bundle in a directory, after every file has been checked.

    Parameters
    ----------
    path
        The bundle's directory.
    version
        What the directory must hold; None takes the directory's own name.
    read_model
        Parser of the model's files; sees bytes only after their hashes were found right.

    Raises
    ------
    BundleError
        When a file is altered, missing, superfluous, too large, or not a plain file; or when a golden row is predicted
        differently than when the bundle was written.
    OutdatedBundle
        When it is whole but was written by a version of churn_value with another format.
    """
    version, manifest, files = read_checked(path, version)
    if manifest.get("format") != FORMAT:
        raise OutdatedBundle(
            f"this version of churn_value reads bundles of format {FORMAT}",
            where=str(path),
            received=f"format {manifest.get('format')}",
            remedy=TRAIN_AGAIN,
        )
    model_files = {
        name.removeprefix(f"{MODEL_FOLDER}/"): content
        for name, content in files.items()
        if name.startswith(f"{MODEL_FOLDER}/")
    }
    absent = sorted(set(PARTS) - set(files))
    if absent:
        raise BundleError("a bundle has all its parts", where=str(path), received=f"without {absent}")
    try:
        catalog = StoredCatalog.from_json(json.loads(files["features.json"]))
        config = Config.model_validate(json.loads(files["config.json"]))
        golden = json.loads(files["golden.json"])
        policy = policy_of(yaml.safe_load(files["policy.yaml"]), f"{path}/policy.yaml")
    except (KeyError, TypeError, ValueError, ValidationError, yaml.YAMLError) as error:
        raise BundleError("the parts of a bundle must be readable", where=str(path), received=repr(error)) from None
    reference = Reference.from_json(files["reference.json"].decode())
    model = read_model(model_files)
    check_golden(golden, model, str(path))
    frozen = _frozen(reference, policy, config)
    recommender = Recommender.from_json(files[RECOMMENDER]) if RECOMMENDER in files else None
    return Bundle(version, manifest, model, catalog, policy, reference, config, frozen, recommender)


def _frozen(reference: Reference, policy: Policy, config: Config) -> Frozen:
    return Frozen(reference, policy, overall_thresholds(reference, policy), minor_units(config.currency))
