"""The last scored feature table, by customer: a hash index over ids, row groups read when needed, kept up to a bound.

The table is one Parquet file, replaced by atomic rename after each scoring run. A million customers cost 16 MB of
index; the features themselves stay on disk but for the row groups asked for lately. `write_features` lays the file out
so that a row group is small; any Parquet file with the same columns is read just as well.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from churn_value.errors import SchemaError
from churn_value.monitoring.archive import BESIDE, beside_previous
from churn_value.scoring.offered import Expected, Offered

KEYS = ("customer_id", "as_of")
PREVIOUS = BESIDE
ROWS_PER_GROUP = 2_048


def write_features(frame: pd.DataFrame, path: Path, *, previous: pd.DataFrame | None = None) -> None:
    """Write a feature table so that a reader sees the old file or the whole new one.

    Parameters
    ----------
    frame
        customer_id (text), as_of, then features; one row per customer.
    path
        Where the file goes; its folder is made.
    previous
        The previous answers that the base was scored with, so that the service gives the same tiers: customer_id, then
        whatever `score` reads of them. They are kept beside the features under the prefix `PREVIOUS`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    ordered = beside_previous(frame, previous).sort_values("customer_id", kind="stable")
    table = pa.Table.from_pandas(ordered, preserve_index=False)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with fresh.open("wb") as file:
        pq.write_table(table, file, row_group_size=ROWS_PER_GROUP)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _hashes(ids: Collection[str]) -> npt.NDArray[np.int64]:
    """Python's own: salted anew in each process, so that nobody can choose ids that collide."""
    return np.fromiter(map(hash, ids), dtype=np.int64, count=len(ids))


class Group:
    """A row group in memory; what requests read of it is made once, when the first of them asks.

    Parameters
    ----------
    frame
        As it stands in the file.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self.columns: frozenset[str] = frozenset(frame.columns)
        self.ids: list[object] = frame["customer_id"].tolist()
        self.days: list[str] = [str(day) for day in frame["as_of"].tolist()]
        # The numbers stand in it twice: as they were read, and as they are offered.
        self.size_bytes = 2 * int(frame.memory_usage().sum())
        self._names = [name for name in frame.columns if name.startswith(PREVIOUS)]
        self._previous = [frame[name].tolist() for name in self._names]
        self._offered: tuple[Expected, Offered] | None = None

    def offered(self, expected: Expected) -> Offered:
        """Rows as a bundle expects them; those for the last bundle that asked are kept."""
        kept = self._offered
        if kept is None or kept[0] is not expected:
            self._offered = kept = expected, Offered.of(self.frame, expected)
        return kept[1]

    def previous(self, place: int) -> dict[str, Any]:
        """Previous answer of a row, as it was scored with; empty when there was none."""
        return {
            name.removeprefix(PREVIOUS): cells[place] for name, cells in zip(self._names, self._previous, strict=True)
        }


@dataclass(frozen=True, slots=True)
class Kept:
    """One row of the table."""

    group: Group
    place: int

    def has(self, expected: Expected) -> bool:
        """Whether the table has all the features that a bundle expects."""
        return self.group.columns.issuperset(feature.name for feature in expected.features)

    def offered(self, expected: Expected) -> Offered:
        """The row, ready to be scored."""
        return self.group.offered(expected).row(self.place)

    @property
    def previous(self) -> dict[str, Any]:
        """Previous answer that the row was scored with."""
        return self.group.previous(self.place)


class _Snapshot:
    """One opened state of the file; the open handle keeps its bytes readable after a rename."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        missing = [name for name in KEYS if name not in self._file.schema_arrow.names]
        if missing:
            raise SchemaError(f"a feature table needs the column {missing[0]}", where=path.name)
        groups = range(self._file.num_row_groups)
        counts = [self._file.metadata.row_group(group).num_rows for group in groups]
        self._starts = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        hashes = [self._ids_hashed(group) for group in groups]
        unsorted = np.concatenate([np.empty(0, np.int64), *hashes])
        self._order = np.argsort(unsorted, kind="stable")
        self._sorted = unsorted[self._order]
        self._cache: OrderedDict[int, Group] = OrderedDict()

    def _ids_hashed(self, group: int) -> npt.NDArray[np.int64]:
        return _hashes(self._file.read_row_group(group, columns=["customer_id"]).column(0).to_pylist())

    def __len__(self) -> int:
        return len(self._order)

    def rows(self, customer_ids: Sequence[str], cache_bytes: int) -> list[Kept | None]:
        """Each customer's latest row, or None."""
        hashes = _hashes(customer_ids)
        firsts, lasts = (np.searchsorted(self._sorted, hashes, side).tolist() for side in ("left", "right"))
        return [
            self._latest(customer_id, self._order[first:last].tolist(), cache_bytes)
            for customer_id, first, last in zip(customer_ids, firsts, lasts, strict=True)
        ]

    def _latest(self, customer_id: str, positions: Sequence[int], cache_bytes: int) -> Kept | None:
        """Of the rows whose id has the customer's hash."""
        found = [self._row(position, cache_bytes) for position in positions]
        own = [row for row in found if row.group.ids[row.place] == customer_id]
        return max(own, key=lambda row: row.group.days[row.place]) if own else None

    def _row(self, position: int, cache_bytes: int) -> Kept:
        group = int(np.searchsorted(self._starts, position, "right")) - 1
        return Kept(self._group(group, cache_bytes), position - int(self._starts[group]))

    def _group(self, group: int, cache_bytes: int) -> Group:
        if group not in self._cache:
            self._cache[group] = Group(self._file.read_row_group(group).to_pandas())
        self._cache.move_to_end(group)
        while len(self._cache) > 1 and sum(one.size_bytes for one in self._cache.values()) > cache_bytes:
            self._cache.popitem(last=False)
        return self._cache[group]


class FeatureStore:
    """Features of a customer as last scored.

    Parameters
    ----------
    path
        The Parquet file; it need not exist yet.
    cache_bytes
        Memory for row groups [bytes]; at least one group is kept.

    Attributes
    ----------
    fault
        Code of why the newest file could not be read, or None. The one read last stays in use meanwhile.
    """

    def __init__(self, path: Path, cache_bytes: int) -> None:
        self._path = path
        self._cache_bytes = cache_bytes
        self._stamp: tuple[int, int, int] | None = None
        self._snapshot: _Snapshot | None = None
        self._lock = Lock()
        self._verdict: str | None = None
        self.fault: str | None = "FEATURES_ABSENT"

    def __len__(self) -> int:
        """Rows of the table in use."""
        return len(self._snapshot) if self._snapshot else 0

    @property
    def written_at_s(self) -> float | None:
        """When the newest table was written [s since 1970], or None when there was never one."""
        return None if self._stamp is None else self._stamp[2] / 1e9

    def refresh(self) -> None:
        """Open the file again if it has been replaced."""
        try:
            status = self._path.stat()
        except OSError:
            self.fault = "FEATURES_ABSENT"
            return
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if stamp != self._stamp:
            self._stamp, self._verdict = stamp, self._opened()
        self.fault = self._verdict  # a file that was away and is the same again has no other fault than it had

    def _opened(self) -> str | None:
        """Take the file into use; code of why it cannot be read, or None."""
        try:
            self._snapshot = _Snapshot(self._path)
        except (pa.ArrowException, OSError, SchemaError):
            return "FEATURES_UNREADABLE"
        return None

    def find(self, customer_ids: Sequence[str]) -> list[Kept | None]:
        """Row of each customer; None where never scored."""
        snapshot = self._snapshot
        if snapshot is None or not customer_ids:
            return [None] * len(customer_ids)
        with self._lock:
            return snapshot.rows(customer_ids, self._cache_bytes)
