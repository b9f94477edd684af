from __future__ import annotations

import hashlib
import json
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from scored_company import CONFIG, FEATURES, MANIFEST, PARAMETERS, LinearModel, loaded, population, written

from churn_value.errors import BundleError, FingerprintMismatch
from churn_value.scoring.bundle import FORMAT, load_bundle
from churn_value.scoring.golden import golden_of
from churn_value.scoring.shelf import read_checked, write_addressed

FILES = ["config.json", "features.json", "golden.json", "manifest.json", "model/linear.json", "policy.yaml"]
FILES.append("reference.json")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return written(tmp_path_factory.mktemp("made"))


@pytest.fixture
def copy(made, tmp_path):
    return shutil.copytree(made, tmp_path / made.name)


def never_parsed(files):
    raise AssertionError("the model's parser saw bytes that were not checked", sorted(files))


def refused(path, code="BUNDLE_INVALID", **options):
    with pytest.raises(BundleError) as caught:
        load_bundle(path, read_model=never_parsed, **options)
    assert caught.value.code == code
    return str(caught.value)


def test_a_bundle_holds_these_files_and_no_other(made):
    assert sorted(str(one.relative_to(made)) for one in made.rglob("*") if one.is_file()) == FILES
    assert not list(made.parent.glob(".writing-*"))


def test_its_name_is_the_hash_of_its_manifest(made):
    manifest = (made / "manifest.json").read_bytes()
    assert made.name == hashlib.sha256(manifest).hexdigest()[:16]
    listed = json.loads(manifest)["files"]
    for name, entry in listed.items():
        content = (made / name).read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))


def test_the_same_content_has_the_same_name_and_another_has_not(made, tmp_path):
    assert written(tmp_path).name == made.name
    assert written(tmp_path).name == made.name  # a second time: found there, not written
    assert written(tmp_path, manifest={**MANIFEST, "seed": 8}).name != made.name
    assert written(tmp_path, policy="b2b").name != made.name


def test_what_is_loaded_is_what_was_written(made):
    bundle = loaded(made)
    assert bundle.version == made.name
    assert bundle.config == CONFIG
    assert bundle.catalog.features == FEATURES
    assert bundle.catalog.parameters == PARAMETERS
    assert bundle.manifest["data_sha256"] == MANIFEST["data_sha256"]
    assert bundle.model == LinearModel()
    assert [feature.name for feature in bundle.model_features] == [feature.name for feature in FEATURES]


def flipped(content, place):
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize("name", FILES)
def test_any_altered_file_is_refused_before_it_is_parsed(copy, name):
    file = copy / name
    original = file.read_bytes()
    rng = np.random.default_rng(1)
    changes = [original[:-1], original + b" ", b"", original * 2, original[::-1]]
    changes += [flipped(original, int(place)) for place in rng.integers(0, len(original), 12)]
    changes += [original[: int(cut)] for cut in rng.integers(1, len(original), 6)]
    for changed in changes:
        file.write_bytes(changed)
        refused(copy, "BUNDLE_HASH_MISMATCH")
    file.write_bytes(original)
    assert loaded(copy).version == copy.name


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    assert name.split("/")[-1].removesuffix(".json") in refused(copy)


@pytest.mark.parametrize("name", ["extra.txt", "model/extra.txt", "model.pkl", ".hidden", "model/sub/file"])
def test_a_superfluous_file_is_refused(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("x")
    assert name.split("/")[-1] in refused(copy) or "folder" in refused(copy)


@pytest.mark.parametrize("name", FILES)
def test_a_link_in_place_of_a_file_is_refused_even_to_the_same_bytes(copy, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(copy / name, elsewhere)
    (copy / name).symlink_to(elsewhere)
    assert "plain files only" in refused(copy)


def test_a_link_in_place_of_the_bundle_or_its_model_folder_is_refused(copy, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(copy)
    assert "not a link" in refused(link, version=copy.name)
    shutil.move(copy / "model", tmp_path / "moved")
    (copy / "model").symlink_to(tmp_path / "moved")
    refused(copy)


def test_a_pipe_does_not_hang_the_loader(copy):
    (copy / "policy.yaml").unlink()
    os.mkfifo(copy / "policy.yaml")
    assert "plain files only" in refused(copy)


def test_a_manifest_that_hashes_right_but_lists_other_files_is_refused(copy):
    manifest = json.loads((copy / "manifest.json").read_bytes())
    for files in ({}, manifest["files"] | {"../../secret": {"sha256": "0" * 64, "bytes": 1}}):
        text = json.dumps(manifest | {"files": files}).encode()
        (copy / "manifest.json").write_bytes(text)
        version = hashlib.sha256(text).hexdigest()[:16]
        assert "no others" in refused(copy, version=version)


def test_a_file_larger_than_allowed_is_not_read(copy, monkeypatch):
    monkeypatch.setattr("churn_value.scoring.shelf.MOST_FILE_BYTES", 100)
    assert "at most 100 bytes" in refused(copy)


def test_the_expected_version_may_be_given_apart_from_the_folder_s_name(copy, tmp_path):
    renamed = copy.rename(tmp_path / "champion")
    refused(renamed, "BUNDLE_HASH_MISMATCH")
    assert load_bundle(renamed, version=copy.name, read_model=LinearModel.from_files).version == copy.name


@pytest.mark.parametrize("name", ["../out", "a/b", "model/a/b", "", "model/", "model/../x", "x\0y", "é"])
def test_odd_names_are_never_written(tmp_path, name):
    with pytest.raises(BundleError, match="plain names"):
        write_addressed(tmp_path, {name: b"x"}, {})
    assert list(tmp_path.rglob("*")) == []


def test_a_crash_while_writing_leaves_nothing_that_looks_like_a_bundle(tmp_path, monkeypatch):
    def crash(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="No space"):
        written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def drifted_by(amount):
    def read(files):
        model = LinearModel.from_files(files)
        return LinearModel(model.with_value, (model.base[0] + amount, model.base[1]))

    return read


@pytest.mark.parametrize("amount", [1e-6, -1e-6, np.nan, np.inf])
def test_a_model_that_predicts_otherwise_than_its_golden_rows_is_refused(made, amount):
    with pytest.raises(BundleError, match=r"another churn_raw in row 0: .* instead of") as caught:
        load_bundle(made, read_model=drifted_by(amount))
    assert caught.value.code == "GOLDEN_ROWS_DIFFER"


def test_a_processor_that_rounds_otherwise_is_no_other_model(made):
    assert load_bundle(made, read_model=drifted_by(1e-13)).version == loaded(made).version


def test_a_model_that_lost_its_value_head_is_refused(made):
    with pytest.raises(BundleError, match="another value_raw in shape"):
        load_bundle(made, read_model=lambda _: LinearModel(with_value=False))


def test_a_manifest_s_keys_and_golden_rows_are_required(tmp_path):
    with pytest.raises(BundleError, match="without"):
        written(tmp_path, manifest={"model_name": "x"})
    with pytest.raises(BundleError, match="needs golden rows"):
        golden_of(population(0), LinearModel().predict(population(0)), [])


def test_well_hashed_nonsense_is_still_refused_by_name(tmp_path):
    files = {name: b"{}" for name in FILES if name != "manifest.json"}
    newer = write_addressed(tmp_path, files, {"format": 99})
    bare = write_addressed(tmp_path, {"model/linear.json": b"{}"}, {"format": FORMAT})
    hollow = write_addressed(tmp_path, files, {"format": FORMAT})
    assert f"reads bundles of format {FORMAT}; received format 99" in refused(newer, "BUNDLE_OUTDATED")
    assert "all its parts" in refused(bare)
    assert "must be readable" in refused(hollow)


def test_other_features_than_the_bundle_s_are_refused(made):
    bundle = loaded(made)
    bundle.catalog.check(SimpleNamespace(features=FEATURES, fingerprint="f" * 64))
    with pytest.raises(FingerprintMismatch, match="the bundle has ffff"):
        bundle.catalog.check(SimpleNamespace(features=FEATURES, fingerprint="e" * 64))


def test_reading_gives_the_checked_bytes(made):
    version, manifest, files = read_checked(made, None)
    assert version == made.name
    assert set(files) == set(manifest["files"])


def test_golden_rows_with_null_and_text_survive(tmp_path):
    frame = population(40)
    frame.loc[0, ["mean_gap_days", "satisfaction_level"]] = np.nan
    frame.loc[1, "attr_region"] = "unheard of, 'quoted' ünïcode"
    assert loaded(written(tmp_path, frame=frame)).version
