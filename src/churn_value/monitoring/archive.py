"""Score tables of one company, one Parquet file per as_of: what tiers were, and what a later date is compared with."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

# Columns of a score table that the next scoring reads, by the names that `score` gives them.
PREVIOUS = {
    "customer_id": "customer_id",
    "tier": "tier",
    "tier_since": "since",
    "tier_own": "own_tier",
    "tier_own_since": "own_since",
    "tier_history": "history",
    "lifecycle": "lifecycle",
}


@dataclass(frozen=True, slots=True)
class ScoreArchive:
    """Folder of score tables named by their as_of, as in ``2025-07-01.parquet``."""

    folder: Path

    def path(self, as_of: date) -> Path:
        """File of one date, whether or not it exists."""
        return self.folder / f"{as_of.isoformat()}.parquet"

    def dates(self) -> tuple[date, ...]:
        """Dates that have been scored, oldest first."""
        return tuple(sorted(date.fromisoformat(path.stem) for path in self.folder.glob("????-??-??.parquet")))

    def write(self, answers: pd.DataFrame, as_of: date) -> Path:
        """Keep the answers of a date; scoring a date again replaces its file as a whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(as_of)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        answers.to_parquet(fresh, index=False)
        fresh.replace(path)
        return path

    def read(self, as_of: date) -> pd.DataFrame:
        """Answers of one date."""
        return pd.read_parquet(self.path(as_of))

    def previous(self, as_of: date) -> pd.DataFrame | None:
        """Answers of the newest date before `as_of`, as `score` takes them; None when there is none.

        Answers of the same date do not count, so that scoring a date twice gives the same tiers.
        """
        earlier = [day for day in self.dates() if day < as_of]
        if not earlier:
            return None
        path = self.path(earlier[-1])
        there = [name for name in PREVIOUS if name in pq.read_schema(path).names]  # an older table has fewer
        answers = pd.read_parquet(path, columns=there)
        return answers.rename(columns=PREVIOUS).dropna(subset=["tier"]).reset_index(drop=True)
