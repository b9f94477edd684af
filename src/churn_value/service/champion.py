"""The model being served: followed through a local pointer file, verified before use, swapped as one reference.

A pointer or bundle that cannot be trusted changes nothing: the bundle in use stays, and readiness says why the newer
one was refused. What is new passes, in this order: the pointer's hash of the manifest, the manifest's hash of every
file, a trial in a child process, the load itself with its golden rows, and answers for those rows. MLflow is not needed
for any of this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from churn_value.errors import ChurnValueError
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.pointer import bundle_folder, parse, read_bytes
from churn_value.scoring.shelf import read_checked
from churn_value.service.events.features import EventFeatures, maker_of
from churn_value.service.proof import prove

POLLS_BETWEEN_RETRIES = 20
log = logging.getLogger("churn_value.service")


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
    trial
        What a bundle must survive before it replaces one that is being served; raises when it does not.

    Attributes
    ----------
    current
        What is served, or None before the first verified bundle. Replaced as a whole: a request reads it once.
    place
        Its folder.
    fault
        Code of why the newest pointer could not be followed, or None.
    """

    def __init__(self, folder: Path, trial: Callable[[Path], None]) -> None:
        self._folder = folder
        self.trial = trial
        self._followed: bytes | None = None
        self._refused: bytes | None = None
        self._polls_since_refusal = 0
        self.current: Served | None = None
        self.place: Path | None = None
        self.fault: str | None = None

    def refresh(self) -> None:
        """Look at the pointer; load and swap when it names something new.

        A refused pointer is tried again only now and then, so that a bad bundle does not cost a load per poll.
        """
        try:
            content = read_bytes(self._folder)
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

    def _is_waiting(self, content: bytes) -> bool:
        """Whether this very pointer was refused lately; otherwise it is tried now."""
        self._polls_since_refusal += 1
        if content == self._refused and self._polls_since_refusal < POLLS_BETWEEN_RETRIES:
            return True
        self._refused, self._polls_since_refusal = content, 0
        return False

    def _load(self, content: bytes) -> Served:
        pointer = parse(content)
        place = bundle_folder(self._folder, pointer)
        if self.current is not None:
            # Nothing altered costs a child process; and a worker that serves nobody yet has nothing to lose.
            read_checked(place, None)
            self.trial(place)
        bundle = load_bundle(place)
        prove(bundle, place)
        self.place = place
        return Served(bundle, pointer.version, pointer.run_id or None)
