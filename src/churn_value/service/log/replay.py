"""Logged answers scored again: by the same model, which must give the same bits, or by another to see what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from churn_value.errors import BundleError
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.score import score
from churn_value.service.log.entries import APART, frame_of, overrides_in, plain, previous_in

# What another version names differently without having decided anything.
NAMES = ("model", "policy")


@dataclass(frozen=True, slots=True)
class Change:
    """One place of an answer that came out differently."""

    place: str
    logged: object
    now: object


@dataclass(frozen=True, slots=True)
class Replayed:
    """A logged answer beside the one made now."""

    request_id: str
    customer: str
    changes: tuple[Change, ...]


def bundle_folder(exported: Path, wanted: str) -> Path:
    """Folder of a bundle, by its name or by its version's number.

    Raises
    ------
    BundleError
        ``BUNDLE_NOT_KEPT`` when there is no such folder.
    """
    places = [path.parent for path in sorted(exported.glob("**/manifest.json"))]
    for place in places:
        if wanted in (place.name, place.relative_to(exported).parts[0]):
            return place
    raise BundleError(
        "an answer can be made again while its bundle is kept",
        code="BUNDLE_NOT_KEPT",
        where=str(exported),
        received=wanted,
        remedy="bring the bundle back to this folder",
    )


class Replay:
    """Scores entries again.

    Parameters
    ----------
    exported
        Folder of the model's bundles.
    version
        Bundle or version to score with; None takes each entry's own.
    """

    def __init__(self, exported: Path, version: str | None = None) -> None:
        self._exported, self._version = exported, version
        self._bundles: dict[str, Bundle] = {}

    def __call__(self, entry: Mapping[str, Any]) -> Replayed:
        """The entry beside its answer made now."""
        bundle = self._bundle(self._version or entry["bundle"])
        numbers = frozenset(one.name for one in bundle.catalog.features if one.dtype == "number")
        (answer,) = score(
            bundle,
            frame_of(entry, numbers),
            locale=entry["locale"],
            explain=entry["explain"],
            top=entry["top"],
            levers=entry["levers"],
            previous=previous_in(entry),
            overrides=overrides_in(entry).known_to(bundle.policy.tiers.codes),
            now=datetime.fromisoformat(entry["at"]).date(),
        )
        left = (*APART, *NAMES)
        made = {name: plain(value) for name, value in answer.to_dict().items() if name not in left}
        return Replayed(entry["request_id"], entry["customer"], tuple(_changes("", entry["answer"], made)))

    def _bundle(self, wanted: str) -> Bundle:
        if wanted not in self._bundles:
            self._bundles[wanted] = load_bundle(bundle_folder(self._exported, wanted))
        return self._bundles[wanted]


def _changes(place: str, logged: Any, now: Any) -> Iterator[Change]:
    """Leaves in which two answers differ; floats by their bits."""
    if isinstance(logged, Mapping) and isinstance(now, Mapping):
        for name in sorted({*logged, *now}):
            yield from _changes(f"{place}.{name}".lstrip("."), logged.get(name), now.get(name))
    elif isinstance(logged, list) and isinstance(now, list) and len(logged) == len(now):
        for number, (one, other) in enumerate(zip(logged, now, strict=True)):
            yield from _changes(f"{place}.{number}", one, other)
    elif repr(logged) != repr(now):
        yield Change(place, logged, now)
