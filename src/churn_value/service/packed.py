"""What a Bento holds and how it is put together: the package, the champion, the last scored features, the requirements.

::

    <bento>/src/
      churn_value/                the package
      models/<name>/CHAMPION …    the champion's bundle, as exported
      artifacts/<name>/…          the last scored feature table, if there is one
      requirements.txt            locked with hashes

A Bento needs nothing outside its own folder. Where ``CHURN_VALUE_MODELS`` or ``CHURN_VALUE_ARTIFACTS`` name other
places, it follows the pointer and the table there, and what was packed stays unused.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import yaml

import churn_value
from churn_value.errors import ModelError
from churn_value.scoring.pointer import POINTER, bundle_folder, parse, read_bytes
from churn_value.scoring.shelf import read_checked
from churn_value.service.options import PREFIX, Options
from churn_value.settings import Settings

MODELS = "models"
ARTIFACTS = "artifacts"
LOG_TAIL = 2_000
_TAG = re.compile(r"churn_value:[a-z0-9._-]+")


def settings_here() -> Settings:
    """Folders of this process: those of the environment, else those packed beside the package, else the defaults."""
    settings = Settings.from_environment()
    beside = Path(churn_value.__file__).parents[1]
    if "CHURN_VALUE_MODELS" not in os.environ and (beside / MODELS).is_dir():
        settings = replace(settings, models=beside / MODELS)
    if "CHURN_VALUE_ARTIFACTS" not in os.environ and (beside / ARTIFACTS).is_dir():
        settings = replace(settings, artifacts=beside / ARTIFACTS)
    return settings


def options_here() -> Options:
    """Options of this process: those of the environment, and without a name there, the company that was packed.

    BentoML sets a Bento's variables in containers only, not where ``bentoml serve`` starts it from a folder.
    """
    options = Options.from_environment()
    packed = sorted((Path(churn_value.__file__).parents[1] / MODELS).glob(f"*/{POINTER}"))
    if f"{PREFIX}NAME" in os.environ or len(packed) != 1:
        return options
    return replace(options, name=packed[0].parent.name)


def stage(folder: Path, name: str, settings: Settings, requirements: Path) -> None:
    """Put what the Bento of a company holds into an empty folder.

    Parameters
    ----------
    folder
        Becomes the Bento's ``src``.
    name
        Company whose champion is packed.
    settings
        Where it is.
    requirements
        Locked requirements to install.

    Raises
    ------
    BundleError
        When the champion cannot be trusted.
    OSError
        When there is none.
    """
    exported = settings.exported(name)
    content = read_bytes(exported)
    bundle = bundle_folder(exported, parse(content))
    read_checked(bundle, None)
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(Path(churn_value.__file__).parent, folder / "churn_value", ignore=ignored)
    models = folder / MODELS / name
    shutil.copytree(bundle, models / bundle.relative_to(exported.resolve()))
    (models / POINTER).write_bytes(content)
    artifacts = folder / ARTIFACTS / name
    artifacts.mkdir(parents=True)
    table = settings.scored_features(name)
    if table.exists():
        shutil.copy2(table, artifacts / table.name)
    shutil.copy2(requirements, folder / "requirements.txt")
    (folder / "bentofile.yaml").write_text(yaml.safe_dump(_bentofile(name)), encoding="utf-8")


def _bentofile(name: str) -> dict[str, object]:
    environment = {f"{PREFIX}NAME": name, "BENTOML_DO_NOT_TRACK": "True", "OMP_NUM_THREADS": "1"}
    return {
        "service": "churn_value.service.app:ChurnValue",
        "include": ["churn_value/**", f"{MODELS}/**", f"{ARTIFACTS}/**", "requirements.txt"],
        "python": {"requirements_txt": "requirements.txt", "lock_packages": False},
        "envs": [{"name": key, "value": value} for key, value in environment.items()],
        "labels": {"model": name},
    }


def build(name: str, settings: Settings, requirements: Path) -> str:
    """Tag of a Bento built by ``bentoml build`` into BentoML's store (``BENTOML_HOME``).

    Raises
    ------
    ModelError
        ``BENTO_NOT_BUILT``; the message has the end of the builder's output.
    BundleError, OSError
        See `stage`.
    """
    with tempfile.TemporaryDirectory(prefix="churn-value-bento-") as folder:
        stage(Path(folder), name, settings, requirements)
        command = [sys.executable, "-m", "bentoml", "build", "--output", "tag", "."]
        variables = {**os.environ, "PYTHONPATH": folder, "BENTOML_DO_NOT_TRACK": "True", f"{PREFIX}NAME": name}
        done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter and arguments
    found = _TAG.search(done.stdout)
    if done.returncode or found is None:
        raise ModelError(
            "bentoml build must succeed",
            code="BENTO_NOT_BUILT",
            where=name,
            received=(done.stderr + done.stdout)[-LOG_TAIL:],
        )
    return found[0]
