"""Features and answers of a whole base, a chunk of customers at a time: memory holds a chunk, whatever the base.

A row's features and answer do not depend on the other rows, so chunks put together are what one pass over everyone
gives, to the bit, and what the service answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from churn_value.config import Config
from churn_value.dataset import features_for, keys_at
from churn_value.errors import TooLittleData
from churn_value.features.catalog import Catalog
from churn_value.monitoring.archive import beside_previous, previous_in
from churn_value.monitoring.parts import Parts, file_sha256
from churn_value.monitoring.scorers import Chunk, Scorer, Wanted
from churn_value.provenance import source_sha256
from churn_value.recommendation.habits import with_habits
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.overrides import TierOverrides
from churn_value.tables.load import Tables

CHUNK_ROWS = 20_480
KINDS = ("features", "answers")


@dataclass(frozen=True)
class BaseRun:
    """Everything that the answers of a base depend on.

    Attributes
    ----------
    config, tables, features
        Of the company; `features` are those of the bundle.
    bundle
        The champion.
    by_hand
        Tiers set by hand.
    earlier
        Score table that tiers are held against; None on the first date.
    as_of, today
        Date of prediction, and the day it is made.
    locale
        Language of the texts.
    """

    config: Config
    tables: Tables
    features: Catalog
    bundle: Bundle
    by_hand: TierOverrides
    earlier: Path | None
    as_of: date
    today: date
    locale: str

    def told(self, chunk_rows: int) -> Mapping[str, str]:
        """What a chunk is known by: a run that differs in any of it shares no chunk with this one."""
        return {
            "as_of": self.as_of.isoformat(),
            "bundle": self.bundle.version,
            "chunk_rows": str(chunk_rows),
            "code": source_sha256(),
            "config": self.config.sha256,
            "data": self.tables.sha256,
            "locale": self.locale,
            "policy": self.bundle.policy.sha256,
            "previous": file_sha256(self.earlier),
            "tier_overrides": self.by_hand.to_frame().to_csv(index=False),
            "today": self.today.isoformat(),
        }

    def keys(self) -> pd.DataFrame:
        """Everyone the cohort rule admits: customer_id and as_of, sorted by as_of, then customer_id.

        Raises
        ------
        TooLittleData
            ``NOBODY_TO_SCORE``.
        """
        found = keys_at(self.config, self.tables, self.as_of)
        if found.empty:
            raise TooLittleData(
                "the cohort rule must admit somebody",
                code="NOBODY_TO_SCORE",
                where=f"{self.config.source_file}: cohort",
                received=f"nobody as of {self.as_of}",
                remedy="choose a later --as-of or another cohort",
            )
        return found

    @property
    def wanted(self) -> Wanted:
        """How everyone is scored."""
        return Wanted(self.locale, self.by_hand, self.today, self.config.tuning.threads)

    def chunk(self, keys: pd.DataFrame) -> Chunk:
        """Stored features of some customers, in the order of `keys`, and their previous answers."""
        known = features_for(self.tables, self.features, keys)
        frame = with_habits(known, self.tables, self.as_of, self.bundle.recommender)
        before = None if self.earlier is None else previous_in(self.earlier, frame["customer_id"].tolist())
        return Chunk(frame, before)

    def finish(self, parts: Parts, keys: pd.DataFrame, chunk_rows: int, scorer: Scorer) -> Iterator[int]:
        """Make the chunks that are not there yet; yields the rows of those that are, then of each as it is made."""
        starts = range(0, len(keys), chunk_rows)
        wanted = {number: keys.iloc[start : start + chunk_rows] for number, start in enumerate(starts)}
        missing = [number for number, those in wanted.items() if not parts.has(number, len(those))]
        yield len(keys) - sum(len(wanted[number]) for number in missing)
        made = scorer(self.chunk(wanted[number]) for number in missing)
        for number, (chunk, answers) in zip(missing, made, strict=True):
            parts.keep(number, {"features": beside_previous(chunk.rows, chunk.previous), "answers": answers})
            yield len(answers)
