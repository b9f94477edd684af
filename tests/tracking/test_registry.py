import shutil
from pathlib import Path

import pytest
from evaluations import verify

from churn_value.errors import RegistryError
from churn_value.tracking import registry


def test_each_registration_is_the_next_version_and_the_challenger(store, train):
    first, second = train("one"), train("two")
    assert (first.number, second.number) == (1, 2)
    assert registry.challenger(store, "acme") == second
    assert registry.version(store, "acme", 1).aliases == ()
    assert [v.number for v in registry.versions(store, "acme")] == [1, 2]
    assert second.bundle == Path(second.place).name != first.bundle


def test_nothing_registered_is_said_with_the_command_that_helps(store):
    with pytest.raises(RegistryError, match=r"pipelines\.train") as caught:
        registry.challenger(store, "acme")
    assert caught.value.code == "VERSION_UNKNOWN"
    assert registry.by_alias(store, "acme", "champion") is None
    assert registry.versions(store, "acme") == ()


def test_an_unknown_version_is_named_with_those_that_exist(store, train):
    train("one")
    with pytest.raises(RegistryError, match=r"version 7.*\[1\]"):
        registry.version(store, "acme", 7)


def test_a_downloaded_bundle_has_the_bytes_that_were_logged(store, train, tmp_path):
    copy = registry.download(store, train("one"), tmp_path / "copy")
    assert verify(copy) == "one"


def test_a_version_whose_files_are_gone_is_refused_though_it_says_ready(store, train, tmp_path):
    version = train("one")
    found = Path(store.client.get_run(version.run_id).info.artifact_uri) / version.place
    shutil.rmtree(found)
    assert store.client.get_model_version("acme", "1").status == "READY"
    with pytest.raises(RegistryError) as caught:
        registry.download(store, version, tmp_path / "copy")
    assert caught.value.code == "BUNDLE_MISSING"


def test_a_version_that_holds_an_alias_is_not_deleted(store, train):
    first, _ = train("one"), train("two")
    registry.set_alias(store, "acme", registry.CHAMPION, 1)
    with pytest.raises(RegistryError) as caught:
        registry.delete(store, first)
    assert caught.value.code == "VERSION_IN_USE"
    registry.set_alias(store, "acme", registry.CHAMPION, 2)
    registry.delete(store, first)
    assert [v.number for v in registry.versions(store, "acme")] == [2]
