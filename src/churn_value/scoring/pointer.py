"""Which bundle is the champion: a small JSON file beside the bundles, replaced by atomic rename when one is promoted.

``models/exported/<name>/CHAMPION`` holds ``{"version", "path", "sha256"}``. Whoever promotes writes it; jobs and the
service read it, and need no registry for that.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from pathlib import Path

from churn_value.errors import BundleError
from churn_value.scoring.shelf import MANIFEST

POINTER = "CHAMPION"
LARGEST_BYTES = 65_536
LONGEST_VERSION = 64
LONGEST_PATH = 1_024
_SHA256 = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Pointer:
    """What serving follows.

    Parameters
    ----------
    version
        Registered version, as text.
    path
        Bundle's folder relative to the pointer's own.
    sha256
        Of the bundle's ``manifest.json``, which holds the hash of every other file.
    bundle, run_id
        For people.
    """

    version: str
    path: str
    sha256: str
    bundle: str = ""
    run_id: str = ""


def read_bytes(folder: Path) -> bytes:
    """Content of a folder's pointer file.

    Raises
    ------
    OSError
        When there is none, or it cannot be read.
    BundleError
        ``POINTER_INVALID`` when it is larger than a pointer can be.
    """
    with (folder / POINTER).open("rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise _invalid("too many bytes")
    return content


def parse(content: bytes) -> Pointer:
    """Pointer in the bytes of its file; further keys are ignored.

    Raises
    ------
    BundleError
        ``POINTER_INVALID``.
    """
    try:
        found = json.loads(content)
        version, path, sha256 = (str(found[key]) for key in ("version", "path", "sha256"))
        pointer = Pointer(version, path, sha256, str(found.get("bundle") or ""), str(found.get("run_id") or ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _invalid(type(error).__name__) from None
    lengths_hold = 0 < len(version) <= LONGEST_VERSION and 0 < len(path) <= LONGEST_PATH
    if not lengths_hold or not _SHA256.fullmatch(sha256) or "\0" in path:
        raise _invalid("another version, path or sha256")
    return pointer


def bundle_folder(folder: Path, pointer: Pointer) -> Path:
    """Folder of the bundle a pointer names, its manifest checked against the pointer's hash.

    Raises
    ------
    BundleError
        ``POINTER_OUTSIDE`` when it leads out of `folder`, ``BUNDLE_HASH_MISMATCH`` when the manifest is another.
    OSError
        When there is no manifest.
    """
    root = folder.resolve()
    place = (root / pointer.path).resolve()
    if not place.is_relative_to(root) or place == root:
        raise BundleError("the pointer must lead to a folder beside it", code="POINTER_OUTSIDE")
    digest = hashlib.sha256((place / MANIFEST).read_bytes()).hexdigest()
    if not hmac.compare_digest(digest, pointer.sha256):
        raise BundleError("the manifest must be the one the pointer names", code="BUNDLE_HASH_MISMATCH")
    return place


def _invalid(received: str) -> BundleError:
    return BundleError(
        "the pointer is a small JSON object with version, path and sha256",
        code="POINTER_INVALID",
        where=POINTER,
        received=received,
        remedy="promote again, or roll back to a version in promotions.jsonl",
    )
