"""One way to open MLflow: SQLite (or a server), migrated once, telemetry off.

MLflow creates its tables when a store is first opened; several processes doing so at once break each other
(``duplicate column name``), so the first opening of each process happens under a file lock. The file store is in
maintenance only and has had path traversal faults; it is refused by name.
"""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from sqlalchemy.exc import SADeprecationWarning

from churn_value.errors import RegistryError
from churn_value.tracking.locks import LockBusy, held

MIGRATION_WAIT_S = 120.0
SQLITE = "sqlite:///"
REMOTE_SCHEMES = ("http", "https", "postgresql", "mysql", "mssql")


@dataclass(frozen=True, slots=True)
class Store:
    """An opened tracking store.

    Parameters
    ----------
    uri
        Where MLflow keeps runs and versions; what ``mlflow ui --backend-store-uri`` takes.
    client
        MLflow's low-level client.
    folder
        Local folder for locks and, with SQLite, for artifacts.
    """

    uri: str
    client: MlflowClient
    folder: Path

    @property
    def artifact_root(self) -> str | None:
        """Where a new experiment keeps its files; None lets a server decide."""
        return str(self.folder / "mlartifacts") if self.uri.startswith(SQLITE) else None

    def experiment(self, name: str) -> str:
        """Id of the experiment `name`, created when absent."""
        with held(self.folder / "experiments.lock", wait_s=MIGRATION_WAIT_S):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                root = self.artifact_root
                return str(self.client.create_experiment(name, f"{root}/{name}" if root else None))
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)


def _refused(uri: str, code: str, rule: str) -> RegistryError:
    remedy = "write sqlite:///<absolute path>/mlflow.db, or the address of an MLflow server"
    return RegistryError(rule, code=code, where="MLFLOW_TRACKING_URI", received=uri, remedy=remedy)


def checked_uri(uri: str) -> str:
    """`uri` with an absolute path, when it names a store we trust runs to.

    Raises
    ------
    RegistryError
        ``TRACKING_FILE_STORE`` for ``file:`` addresses and bare paths, ``TRACKING_MEMORY_STORE`` for SQLite in
        memory, ``TRACKING_URI`` for anything else that is not a database or a server.
    """
    scheme = urlsplit(uri).scheme.split("+")[0]
    if scheme in {"", "file"}:
        raise _refused(uri, "TRACKING_FILE_STORE", "runs are kept in a database, never in MLflow's file store")
    if scheme in REMOTE_SCHEMES:
        return uri
    if not uri.startswith(SQLITE) or uri in {SQLITE, f"{SQLITE}:memory:"} or ":memory:" in uri:
        code = "TRACKING_MEMORY_STORE" if scheme == "sqlite" else "TRACKING_URI"
        raise _refused(uri, code, "runs must outlive the process that logs them")
    return f"{SQLITE}{Path(uri.removeprefix(SQLITE)).resolve()}"


def open_store(uri: str, *, state: Path | None = None) -> Store:
    """Tracking store at `uri`, its tables created or brought up to date.

    Parameters
    ----------
    uri
        ``sqlite:///<path>`` or the address of a server or database.
    state
        Folder for locks; with SQLite it defaults to the database's own folder, otherwise to ``.artifacts``.

    Raises
    ------
    RegistryError
        See `checked_uri`; ``TRACKING_BUSY`` when another process has been migrating for two minutes.
    """
    uri = checked_uri(uri)
    default = Path(uri.removeprefix(SQLITE)).parent if uri.startswith(SQLITE) else Path(".artifacts")
    folder = (state or default).resolve()
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    try:
        with held(folder / "migration.lock", wait_s=MIGRATION_WAIT_S), warnings.catch_warnings():
            # Raised by MLflow's own models under SQLAlchemy 2.1; nothing a user could act on.
            warnings.simplefilter("ignore", SADeprecationWarning)
            client = MlflowClient(tracking_uri=uri, registry_uri=uri)
            client.search_experiments(max_results=1)
            client.search_registered_models(max_results=1)
    except LockBusy:
        raise RegistryError(
            "one process at a time may create or migrate the tracking store",
            code="TRACKING_BUSY",
            where=uri,
            remedy="wait for the other process, then try again",
        ) from None
    return Store(uri, client, folder)
