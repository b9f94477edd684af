"""A small company, really trained and exported: the bundle, pointer and feature table that the service tests serve."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from churn_value.config import Config
from churn_value.estimators import hurdle
from churn_value.features.catalog import Catalog, catalog
from churn_value.recommendation.habits import PREFIX, with_habits
from churn_value.recommendation.learning import recommender_for
from churn_value.scoring.bundle import Bundle, load_bundle, write_bundle
from churn_value.scoring.policy import load_policy
from churn_value.scoring.reference import Reference
from churn_value.service.store import KEYS, write_features
from churn_value.settings import Settings
from churn_value.tables.load import tables_from_frames

NAME = "corner_shop"
HORIZON_DAYS = 28
WINDOWS_DAYS = (28, 84)
START = date(2024, 1, 1)
AS_OF = date(2024, 10, 1)
CUSTOMERS = 160
NOW = datetime(2024, 12, 1, tzinfo=UTC)
POLICY = Path(__file__).parents[2] / "configs" / "policy" / "retail.yaml"


def config() -> Config:
    return Config.model_validate(
        {
            "name": NAME,
            "currency": "GBP",
            "horizon_days": HORIZON_DAYS,
            "tables": {
                "purchases": {"path": "purchases.parquet"},
                "customers": {"path": "customers.parquet", "attributes": ["region", "plan", "household"]},
            },
            "tuning": {"seeds_averaged": 1, "threads": 1},
        }
    )


def frames(seed: int = 5) -> dict[str, pd.DataFrame]:
    """Purchases whose pace differs by customer and fades for some; regions and plans; ids that are easy to mangle."""
    rng = np.random.default_rng(seed)
    ids = [f"{number:04d}" if number % 3 else f"客户 {number}" for number in range(CUSTOMERS)]
    rows = []
    for customer_id in ids:
        day, end = rng.integers(0, 60), rng.integers(150, 400)
        gap = rng.integers(4, 40)
        while day < min(end, 330):
            stamp = datetime.combine(START, datetime.min.time()) + timedelta(days=int(day), hours=int(rng.integers(24)))
            for _ in range(rng.integers(1, 4)):
                amount = float(rng.integers(100, 9_000)) / 100
                rows.append(
                    (customer_id, f"{stamp.isoformat()}Z", amount, f"{customer_id}-{day}", f"c{rng.integers(5)}")
                )
            day += max(1, rng.poisson(gap))
    purchases = pd.DataFrame(rows, columns=["customer_id", "event_time", "amount", "order_id", "category"])
    customers = pd.DataFrame(
        {
            "customer_id": ids,
            "region": rng.choice(["north", "south", "07"], CUSTOMERS),
            "plan": rng.choice(["basic", "plus"], CUSTOMERS),
            "household": rng.integers(1, 6, CUSTOMERS).astype(float),
        }
    )
    return {"purchases": purchases, "customers": customers}


def labelled_features(made: Catalog, tables, purchases: pd.DataFrame, as_ofs: list[date]) -> list[pd.DataFrame]:
    """Per as_of, features of who has bought before, with churn and value of the outcome window in plain pandas."""
    days = pd.to_datetime(purchases["event_time"]).dt.date
    spine = pd.DataFrame(
        [(one, as_of) for as_of in as_ofs for one in sorted(purchases.loc[days < as_of, "customer_id"].unique())],
        columns=["customer_id", "as_of"],
    )
    tables.connection.con.register("spine", pa.Table.from_pandas(spine))
    made_frame = tables.connection.con.sql(made.sql).to_arrow_table().to_pandas().sort_values("customer_id")
    found = []
    for as_of in as_ofs:
        frame = made_frame[made_frame["as_of"] == as_of].copy()
        within = purchases[(days >= as_of) & (days < as_of + timedelta(days=HORIZON_DAYS))]
        value = within.groupby("customer_id")["amount"].sum().mul(100).round()
        frame["value_minor"] = frame["customer_id"].map(value).fillna(0.0).astype(float)
        frame["churned"] = (~frame["customer_id"].isin(within["customer_id"])).astype(float)
        found.append(frame.reset_index(drop=True))
    return found


@dataclass(frozen=True)
class Company:
    """What was exported, and what it was made from."""

    settings: Settings
    bundle: Bundle
    path: Path
    features: pd.DataFrame
    purchases: pd.DataFrame
    customers: pd.DataFrame

    @property
    def exported(self) -> Path:
        return self.settings.exported(NAME)

    def events_of(self, customer_id: str) -> dict[str, list[dict[str, object]]]:
        """Raw events of one customer as a request carries them."""
        own = self.purchases[self.purchases["customer_id"] == customer_id].drop(columns="customer_id")
        about = self.customers[self.customers["customer_id"] == customer_id].drop(columns="customer_id")
        return {"purchases": own.to_dict("records"), "customers": about.to_dict("records")}

    def features_of(self, customer_id: str) -> dict[str, object]:
        """Features of one customer as a request carries them."""
        row = self.features[self.features["customer_id"] == customer_id].iloc[0]
        found = row[[name for name in row.index if name not in KEYS and not name.startswith(PREFIX)]].to_dict()
        return {name: None if pd.isna(value) else value for name, value in found.items()}


def point(exported: Path, path: Path, version: str, *, sha256: str | None = None) -> None:
    """Move the pointer as promotion does: written beside, then renamed."""
    digest = sha256 or hashlib.sha256((path / "manifest.json").read_bytes()).hexdigest()
    fresh = exported / ".CHAMPION.new"
    fresh.write_text(json.dumps({"version": version, "path": path.name, "sha256": digest}))
    fresh.replace(exported / "CHAMPION")


def export(settings: Settings, *, seed: int = 7) -> Company:
    """Train on two dates, calibrate on a third, write the bundle, point at it, store the features of a fourth."""
    company, raw = config(), frames()
    tables = tables_from_frames(company, raw, observed_now=NOW, threads=1)
    types = {**tables.attribute_types.get("customers", {})}
    made = catalog(tables.present, WINDOWS_DAYS, types)
    dates = [AS_OF - timedelta(days=HORIZON_DAYS * steps) for steps in (4, 3, 1, 0)]
    parts = labelled_features(made, tables, raw["purchases"], dates)
    model = hurdle.fit(
        pd.concat(parts[:2]),
        parts[2],
        made,
        company,
        churn_params={"rounds": 12},
        value_params={"rounds": 12},
        seed=seed,
    )
    parameters = {
        "present": {table: sorted(columns) for table, columns in tables.present.items()},
        "windows_days": list(WINDOWS_DAYS),
        "attributes": types,
    }
    manifest = {
        "model_name": NAME,
        "created_at": "2024-11-01T00:00:00Z",
        "trained_through": dates[2].isoformat(),
        "data_sha256": tables.sha256,
        "seed": seed,
        "libraries": {},
        "run_id": "0" * 32,
        "quality_grade": "B",
        "metrics": {"auc": 0.7},
    }
    features = parts[3].drop(columns=["churned", "value_minor"])
    following = recommender_for(company, tables, AS_OF)
    path = write_bundle(
        settings.exported(NAME),
        model,
        catalog=made,
        policy=load_policy(POLICY),
        reference=Reference.fit(parts[2], model.predict(parts[2]), made.features),
        config=company,
        manifest=manifest,
        golden=features.head(20),
        parameters=parameters,
        recommender=following,
    )
    point(settings.exported(NAME), path, "1")
    features = with_habits(features, tables, AS_OF, following)
    write_features(features, settings.scored_features(NAME))
    return Company(settings, load_bundle(path), path, features, raw["purchases"], raw["customers"])


def settings_at(folder: Path) -> Settings:
    return Settings(folder / "data", folder / "artifacts", folder / "models", "sqlite://")
