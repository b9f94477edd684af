"""The folder of a model's exported bundles: its pointer, its log, and how bundles come into it.

::

    models/exported/<name>/
        CHAMPION             which bundle is served; replaced by atomic rename
        promotions.jsonl     every decision, appended, never rewritten
        <version>/<bundle>/  a bundle, written once
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from churn_value.errors import BundleError, RegistryError
from churn_value.scoring.pointer import POINTER, Pointer, parse, read_bytes
from churn_value.scoring.shelf import MANIFEST

if TYPE_CHECKING:  # the registry brings MLflow, and who only reads what is exported needs none of it
    from churn_value.tracking.gate import Verdict
    from churn_value.tracking.registry import Version

LOG = "promotions.jsonl"


def read_pointer(exported: Path) -> Pointer | None:
    """Champion's pointer; None before the first promotion.

    Raises
    ------
    RegistryError
        ``POINTER_INVALID`` when the file is there and is not a pointer.
    """
    try:
        return parse(read_bytes(exported))
    except FileNotFoundError:
        return None
    except BundleError as error:
        raise RegistryError(
            error.rule, code=error.code, where=str(exported / POINTER), received=error.received, remedy=error.remedy
        ) from None


def champion_folder(exported: Path) -> Path | None:
    """Folder of the champion's bundle; None before the first promotion."""
    pointer = read_pointer(exported)
    return None if pointer is None else exported / pointer.path


def champion_folder_or_refuse(exported: Path, name: str) -> Path:
    """Folder of the champion's bundle.

    Raises
    ------
    RegistryError
        ``NO_CHAMPION`` before the first promotion.
    """
    folder = champion_folder(exported)
    if folder is None:
        raise RegistryError(
            "this job needs a champion",
            code="NO_CHAMPION",
            where=f"model {name}",
            received="none promoted",
            remedy="python -m pipelines.train, then python -m pipelines.promote, with the same --config",
        )
    return folder


def history(exported: Path) -> list[dict[str, Any]]:
    """Decisions of the log, oldest first; a last line torn by a crash is left out."""
    path = exported / LOG
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return entries


def take(bundle: Path, place: Path) -> Path:
    """Move a synced copy to ``place/<bundle>``; files of an earlier, killed attempt give way."""
    for path in sorted(bundle.rglob("*")):
        _sync(path)
    _sync(bundle)
    place.mkdir(exist_ok=True)
    final = place / bundle.name
    if final.exists():
        shutil.rmtree(final)
    bundle.rename(final)
    _sync(place)
    return final


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def pointer_to(of: Version, folder: Path) -> Pointer:
    """Pointer to a version's bundle, with the hash of its manifest."""
    digest = hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
    return Pointer(str(of.number), f"{of.number}/{of.bundle}", digest, of.bundle, of.run_id)


def point(exported: Path, pointer: Pointer) -> None:
    """Replace the pointer: a reader sees the old one or the new one, never a part."""
    fresh = exported / f".{POINTER}.new"
    fresh.write_text(json.dumps(asdict(pointer), indent=1) + "\n", encoding="utf-8")
    _sync(fresh)
    fresh.replace(exported / POINTER)
    _sync(exported)


def write_log(
    exported: Path,
    decision: str,
    pointer: Pointer,
    *,
    now: datetime,
    previous: Pointer | None = None,
    verdict: Verdict | None = None,
) -> None:
    """Append one decision: promoted, refused, rolled_back or recovered."""
    entry = {
        "at": now.isoformat(timespec="seconds"),
        "decision": decision,
        "version": int(pointer.version),
        "bundle": pointer.bundle,
        "previous": None if previous is None else int(previous.version),
        "reasons": [] if verdict is None else verdict.reasons(),
        "verdict": None if verdict is None else verdict.to_dict(),
    }
    with (exported / LOG).open("r+b" if (exported / LOG).exists() else "w+b") as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            # A line torn by a crash must not swallow this one.
            file.write(b"" if file.read(1) == b"\n" else b"\n")
        file.write(json.dumps(entry, ensure_ascii=False, allow_nan=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
