"""What a bundle remembers of the features its model was fitted on, and whether they are still made the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol, Self

from churn_value.errors import FingerprintMismatch
from churn_value.features.catalog import Catalog, catalog
from churn_value.scoring.quantities import Described


class CatalogLike(Protocol):
    """What a bundle keeps of a catalog, and compares when it is loaded."""

    @property
    def features(self) -> Sequence[Described]:
        """Features in order."""
        ...

    @property
    def fingerprint(self) -> str:
        """Hash over names, sources, windows, meanings of empty, units and compiled SQL."""
        ...


@dataclass(frozen=True, slots=True)
class StoredFeature:
    """A feature as the bundle remembers it."""

    name: str
    source: str
    window_days: int | None
    unit: str
    dtype: str
    empty: int | float | str | None
    en: str
    zh: str
    group: str


@dataclass(frozen=True, slots=True)
class StoredCatalog:
    """The ordered features of a bundle, their fingerprint, and what `catalog(...)` was called with to make them."""

    features: tuple[StoredFeature, ...]
    fingerprint: str
    parameters: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(feature.name for feature in self.features)

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        rows = [asdict(feature) for feature in self.features]
        return {"fingerprint": self.fingerprint, "parameters": self.parameters, "features": rows}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Catalog that `to_json` described."""
        features = tuple(StoredFeature(**row) for row in content["features"])
        return cls(features, content["fingerprint"], content["parameters"])

    def rebuilt(self) -> Catalog:
        """The catalog made again, with definitions that can compute; checked, which takes seconds."""
        present = {table: frozenset(columns) for table, columns in self.parameters["present"].items()}
        made = catalog(present, self.parameters["windows_days"], self.parameters["attributes"])
        self.check(made)
        return made

    def check(self, catalog: CatalogLike) -> None:
        """Refuse a catalog that would make other features.

        Raises
        ------
        FingerprintMismatch
            When the fingerprints differ.
        """
        if catalog.fingerprint != self.fingerprint:
            raise FingerprintMismatch(
                "the features must be made by the same definitions the model was fitted on",
                where="features.json",
                received=f"fingerprint {catalog.fingerprint[:16]}, the bundle has {self.fingerprint[:16]}",
                remedy="score with the version of churn_value that trained the model, or train again",
            )


def stored_catalog(catalog: CatalogLike, parameters: Mapping[str, Any]) -> StoredCatalog:
    """What a bundle keeps of `catalog`, which was made with `parameters` (present, windows_days, attributes)."""
    kept = [{name: getattr(one, name) for name in StoredFeature.__slots__} for one in catalog.features]
    features = tuple(StoredFeature(**one) for one in kept)
    return StoredCatalog(features, catalog.fingerprint, dict(parameters))
