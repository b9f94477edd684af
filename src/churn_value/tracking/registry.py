"""Model versions, their bundles and the aliases challenger and champion.

MLflow calls a version READY even when its files are gone, so nothing here is believed before `verify` has read the
downloaded bundle. A version points at a plain folder among its run's artifacts; no MLflow model flavour is involved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode

from churn_value.errors import RegistryError
from churn_value.tracking.locks import held
from churn_value.tracking.store import Store

CHALLENGER = "challenger"
CHAMPION = "champion"
PLACE = "churn_value.place"
REGISTER_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Version:
    """One registered model version.

    Parameters
    ----------
    name
        Registered model: the config's name.
    number
        1, 2, …
    run_id
        The training run it came from.
    place
        Its bundle's folder among that run's artifacts; the last part is the bundle's id.
    aliases
        Subset of challenger and champion.
    tags
        What was written at registration and by the gate.
    """

    name: str
    number: int
    run_id: str
    place: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def bundle(self) -> str:
        """Content address of the bundle."""
        return PurePosixPath(self.place).name


def _version(found: ModelVersion) -> Version:
    tags = dict(found.tags)
    return Version(
        name=found.name,
        number=int(found.version),
        run_id=str(found.run_id),
        place=tags.get(PLACE, ""),
        aliases=tuple(sorted(found.aliases)),
        tags=tags,
    )


def _is_missing(error: MlflowException) -> bool:
    # An unknown alias is INVALID_PARAMETER_VALUE in a database, an unknown model RESOURCE_DOES_NOT_EXIST.
    return error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST) or "not found" in str(error).lower()


def register(store: Store, name: str, run_id: str, place: str, tags: Mapping[str, str] | None = None) -> Version:
    """New version of the model `name`, made the challenger.

    Parameters
    ----------
    store
        An opened store.
    name
        The config's name.
    run_id, place
        Training run, and the bundle's folder among its artifacts as `TrainingRun.bundle` returned it.
    tags
        For example the data hash.
    """
    with held(store.folder / "registry.lock", wait_s=REGISTER_WAIT_S):
        _ensure_model(store, name)
        source = f"{store.client.get_run(run_id).info.artifact_uri}/{place}"
        made = store.client.create_model_version(name, source, run_id, tags={**(tags or {}), PLACE: place})
        store.client.set_registered_model_alias(name, CHALLENGER, made.version)
        return version(store, name, int(made.version))


def _ensure_model(store: Store, name: str) -> None:
    try:
        store.client.get_registered_model(name)
    except MlflowException as error:
        if not _is_missing(error):
            raise
        store.client.create_registered_model(name)


def _unknown(name: str, what: str, remedy: str) -> RegistryError:
    return RegistryError(
        "a version must be registered before it is used",
        code="VERSION_UNKNOWN",
        where=f"model {name}",
        received=what,
        remedy=remedy,
    )


def version(store: Store, name: str, number: int) -> Version:
    """Version by its number.

    Raises
    ------
    RegistryError
        ``VERSION_UNKNOWN``.
    """
    try:
        return _version(store.client.get_model_version(name, str(number)))
    except MlflowException as error:
        if not _is_missing(error):
            raise
        known = [v.number for v in versions(store, name)]
        raise _unknown(name, f"version {number}", f"registered: {known or 'none; train first'}") from None


def versions(store: Store, name: str) -> tuple[Version, ...]:
    """All versions of a model, oldest first; empty when it is not registered."""
    found = store.client.search_model_versions(f"name = '{name}'", max_results=1000)
    return tuple(sorted((version(store, name, int(v.version)) for v in found), key=lambda v: v.number))


def by_alias(store: Store, name: str, alias: str) -> Version | None:
    """Version that holds `alias`; None when nobody does."""
    try:
        return _version(store.client.get_model_version_by_alias(name, alias))
    except MlflowException as error:
        if _is_missing(error):
            return None
        raise


def challenger(store: Store, name: str) -> Version:
    """Version that wants to become champion.

    Raises
    ------
    RegistryError
        ``VERSION_UNKNOWN`` when nothing has been trained.
    """
    found = by_alias(store, name, CHALLENGER)
    if found is None:
        raise _unknown(name, "no challenger", "train first: python -m pipelines.train --config <yaml>")
    return found


def set_alias(store: Store, name: str, alias: str, number: int) -> None:
    """Move an alias to a version; the version that held it loses it."""
    store.client.set_registered_model_alias(name, alias, str(number))


def tag(store: Store, of: Version, values: Mapping[str, str]) -> None:
    """Write tags on a version."""
    for key, value in values.items():
        store.client.set_model_version_tag(of.name, str(of.number), key, value)


def download(store: Store, of: Version, destination: Path) -> Path:
    """Copy of a version's bundle under `destination`; nothing is parsed and nothing is checked here.

    Returns
    -------
    Path
        Folder named by the bundle's id, somewhere under `destination`.

    Raises
    ------
    RegistryError
        ``BUNDLE_MISSING`` when the files are gone, whatever status MLflow reports.
    """
    missing = RegistryError(
        "a registered version needs its bundle among its run's artifacts",
        code="BUNDLE_MISSING",
        where=f"model {of.name} version {of.number}",
        received=of.place or "no place",
        remedy="restore the artifact folder, or train again",
    )
    if not of.place:
        raise missing
    destination.mkdir(parents=True, exist_ok=True)
    try:
        found = Path(store.client.download_artifacts(of.run_id, of.place, str(destination)))
    except (MlflowException, OSError):
        raise missing from None
    if not found.is_dir() or not any(found.iterdir()):
        raise missing
    return found


def delete(store: Store, of: Version) -> None:
    """Remove a version that holds no alias.

    Raises
    ------
    RegistryError
        ``VERSION_IN_USE``: MLflow would silently drop the alias together with the version.
    """
    current = version(store, of.name, of.number)
    if current.aliases:
        raise RegistryError(
            "a version that holds an alias is not deleted",
            code="VERSION_IN_USE",
            where=f"model {of.name} version {of.number}",
            received=", ".join(current.aliases),
            remedy="move the alias first",
        )
    store.client.delete_model_version(of.name, str(of.number))
