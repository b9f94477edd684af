"""The model being served: followed through a local pointer file, verified before use, swapped as one reference.

The pointer is ``models/exported/<name>/CHAMPION``, a small JSON object ``{"version", "path", "sha256"}``; `path` is the
bundle's folder beside it and `sha256` the hash of the bundle's ``manifest.json``, which in turn holds the hash of every
other file. Whoever promotes writes it by atomic rename. A pointer or bundle that cannot be trusted changes nothing: the
bundle in use stays, and readiness says why the newer one was refused. MLflow is not needed for any of this.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from churn_value.errors import BundleError, ChurnValueError
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.service.events import EventFeatures, maker_of

POINTER = "CHAMPION"
MANIFEST = "manifest.json"
LARGEST_POINTER_BYTES = 65_536
POLLS_BETWEEN_RETRIES = 20
log = logging.getLogger("churn_value.service")


class Pointer(BaseModel):
    """Content of the pointer file; further keys are for people and ignored."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)
    version: Annotated[str, Field(min_length=1, max_length=64)]
    run_id: str | None = None
    path: Annotated[str, Field(min_length=1, max_length=1_024)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Served:
    """A verified bundle and the version it is."""

    bundle: Bundle
    version: str
    run_id: str | None = None

    @cached_property
    def event_features(self) -> EventFeatures | None:
        """What makes this model's features from raw events; compiled when first asked for, None when it cannot be."""
        return maker_of(self.bundle)


class Champion:
    """Follower of one pointer file.

    Parameters
    ----------
    folder
        Folder that holds the pointer and the bundles.

    Attributes
    ----------
    current
        What is served, or None before the first verified bundle. Replaced as a whole: a request reads it once.
    fault
        Code of why the newest pointer could not be followed, or None.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._followed: bytes | None = None
        self._refused: bytes | None = None
        self._polls_since_refusal = 0
        self.current: Served | None = None
        self.fault: str | None = None

    def refresh(self) -> None:
        """Look at the pointer; load and swap when it names something new.

        A refused pointer is tried again only now and then, so that a bad bundle does not cost a load per poll.
        """
        try:
            content = self._read()
            if content == self._followed:
                self._refused = self.fault = None
            elif not self._is_waiting(content):
                self.current = self._load(content)
                self._followed, self._refused, self.fault = content, None, None
        except ChurnValueError as error:
            self.fault = error.code
        except OSError:
            self.fault = "POINTER_UNREADABLE"
        except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
            # A bundle whose hashes are right can still be of another making; the one in use must outlive it.
            log.warning('{"event": "bundle", "error": "%s"}', type(error).__name__)
            self.fault = "BUNDLE_UNREADABLE"

    def _read(self) -> bytes:
        with (self._folder / POINTER).open("rb") as file:
            content = file.read(LARGEST_POINTER_BYTES + 1)
        if len(content) > LARGEST_POINTER_BYTES:
            raise BundleError("the pointer must be a small JSON object", code="POINTER_INVALID")
        return content

    def _is_waiting(self, content: bytes) -> bool:
        """Whether this very pointer was refused lately; otherwise it is tried now."""
        self._polls_since_refusal += 1
        if content == self._refused and self._polls_since_refusal < POLLS_BETWEEN_RETRIES:
            return True
        self._refused, self._polls_since_refusal = content, 0
        return False

    def _load(self, content: bytes) -> Served:
        try:
            pointer = Pointer.model_validate_json(content)
        except ValidationError:
            raise BundleError("the pointer must hold version, path and sha256", code="POINTER_INVALID") from None
        place = self._place(pointer)
        digest = hashlib.sha256((place / MANIFEST).read_bytes()).hexdigest()
        if not hmac.compare_digest(digest, pointer.sha256):
            raise BundleError("the manifest must be the one the pointer names", code="BUNDLE_HASH_MISMATCH")
        return Served(load_bundle(place), pointer.version, pointer.run_id)

    def _place(self, pointer: Pointer) -> Path:
        folder = self._folder.resolve()
        place = (folder / pointer.path).resolve()
        if not place.is_relative_to(folder) or place == folder:
            raise BundleError("the pointer must lead to a folder beside it", code="POINTER_OUTSIDE")
        return place
