"""Content-addressed directories: written whole or not at all, read only when every byte is as written."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from churn_value.errors import BundleError

MANIFEST = "manifest.json"
MODEL_FOLDER = "model"
VERSION_DIGITS = 16
MOST_FILES = 200
MOST_MANIFEST_BYTES = 1 << 20
MOST_FILE_BYTES = 1 << 28
MOST_BYTES = 1 << 29
_NAME = re.compile(rf"(?:{MODEL_FOLDER}/)?[A-Za-z0-9_][A-Za-z0-9_.-]{{0,99}}")


def version_of(manifest: bytes) -> str:
    """Name of the directory that holds this manifest."""
    return hashlib.sha256(manifest).hexdigest()[:VERSION_DIGITS]


def _refused(rule: str, where: object, received: object, code: str = "BUNDLE_INVALID") -> BundleError:
    return BundleError(
        rule, code=code, where=str(where), received=received, remedy="take the bundle from its registry again"
    )


def write_addressed(folder: Path, files: Mapping[str, bytes], manifest: Mapping[str, Any]) -> Path:
    """Write files and their manifest into ``folder/<version>``; a crash leaves either all of it or nothing there.

    Raises
    ------
    BundleError
        When a file's name is not a plain one.
    """
    for name in files:
        _check_name(name, folder)
    listed = {name: {"sha256": hashlib.sha256(files[name]).hexdigest(), "bytes": len(files[name])} for name in files}
    text = json.dumps({**manifest, "files": listed}, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1)
    content = {**files, MANIFEST: text.encode()}
    target = folder / version_of(content[MANIFEST])
    if target.exists():
        read_checked(target, None)
        return target
    folder.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        _write_all(draft, content)
        _rename(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    _sync(folder)
    return target


def _write_all(draft: Path, content: Mapping[str, bytes]) -> None:
    (draft / MODEL_FOLDER).mkdir()
    for name, data in content.items():
        with (draft / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    _sync(draft / MODEL_FOLDER)
    _sync(draft)


def _rename(draft: Path, target: Path) -> None:
    """Rename; another process that was faster with the same content has done our work."""
    draft.chmod(0o755)
    with contextlib.suppress(FileExistsError):
        try:
            draft.rename(target)
        except OSError:
            if not target.is_dir():
                raise
            read_checked(target, None)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_checked(path: Path, version: str | None) -> tuple[str, dict[str, Any], dict[str, bytes]]:
    """Version, manifest and files of a directory; no parser has seen a file whose hash was not right.

    Parameters
    ----------
    path
        The directory itself, not a link to it.
    version
        Expected version; None takes the directory's name.

    Raises
    ------
    BundleError
        ``BUNDLE_HASH_MISMATCH`` when the bytes of a file are not those listed; ``BUNDLE_INVALID`` when a file is
        missing, superfluous, a link or not a plain file, too large, or oddly named.
    """
    expected = path.name if version is None else version
    found = _found(path)
    if MANIFEST not in found:
        raise _refused("a bundle has a manifest", path, "none")
    raw = _read(path, MANIFEST, MOST_MANIFEST_BYTES)
    if version_of(raw) != expected:
        raise _refused(
            "the manifest must hash to the bundle's name",
            path / MANIFEST,
            f"{version_of(raw)} for {expected}",
            "BUNDLE_HASH_MISMATCH",
        )
    manifest: dict[str, Any] = json.loads(raw)
    listed: dict[str, dict[str, Any]] = manifest["files"]
    if set(listed) != found - {MANIFEST}:
        odd = sorted(set(listed) ^ (found - {MANIFEST}))
        raise _refused("a bundle holds the files of its manifest and no others", path, f"difference {odd[:5]}")
    if sum(entry["bytes"] for entry in listed.values()) > MOST_BYTES:
        raise _refused("a bundle is at most 512 MB", path, "more")
    files = {name: _verified(path, name, entry) for name, entry in listed.items()}
    return expected, manifest, files


def _verified(path: Path, name: str, entry: Mapping[str, Any]) -> bytes:
    data = _read(path, name, MOST_FILE_BYTES)
    if len(data) != entry["bytes"] or hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise _refused(
            "a file must be as it was written",
            path / name,
            f"{len(data)} bytes of another hash",
            "BUNDLE_HASH_MISMATCH",
        )
    return data


def _check_name(name: str, where: Path) -> None:
    if not _NAME.fullmatch(name):
        raise _refused("a bundle's files have plain names", where, repr(name[:80]))


def _found(path: Path) -> set[str]:
    """Names of all files; refuses links, other folders and anything that is not a plain file."""
    if path.is_symlink() or not path.is_dir():
        raise _refused("a bundle is a directory, not a link", path, "link" if path.is_symlink() else "no directory")
    found: set[str] = set()
    for prefix in ("", f"{MODEL_FOLDER}/"):
        with os.scandir(path / prefix) as entries:
            for entry in entries:
                name = f"{prefix}{entry.name}"
                if name == MODEL_FOLDER and entry.is_dir(follow_symlinks=False):
                    continue
                _check_name(name, path)
                if not entry.is_file(follow_symlinks=False):
                    raise _refused("a bundle holds plain files only", path / name, "a link, folder or device")
                found.add(name)
                if len(found) > MOST_FILES:
                    raise _refused(f"a bundle has at most {MOST_FILES} files", path, "more")
    return found


def _read(path: Path, name: str, most_bytes: int) -> bytes:
    """Bytes of a plain file; it is opened without following links, so it cannot become one between check and read."""
    try:
        handle = os.open(path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise _refused("a bundle's files must be readable", path / name, error.strerror) from None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > most_bytes:
            raise _refused(f"a file is plain and at most {most_bytes} bytes", path / name, f"{facts.st_size} bytes")
        return file.read(most_bytes + 1)
