"""What went into a data set, JSON-ready."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from churn_value.config import Config
from churn_value.features.catalog import Catalog
from churn_value.tables.load import Tables


def _counts(frame: pd.DataFrame, keys: Sequence[str]) -> list[dict[str, Any]]:
    grouped = frame.groupby(list(keys), observed=True, sort=True)
    table = grouped.agg(rows=("churned", "size"), churners=("churned", "sum"), value_minor=("value_minor", "sum"))
    records = table.reset_index().to_dict("records")
    return [{str(name): _plain(value) for name, value in record.items()} for record in records]


def _plain(value: Any) -> Any:
    """JSON-ready form of a cell."""
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def manifest_of(config: Config, tables: Tables, features: Catalog, frame: pd.DataFrame) -> dict[str, Any]:
    """What went into the rows of a data set: hashes of data, configuration and features, counts per as_of and fold."""
    return {
        "name": config.name,
        "config_sha256": config.sha256,
        "data_sha256": tables.sha256,
        "feature_fingerprint": features.fingerprint,
        "features": len(features.names),
        "horizon_days": config.horizon_days,
        "churn_definition": config.churn.definition,
        "span": [day.isoformat() for day in tables.span],
        "rows": len(frame),
        "customers": int(frame["customer_id"].nunique()),
        "per_fold": _counts(frame, ["fold"]),
        "per_as_of": _counts(frame, ["as_of", "fold"]),
        "tables": {name: report.as_dict() for name, report in tables.reports.items()},
    }
