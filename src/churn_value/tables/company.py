"""A company's tables as every job opens them: folders from the settings, threads from the configuration."""

from __future__ import annotations

from datetime import datetime

from churn_value.config import Config
from churn_value.settings import Settings
from churn_value.tables.load import Tables, load_tables


def company_tables(config: Config, settings: Settings, observed_now: datetime) -> Tables:
    """Accepted rows of all tables; see `load_tables` for what is refused and what is set aside."""
    return load_tables(
        config,
        data_root=settings.data_root,
        observed_now=observed_now,
        quarantine_dir=settings.quarantine(config.name),
        threads=config.tuning.threads,
    )
