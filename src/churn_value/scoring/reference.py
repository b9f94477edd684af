"""The frozen reference population that percentiles, typical values and ranges are read from.

A customer's percentile and tier must not depend on who else is in the batch. So the distribution of a scored
population is frozen into the bundle: 99 thresholds per quantity, the typical value and range of each feature, and a
small sample of raw facts from which the distribution of the overall score under any policy is worked out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from churn_value.errors import BundleError, TooLittleData
from churn_value.estimators.compiled import compiled
from churn_value.scoring.matching import array_of
from churn_value.scoring.peers import NO_PEERS, Peers, counted_texts, typical_of
from churn_value.scoring.quantities import Described, FactColumns, Floats, Predicted, column, facts

SAMPLE_ROWS = 2_000
Thresholds = tuple[float, ...]


def thresholds_of(values: Floats) -> Thresholds:
    """The 99 numbers that divide known values into percentiles 1 to 100; empty when none is known.

    Threshold ``k`` is the ``ceil(k n / 100)``-th smallest of the n values: above it lie at most ``100 - k`` percent.

    Examples
    --------
    >>> thresholds_of(np.arange(1.0, 201.0))[:3]
    (2.0, 4.0, 6.0)
    """
    known = np.sort(values[~np.isnan(values)])
    if known.size == 0:
        return ()
    ranks = -(-np.arange(1, 100) * known.size // 100) - 1
    return tuple(known[ranks].tolist())


def percentile_in(thresholds: Thresholds, values: Floats) -> Floats:
    """Percentile 1 to 100 of each value: one more than the number of thresholds below it.

    So percentile p says "more than p - 1 percent of the reference population are strictly lower"; equal values get
    equal percentiles, the lowest value of a population gets 1 however many share it, and only values above 99 percent
    get 100. Missing stays missing.
    """
    return _ranks(array_of(thresholds), values)


@compiled
def _ranks(thresholds: Floats, values: Floats) -> Floats:
    found = np.full(len(values), np.nan)
    for row in range(len(values)):
        if len(thresholds) > 0 and not np.isnan(values[row]):
            found[row] = 1 + np.searchsorted(thresholds, values[row])
    return found


def value_thresholds_of(values: Floats) -> Thresholds:
    """The 99 values down to which customers, from the best on, hold 1 %, 2 % … 99 % of all value; empty without any.

    Examples
    --------
    Three customers worth 50, 30 and 20: the first holds half, the first two hold 80 %.

    >>> found = value_thresholds_of(np.array([20.0, 50.0, 30.0]))
    >>> found[49], found[50], found[79], found[80]
    (50.0, 30.0, 30.0, 20.0)
    """
    falling = np.sort(values[~np.isnan(values)])[::-1]
    held = np.cumsum(falling)
    if held.size == 0 or held[-1] <= 0:
        return ()
    places = np.searchsorted(held / held[-1], np.arange(1, 100) / 100.0 - 1e-12, side="left")
    return tuple(falling[places].tolist())


def value_share_in(thresholds: Thresholds, values: Floats) -> Floats:
    """Share of all value that is held by customers worth as much or more, rounded up to a percent: 0.01 to 1.

    The customers of at most 0.8 are the fewest that together hold 80 percent, and whoever is worth as much as the
    last of them. Missing stays missing.
    """
    return _ranks(-array_of(thresholds), -values) / 100.0


@dataclass(frozen=True)
class Reference:
    """A scored population, frozen.

    Attributes
    ----------
    rows
        Customers it was made from.
    thresholds
        By fact (see `quantities.FACT_NAMES`): 99 numbers; empty where nothing was known. ``value_share`` has the values
        down to which the best customers hold 1 to 99 percent of all value, falling.
    typical
        By feature: median of the known numbers, or the most frequent category; None where nothing was known.
    ranges
        By numeric feature: lowest and highest known value.
    categories
        By category feature: values seen.
    sample
        By fact: values of the same at most `SAMPLE_ROWS` customers; NaN where not known.
    peers
        Typical values among customers who buy in the same rhythm.
    """

    rows: int
    thresholds: Mapping[str, Thresholds]
    typical: Mapping[str, float | str | None]
    ranges: Mapping[str, tuple[float, float]]
    categories: Mapping[str, tuple[str, ...]]
    sample: Mapping[str, tuple[float, ...]]
    peers: Peers = NO_PEERS

    @classmethod
    def fit(cls, frame: pd.DataFrame, prediction: Predicted, features: Sequence[Described]) -> Self:
        """Freeze a scored population.

        Parameters
        ----------
        frame
            Feature rows, one per customer, usually of the newest complete as_of.
        prediction
            The model's answers for the same rows.
        features
            The catalog's features.

        Raises
        ------
        TooLittleData
            Without any row.
        """
        if frame.empty:
            raise TooLittleData("a reference population needs customers", where="reference", received="0 rows")
        known = facts(frame, prediction, FactColumns.of(features))
        numbers = [f for f in features if f.dtype == "number"]
        texts = [f for f in features if f.dtype != "number"]
        columns = {f.name: column(frame, f.name) for f in numbers}
        seen = {f.name: counted_texts(frame, f.name) for f in texts}
        return cls(
            rows=len(frame),
            thresholds={name: thresholds_of(values) for name, values in known.items()}
            | {"value_share": value_thresholds_of(known["expected_value_minor"])},
            typical={f.name: typical_of(frame, f)[0] for f in features},
            ranges={name: _range(values) for name, values in columns.items() if not np.isnan(values).all()},
            categories={name: tuple(sorted(value for value, _ in counts)) for name, counts in seen.items()},
            sample=_sampled(known, len(frame)),
            peers=Peers.fit(frame, known, features),
        )

    def percentile(self, fact: str, values: Floats) -> Floats:
        """Percentile 1 to 100 of `values` among the reference population's `fact`; see `percentile_in`."""
        return _ranks(self._rising[fact], values) if fact in self._rising else np.full(len(values), np.nan)

    @cached_property
    def _rising(self) -> Mapping[str, Floats]:
        """Thresholds as arrays: what looks one up by its hundred numbers takes longer than the search."""
        return {name: np.asarray(thresholds, dtype=np.float64) for name, thresholds in self.thresholds.items()}

    @property
    def value_thresholds(self) -> Thresholds:
        """Frozen by `fit`; a reference without them has the sample's."""
        frozen = self.thresholds.get("value_share")
        return value_thresholds_of(self.sample_facts()["expected_value_minor"]) if frozen is None else frozen

    def quantile(self, fact: str, percent: int) -> float:
        """Value that at most `percent` percent of the population are below [1 to 99]; NaN where nothing was known."""
        thresholds = self.thresholds.get(fact, ())
        return thresholds[percent - 1] if thresholds else float("nan")

    def sample_facts(self) -> dict[str, Floats]:
        """The sampled facts as arrays of equal length."""
        return {name: np.asarray(values, dtype=np.float64) for name, values in self.sample.items()}

    def to_json(self) -> str:
        """Canonical JSON; numbers are written so that they read back to the same bits."""
        content = asdict(self)
        content["sample"] = {name: [_or_none(v) for v in values] for name, values in self.sample.items()}
        return json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Inverse of `to_json`.

        Raises
        ------
        BundleError
            When the JSON has not the parts of a reference.
        """
        content = json.loads(text)
        try:
            return cls(
                rows=content["rows"],
                thresholds=_tuples(content["thresholds"]),
                typical=content["typical"],
                ranges={name: (low, high) for name, (low, high) in content["ranges"].items()},
                categories=_tuples(content["categories"]),
                sample={name: tuple(_or_nan(v) for v in values) for name, values in content["sample"].items()},
                peers=Peers.from_json(content["peers"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleError("a reference has rows, thresholds, typical, ranges …", received=repr(error)) from None


def _tuples(content: Mapping[str, list[Any]]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(values) for name, values in content.items()}


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _range(values: Floats) -> tuple[float, float]:
    return float(np.nanmin(values)), float(np.nanmax(values))


def _sampled(known: Mapping[str, Floats], rows: int) -> dict[str, tuple[float, ...]]:
    """Evenly spaced rows of the population sorted by its facts: the same sample whatever the order of the rows."""
    order = np.lexsort([known[name] for name in reversed(list(known))])
    size = min(rows, SAMPLE_ROWS)
    picked: npt.NDArray[np.int64] = order[np.arange(size) * rows // size]
    return {name: tuple(values[picked].tolist()) for name, values in known.items()}
