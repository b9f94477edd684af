"""The reference sets of the accuracy benchmark: who is predicted for, when, how far ahead, and by which rows.

Dated sets follow one protocol. A purchase is a customer's day whose positive line amounts sum above 0; lines that are
not positive (returns, cancellations) are dropped from history and truth, so amounts are gross. Predicted for is every
customer with a purchase before as_of. The synthetic world keeps its own, net rule, for its truth is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import yaml

from churn_value.config import Config, load_config
from churn_value.errors import ConfigError

RESULTS, DOCUMENT = Path("benchmarks/results/accuracy.json"), Path("docs/accuracy.md")
SYNTHETIC_SEED = 7
FOLDS = 5


@dataclass(frozen=True)
class DatedSet:
    """Customers at one as_of.

    Attributes
    ----------
    config
        Shipped configuration it starts from.
    as_of, horizon_days
        Date and length of the outcome to predict.
    kept
        SQL condition on the source's rows, true for the lines that count; empty keeps all.
    customer, amount, stamp
        SQL expressions of the source, for a truth that is computed without the package.
    overrides
        Further settings.
    source
        File of the source where it is not the configuration's.
    added
        SQL of a column that the source lacks.
    """

    config: str
    as_of: date
    horizon_days: int
    kept: str = ""
    customer: str = ""
    amount: str = ""
    stamp: str = ""
    overrides: tuple[str, ...] = ()
    source: str = ""
    added: str = ""


@dataclass(frozen=True)
class StaticSet:
    """A ready-made table with a label, judged by repeated stratified cross-validation."""

    path: str
    label: str
    positive: str
    customer: str = ""
    null_values: str = ""


_CDNOW = partial(
    DatedSet,
    config="cdnow",
    kept="dollar_value > 0",
    customer="customer_id",
    amount="dollar_value",
    stamp="date",
)
DATED: dict[str, DatedSet] = {
    "cdnow": _CDNOW(as_of=date(1998, 4, 1), horizon_days=91),
    "cdnow_long": _CDNOW(as_of=date(1997, 10, 1), horizon_days=273),
    "online_retail": DatedSet(
        config="online_retail",
        as_of=date(2011, 9, 10),
        horizon_days=90,
        kept="Quantity > 0 AND Quantity * UnitPrice > 0 AND CustomerID IS NOT NULL",
        customer="CustomerID",
        amount="Quantity * UnitPrice",
        stamp="InvoiceDate",
    ),
    "completejourney": DatedSet(
        config="completejourney",
        as_of=date(2017, 10, 2),
        horizon_days=91,
        kept="sales_value > 0",
        customer="household_id",
        amount="sales_value",
        stamp="transaction_timestamp",
    ),
    # Who came to the till when, without amounts: the value of a day is 1, what is predicted their number.
    "grocery_elog": DatedSet(
        config="cdnow",
        as_of=date(2007, 1, 1),
        horizon_days=364,
        kept="true",
        customer="cust",
        amount="1.0",
        stamp="date",
        overrides=(
            "name=grocery_elog",
            "tables.purchases.columns={customer_id: cust, event_time: date, amount: counted}",
        ),
        source="grocery_elog.parquet",
        added="CAST(1 AS DECIMAL(9, 2)) AS counted",
    ),
    "synthetic": DatedSet(config="synthetic", as_of=date(2024, 10, 2), horizon_days=90),
}
STATIC: dict[str, StaticSet] = {
    "ibm_telco": StaticSet("ibm_telco_v7.csv", "Churn", "Yes", "customerID", "TotalCharges"),
    "iranian": StaticSet("iranian_churn.csv", "Churn", "1"),
}
NAMES = (*DATED, *STATIC)


def source_of(name: str, data_root: Path) -> Path:
    """File that a dated set's purchases come from."""
    given = DATED[name]
    return data_root / (given.source or load_config(f"configs/{given.config}.yaml").tables["purchases"].path)


def is_present(name: str, data_root: Path) -> bool:
    """Whether a set's data are on this machine; the synthetic world is made."""
    if name == "synthetic":
        return True
    return (data_root / STATIC[name].path if name in STATIC else source_of(name, data_root)).exists()


def prepared(
    name: str, folder: Path, data_root: Path, customers: int, changes: tuple[str, ...] = ()
) -> tuple[Config, Path]:
    """Configuration of a set over sources written for it, and the data root to read them from.

    Parameters
    ----------
    name
        One of `NAMES`.
    folder
        Where the written sources go.
    data_root
        Where the reference data are.
    customers
        Size of the synthetic world.
    changes
        Settings of this run, as ``key=value``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if name in STATIC:
        return _static(name, folder, data_root, changes), data_root
    given = DATED[name]
    through = given.as_of + timedelta(days=given.horizon_days)
    overrides = [f"horizon_days={given.horizon_days}", f"dates.observed_through={through}", *given.overrides, *changes]
    if given.kept:
        purchases = folder / "purchases.parquet"
        _select(source_of(name, data_root), purchases, given)
        overrides.append(f"tables.purchases.path={purchases.resolve()}")
    else:
        _simulated(folder / "synthetic", customers)
        data_root = folder
    return load_config(f"configs/{given.config}.yaml", tuple(overrides)), data_root


def _select(source: Path, target: Path, given: DatedSet) -> None:
    if target.exists():
        return
    columns = ", ".join(filter(None, ("*", given.added)))
    query = f"COPY (SELECT {columns} FROM '{source}' WHERE {given.kept}) TO '{target}' (FORMAT parquet)"
    with duckdb.connect() as connection:
        connection.execute(query)


def true_totals(name: str, data_root: Path) -> dict[str, float]:
    """Customers, those who stay and what they spend [major units], from the source alone by a query of its own."""
    given = DATED[name]
    if not given.kept:
        raise ConfigError("the truth of this set is the world's own", where="benchmarks.accuracy", received=name)
    end = given.as_of + timedelta(days=given.horizon_days)
    query = f"""
        WITH line AS (SELECT {given.customer} AS customer, CAST({given.stamp} AS DATE) AS day, {given.amount} AS amount
                      FROM '{source_of(name, data_root)}' WHERE {given.kept}),
             known AS (SELECT DISTINCT customer FROM line WHERE day < DATE '{given.as_of}'),
             later AS (SELECT customer, sum(amount) AS amount FROM line JOIN known USING (customer)
                       WHERE day >= DATE '{given.as_of}' AND day < DATE '{end}' GROUP BY customer)
        SELECT (SELECT count(*) FROM known), count(*), sum(amount) FROM later
    """
    with duckdb.connect() as connection:
        found = connection.execute(query).fetchone() or (0, 0, 0.0)
    return {"customers": float(found[0]), "stayers": float(found[1]), "value": float(found[2])}


def _simulated(folder: Path, customers: int) -> None:
    """The synthetic world, and its truth beside it."""
    from churn_value.tables.synthetic import simulate  # noqa: PLC0415 - only one set needs it

    given = DATED["synthetic"]
    if (folder / "truth.parquet").exists():
        return
    world = simulate(customers, seed=SYNTHETIC_SEED)
    world.write(folder)
    world.truth(given.as_of, given.horizon_days).to_parquet(folder / "truth.parquet")


def _static(name: str, folder: Path, data_root: Path, changes: tuple[str, ...]) -> Config:
    """A static set without repeated rows, every row with an id, and a configuration written for it."""
    given = STATIC[name]
    rows = pd.read_csv(data_root / given.path, dtype=str).drop_duplicates(ignore_index=True)
    rows = rows.rename(columns={column: "_".join(column.split()) for column in rows.columns})
    customer = given.customer or "customer"
    if not given.customer:
        rows[customer] = [f"r{place:05d}" for place in range(len(rows))]
    rows.to_csv(folder / f"{name}.csv", index=False)
    table: dict[str, Any] = {
        "path": str((folder / f"{name}.csv").resolve()),
        "columns": {"customer_id": customer, "label": given.label},
    }
    if given.null_values:
        table["null_values"] = {given.null_values: [" "]}
    content = {
        "name": name,
        "horizon_days": 30,
        "churn": {"definition": "label", "positive": given.positive},
        "cohort": {"rule": "everyone"},
        "tables": {"snapshots": table},
        "policy": "policy/subscription.yaml",
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return load_config(path, changes)
