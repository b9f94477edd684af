"""Work that outlives `kill -9`: a long table made chunk by chunk, each finished chunk a file, joined at the end.

::

    scoring/                 of a company
      .lock                  held while a run works here
      8c1f…/                 first 16 hex digits of the sha256 of everything the rows depend on
        0000.features.parquet
        0000.answers.parquet
        0001.features.parquet.fresh     being written when the process died: never read

A run with the same key goes on where the last one ended; one with another key removes what is left of others. Names
appear by rename after the bytes are on disk, so a chunk is there as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from churn_value.errors import ModelError
from churn_value.tracking.locks import LockBusy, held

KEY_DIGITS = 16


def key_of(told: Mapping[str, str]) -> str:
    """Name of a work folder: different for different content, whatever the order of its names."""
    text = json.dumps(dict(told), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_DIGITS]


def file_sha256(path: Path | None) -> str:
    """Hash of a file's bytes, read in pieces; empty for None."""
    if path is None:
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class Parts:
    """Finished chunks of one run, each of the same kinds of table.

    Attributes
    ----------
    folder
        Where they are.
    kinds
        Tables of a chunk, as in ``("features", "answers")``.
    """

    folder: Path
    kinds: tuple[str, ...]

    def path(self, number: int, kind: str) -> Path:
        """File of one table of a chunk, whether or not it exists."""
        return self.folder / f"{number:04d}.{kind}.parquet"

    def has(self, number: int, rows: int) -> bool:
        """Whether a chunk is there with all its tables, each readable and of so many rows."""
        return all(_rows(self.path(number, kind)) == rows for kind in self.kinds)

    def keep(self, number: int, tables: Mapping[str, pd.DataFrame]) -> None:
        """Write the tables of a chunk; it counts once the last of them is there."""
        for kind in self.kinds:
            table = pa.Table.from_pandas(tables[kind], preserve_index=False)
            with _placed(self.path(number, kind)) as fresh:
                pq.write_table(table, fresh)

    def join(self, kind: str, path: Path, *, count: int, rows_per_group: int | None = None) -> Path:
        """Write all chunks of a kind as one file, in place of any before it; memory holds one chunk.

        Parameters
        ----------
        kind
            Which table.
        path
            Where the file goes; its folder is made.
        count
            Chunks, from 0.
        rows_per_group
            Most rows of a row group; None: a group per chunk.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        files = [self.path(number, kind) for number in range(count)]
        schema = _common([pq.read_schema(file) for file in files])
        with _placed(path) as fresh, pq.ParquetWriter(fresh, schema) as writer:
            for file in files:
                chunk = pq.read_table(file).cast(schema)
                writer.write_table(chunk, row_group_size=rows_per_group or max(1, chunk.num_rows))
        return path


def _rows(path: Path) -> int | None:
    """Rows of a finished file; None where there is none, or what is there is damaged."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowInvalid):
        return None


def _common(schemas: list[pa.Schema]) -> pa.Schema:
    """Schema that holds every chunk: a column that is all null in one of them has the type it has in the others."""
    found = pa.unify_schemas([one.remove_metadata() for one in schemas], promote_options="default")
    return found.with_metadata(schemas[0].metadata)


@contextmanager
def _placed(path: Path) -> Iterator[Path]:
    """File to write to; when the block ends well it is on disk, and renamed to `path`."""
    fresh = path.with_name(f".{path.name}.fresh")
    yield fresh
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    fresh.replace(path)


@contextmanager
def parts_of(place: Path, told: Mapping[str, str], kinds: tuple[str, ...]) -> Iterator[Parts]:
    """Parts of a run, those of an interrupted one with the same key among them; removed when the block ends well.

    Parameters
    ----------
    place
        Folder of a company's runs; made if absent.
    told
        Everything the rows depend on, by name, as texts and hashes.
    kinds
        Tables of each chunk.

    Raises
    ------
    ModelError
        ``SCORING_BUSY``, while another process works in `place`.
    """
    folder = place / key_of(told)
    try:
        with held(place / ".lock", wait_s=0):
            for other in place.iterdir():
                if other.is_dir() and other != folder:
                    shutil.rmtree(other)
            folder.mkdir(exist_ok=True)
            yield Parts(folder, kinds)
            shutil.rmtree(folder)
    except LockBusy:
        raise ModelError(
            "one scoring run of a company at a time",
            code="SCORING_BUSY",
            where=str(place),
            remedy="wait for the other to end, then try again",
        ) from None
