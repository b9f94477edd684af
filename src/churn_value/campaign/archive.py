"""Contact lists of one company by campaign, with the terms they were made under."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from churn_value.campaign.contacts import Campaign
from churn_value.errors import ConfigError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True, slots=True)
class CampaignArchive:
    """Folder of contact lists, ``<campaign>.parquet`` beside ``<campaign>.json``."""

    folder: Path

    def path(self, name: str) -> Path:
        """File of a campaign's list.

        Raises
        ------
        ConfigError
            ``CAMPAIGN_NAME`` when the name is no plain file name.
        """
        if not _NAME.fullmatch(name):
            raise ConfigError(
                "a campaign's name is letters, digits, dots, dashes and underscores",
                code="CAMPAIGN_NAME",
                where="--campaign",
                received=name[:80],
            )
        return self.folder / f"{name}.parquet"

    def write(self, campaign: Campaign, rows: pd.DataFrame) -> Path:
        """Keep a list; a list of the same campaign made again replaces it."""
        path = self.path(campaign.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        rows.to_parquet(fresh, index=False)
        terms = path.with_suffix(".json")
        terms.write_text(json.dumps(asdict(campaign), indent=1, sort_keys=True), encoding="utf-8")
        fresh.replace(path)
        return path

    def read(self, name: str) -> tuple[Campaign, pd.DataFrame]:
        """Terms and list of a campaign.

        Raises
        ------
        ConfigError
            ``CAMPAIGN_UNKNOWN`` when there is no such list.
        """
        path = self.path(name)
        if not path.exists():
            known = sorted(file.stem for file in self.folder.glob("*.parquet"))
            raise ConfigError(
                "the campaign must have a contact list",
                code="CAMPAIGN_UNKNOWN",
                where="--campaign",
                received=name,
                remedy=f"one of {', '.join(known)}" if known else "run python -m pipelines.contact_list first",
            )
        return Campaign(**json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))), pd.read_parquet(path)
