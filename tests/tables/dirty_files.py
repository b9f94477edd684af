"""Small files and configurations for the tests of tables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from churn_value.config import Config
from churn_value.tables.load import Tables, load_tables

NOW = datetime(2025, 1, 1, tzinfo=UTC)
REQUIRED = {
    "purchases": "customer_id,event_time,amount\na,2024-05-01,1.00\n",
    "visits": "customer_id,event_time,kind\na,2024-05-01,view\n",
    "contracts": "customer_id,started_at\na,2024-05-01\n",
    "snapshots": "customer_id,label\na,1\n",
}


def config_of(tables: Mapping[str, Mapping[str, Any]], **settings: Any) -> Config:
    """Configuration whose churn definition fits the tables."""
    names = {"purchases": "no_purchase", "visits": "no_visit", "contracts": "contract_end", "snapshots": "label"}
    definition = next((names[name] for name in names if name in tables), None)
    if definition is None:
        tables, definition = {**tables, "purchases": {"path": "plain.csv"}}, "no_purchase"
    churn = {"definition": definition, **settings.pop("churn", {})}
    return Config.model_validate({"name": "company", "tables": tables, "churn": churn, **settings})


def load_text(
    folder: Path, texts: Mapping[str, str], tables: Mapping[str, Mapping[str, Any]] | None = None, **settings: Any
) -> Tables:
    """Tables from CSV texts, one file per table."""
    named = {name: {"path": f"{name}.csv", **(tables or {}).get(name, {})} for name in texts}
    for name, text in texts.items():
        (folder / f"{name}.csv").write_bytes(text.encode())
    (folder / "plain.csv").write_text(REQUIRED["purchases"])
    quarantine = settings.pop("quarantine_dir", None)
    config = config_of(named, **settings)
    return load_tables(config, data_root=folder, observed_now=NOW, quarantine_dir=quarantine)


def rows_of(tables: Tables, name: str, *columns: str) -> list[tuple[Any, ...]]:
    """Accepted rows in the order of customer and the columns asked for, nulls as None."""
    frame = tables.events[name].select(*columns).to_pyarrow().to_pylist()
    rows = [tuple(row[column] for column in columns) for row in frame]
    return sorted(rows, key=lambda row: tuple(str(cell) for cell in row))


def stamp(text: str) -> pd.Timestamp:
    """Naive UTC stamp."""
    return pd.Timestamp(text)
