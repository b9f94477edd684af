"""Score tables of one company, one Parquet file per as_of: what tiers were, and what a later date is compared with."""

from __future__ import annotations

import os
from collections.abc import Sequence
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
# Of the same columns where they ride beside stored features.
BESIDE = "previous__"


def beside_previous(features: pd.DataFrame, previous: pd.DataFrame | None) -> pd.DataFrame:
    """Feature rows with the previous answers they are scored with beside them, under the prefix `BESIDE`.

    They ride on stored rows so that the service holds tiers against the same answers as the batch.
    """
    if previous is None:
        return features
    kept = previous.rename(columns={name: BESIDE + name for name in previous.columns if name != "customer_id"})
    return features.merge(kept, on="customer_id", how="left", validate="one_to_one")


def previous_in(path: Path, customer_ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Answers of a score table as `score` takes previous ones: everyone's, or those of some customers only."""
    there = [name for name in PREVIOUS if name in pq.read_schema(path).names]  # an older table has fewer
    wanted = None if customer_ids is None else [("customer_id", "in", list(customer_ids))]
    answers = pd.read_parquet(path, columns=there, filters=wanted)
    return answers.rename(columns=PREVIOUS).dropna(subset=["tier"]).reset_index(drop=True)


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
        path = self.before(as_of)
        return None if path is None else previous_in(path)

    def before(self, as_of: date) -> Path | None:
        """File of the newest date before `as_of`; None when there is none."""
        earlier = [day for day in self.dates() if day < as_of]
        return self.path(earlier[-1]) if earlier else None
