"""Spine, features and labels as one frame to learn from, with a manifest of what went in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from churn_value.config import Config
from churn_value.errors import ConfigError, TooLittleData
from churn_value.features.asof import build
from churn_value.features.catalog import Catalog
from churn_value.features.suited import catalog_of, catalog_parameters
from churn_value.labels import labels
from churn_value.manifest import manifest_of
from churn_value.snapshots import fold_of_customer, newest, snapshot_rows
from churn_value.spine import spine
from churn_value.split import observed_through, panel_split, split_for
from churn_value.tables.load import Tables
from churn_value.timeline import Split

KEYS = ["customer_id", "as_of"]
_COHORT_TABLE = {"purchased": "purchases", "visited": "visits", "active_contract": "contracts"}


@dataclass(frozen=True)
class Dataset:
    """Rows to learn from.

    Attributes
    ----------
    frame
        One row per (customer_id, as_of), sorted by as_of, then customer_id: ``fold`` (train, refit, calibration,
        test), ``churned`` (0.0, 1.0), ``value_minor`` (net amount in the outcome window; NaN without purchases), then
        one column per feature in catalog order.
    catalog
        The features, their order and fingerprint.
    split
        Purged as_of dates; None for snapshots without dates that make purged folds, which are split by customer.
    parameters
        What the catalog was made with, so that it can be made again: ``present``, ``windows_days``, ``attributes``.
    manifest
        JSON-ready: hashes of data, config and features, counts per as_of and fold.
    """

    frame: pd.DataFrame
    catalog: Catalog
    split: Split | None
    parameters: Mapping[str, Any]
    manifest: Mapping[str, Any]

    def fold(self, name: str) -> pd.DataFrame:
        """Rows of one fold, with a fresh index."""
        return self.frame[self.frame["fold"] == name].reset_index(drop=True)

    @property
    def learned_days(self) -> int:
        """Length of the outcome windows learned from; the test's is ``horizon_days`` of the configuration."""
        return int(self.manifest["learned_days"])


@dataclass(frozen=True)
class Made:
    """Features of many dates, made at once for several data sets over the same events.

    The catalog and what it was made with; its rows of every (customer_id, as_of), sorted by as_of and customer_id.
    """

    parameters: Mapping[str, Any]
    catalog: Catalog
    frame: pd.DataFrame

    def at(self, as_ofs: Sequence[date]) -> pd.DataFrame:
        """Rows of some of the dates, with a fresh index."""
        return self.frame[self.frame["as_of"].isin(pd.to_datetime(list(as_ofs)))].reset_index(drop=True)


def made(config: Config, tables: Tables, as_ofs: Sequence[date]) -> Made:
    """Features of everyone the cohort rule admits at some dates.

    Events known only later take no part in a date's rows: tables cut off at any later date would give the same.
    """
    parameters = catalog_parameters(config, tables)
    features = catalog_of(parameters)
    return Made(parameters, features, _feature_frame(config, tables, features, as_ofs))


def build_dataset(config: Config, tables: Tables, features_made: Made | None = None) -> Dataset:
    """Rows of every fold with features and labels.

    Parameters
    ----------
    config, tables
        Of a company.
    features_made
        Features of at least the dates of the folds; null makes them.

    Raises
    ------
    ConfigError
        When the cohort rule needs a table the config does not have, or given dates are not purged; when features were
        made for other tables, columns or windows.
    TooLittleData
        When a fold is empty, or has no churner or no retained customer.
    """
    parameters = catalog_parameters(config, tables)
    if features_made is not None and parameters != features_made.parameters:
        raise ConfigError(
            "features made beforehand must be of the same tables, columns and windows",
            where=f"{config.source_file}: windows_days",
            received=f"{parameters['windows_days']}, made with {features_made.parameters['windows_days']}",
        )
    features = catalog_of(parameters) if features_made is None else features_made.catalog
    if config.is_snapshot:
        frame = _snapshot_frame(tables, features)
        split = panel_split(config, frame["as_of"])
        frame = _parted(frame, split)
    else:
        split = split_for(config, tables)
        found = None if features_made is None else features_made.at(split.as_ofs)
        frame = _event_frame(config, tables, features, split, found)
    frame, available = _within_budget(frame, config.tuning.max_train_rows)
    _refuse_thin_folds(frame, config)
    manifest = manifest_of(config, tables, features, frame)
    learned = config.horizon_days if split is None else split.horizon_days
    more = {"windows_days": parameters["windows_days"], "train_rows_available": available, "learned_days": learned}
    return Dataset(frame, features, split, parameters, {**manifest, **more})


def features_at(config: Config, tables: Tables, features: Catalog, as_of: date) -> pd.DataFrame:
    """Feature rows of everyone the cohort rule admits at one date, sorted by as_of and customer_id; no labels."""
    if config.is_snapshot:
        asked = _materialised(tables, newest(snapshot_rows(tables.events["snapshots"]), as_of).select(*KEYS))
        return _executed(tables, build(features.features, tables.events, asked))
    rows = _materialised(tables, spine(tables.events, [as_of], config.cohort))
    return _executed(tables, build(features.features, tables.events, rows))


def keys_at(config: Config, tables: Tables, as_of: date) -> pd.DataFrame:
    """Whose rows `features_at` would make: ``customer_id`` and ``as_of``, sorted by as_of and customer_id."""
    if config.is_snapshot:
        return _executed(tables, newest(snapshot_rows(tables.events["snapshots"]), as_of).select(*KEYS))
    return _executed(tables, spine(tables.events, [as_of], config.cohort))


def features_for(tables: Tables, features: Catalog, rows: pd.DataFrame) -> pd.DataFrame:
    """Feature rows of given (customer_id, as_of) pairs, sorted by as_of and customer_id."""
    return _executed(tables, build(features.features, tables.events, _materialised(tables, _asked(rows))))


def outcomes_for(config: Config, tables: Tables, rows: pd.DataFrame) -> pd.DataFrame:
    """What happened after given (customer_id, as_of) pairs: ``churned``, ``value_minor``, NaN while incomplete."""
    asked = _materialised(tables, _asked(rows))
    labelled = _labelled(config, tables, asked, config.horizon_days)
    return _executed(tables, labelled).astype({"churned": "float64", "value_minor": "float64"})


def _asked(rows: pd.DataFrame) -> ir.Table:
    keys = pd.DataFrame({"customer_id": rows["customer_id"].astype(str), "as_of": rows["as_of"].dt.date})
    return ibis.memtable(keys, schema={"customer_id": "string", "as_of": "date"})


def _labelled(config: Config, tables: Tables, rows: ir.Table, days: int) -> ir.Table:
    return labels(
        tables.events,
        rows,
        definition=config.churn.definition,
        horizon_days=days,
        observed_through=observed_through(config, tables),
    )


def _materialised(tables: Tables, rows: ir.Table) -> ir.Table:
    """The spine as a stored table, so that features and labels do not compute it twice."""
    name = ibis.util.gen_name("spine")  # Ibis 12 with DuckDB cannot drop a table, so a name is never used twice
    return tables.connection.create_table(name, rows.order_by(KEYS), temp=True)


def _executed(tables: Tables, expression: ir.Table) -> pd.DataFrame:
    """Frame of an expression over the tables, sorted by as_of and customer_id."""
    frame: pd.DataFrame = tables.connection.to_pandas(expression)
    frame["as_of"] = pd.to_datetime(frame["as_of"]).astype("datetime64[us]")
    return frame.sort_values(["as_of", "customer_id"], ignore_index=True)


def _feature_frame(config: Config, tables: Tables, features: Catalog, as_ofs: Sequence[date]) -> pd.DataFrame:
    needed = _COHORT_TABLE.get(config.cohort.rule)
    if needed is not None and needed not in tables.events:
        raise ConfigError(
            f"cohort.rule {config.cohort.rule} needs tables.{needed}",
            where=f"{config.source_file}: cohort.rule",
            received=config.cohort.rule,
            remedy="add the table, or use everyone",
        )
    rows = _materialised(tables, spine(tables.events, as_ofs, config.cohort))
    return _executed(tables, build(features.features, tables.events, rows))


def _event_frame(
    config: Config, tables: Tables, features: Catalog, split: Split, found: pd.DataFrame | None
) -> pd.DataFrame:
    frame = _feature_frame(config, tables, features, split.as_ofs) if found is None else found
    known = _outcomes(config, tables, _materialised(tables, _asked(frame)), split)
    if not known[KEYS].equals(frame[KEYS]):
        raise TooLittleData(
            "features and labels must cover the same spine", received=f"{len(frame)}, {len(known)} rows"
        )
    outcomes = {
        "fold": _folds(frame["as_of"], split),
        "churned": known["churned"].astype("float64"),
        "value_minor": known["value_minor"].astype("float64"),
    }
    frame = pd.concat([frame[KEYS], pd.DataFrame(outcomes), frame[list(features.names)]], axis=1)
    return frame[frame["churned"].notna()].reset_index(drop=True)


def _outcomes(config: Config, tables: Tables, rows: ir.Table, split: Split) -> pd.DataFrame:
    """Labels of the spine: over the windows learned on, and over the horizon where the two are not the same."""
    known = _executed(tables, _labelled(config, tables, rows, split.horizon_days))
    if split.horizon_days == config.horizon_days:
        return known
    whole = _executed(tables, _labelled(config, tables, rows, config.horizon_days))
    learned = known["as_of"].isin(pd.to_datetime(list(split.learned)))
    return pd.concat([known[learned], whole[~learned]]).sort_values(["as_of", "customer_id"], ignore_index=True)


def _folds(as_ofs: pd.Series, split: Split) -> pd.Series:
    """Fold of each date; missing where it is in none."""
    return as_ofs.map({pd.Timestamp(day): split.fold_of(day) for day in split.as_ofs})


def _parted(frame: pd.DataFrame, split: Split | None) -> pd.DataFrame:
    """Rows of the folds: by date, or where there is no split 60/20/20 by a hash of the customer's id."""
    if split is None:
        return frame.assign(fold=frame["customer_id"].map(fold_of_customer))
    parted = frame.assign(fold=_folds(frame["as_of"], split))
    return parted[parted["fold"].notna()].reset_index(drop=True)


def _snapshot_frame(tables: Tables, features: Catalog) -> pd.DataFrame:
    """Snapshots with a label as rows to learn from, in no fold yet; those without are scored only."""
    rows = snapshot_rows(tables.events["snapshots"])
    asked = _materialised(tables, rows.select(*KEYS))
    frame = _executed(tables, build(features.features, tables.events, asked))
    labels = frame[KEYS].merge(_executed(tables, rows), on=KEYS, how="left", validate="one_to_one")["label"]
    outcomes = {
        "fold": "",
        "churned": labels.astype("float64"),
        "value_minor": float("nan"),
    }
    found = pd.concat([frame[KEYS], pd.DataFrame(outcomes), frame[list(features.names)]], axis=1)
    return found[found["churned"].notna()].reset_index(drop=True)


def _within_budget(frame: pd.DataFrame, most: int) -> tuple[pd.DataFrame, int]:
    """Rows with at most about `most` train rows, those of customers with the lowest hash; and how many there were.

    A customer is kept or left with all their dates, whatever the other customers are.
    """
    available = int((frame["fold"] == "train").sum())
    if available <= most:
        return frame, available
    thinned = frame["fold"].isin(["train", "refit"])
    places = pd.util.hash_array(frame["customer_id"].to_numpy(dtype=object), categorize=False) / 2.0**64
    return frame[~thinned | (places < most / available)].reset_index(drop=True), available


def _refuse_thin_folds(frame: pd.DataFrame, config: Config) -> None:
    for name in ("train", "calibration", "test"):
        churned = frame.loc[frame["fold"] == name, "churned"]
        if churned.nunique() < 2:
            raise TooLittleData(
                f"the {name} fold needs at least one churner and one retained customer",
                code="ONE_CLASS_FOLD",
                where=str(config.source_file),
                received=f"{len(churned)} rows, {int(churned.sum())} churners",
                remedy=_remedy_of_one_class(config, len(churned), int(churned.sum())),
            )


def _remedy_of_one_class(config: Config, rows: int, churners: int) -> str:
    if config.is_snapshot:
        meant = "1, true or yes" if config.churn.positive is None else repr(config.churn.positive)
        return f"write the label's text that means churned as churn.positive; it is {meant}"
    if rows == 0:
        return "nobody is in the cohort: look at cohort.rule, and whether amounts of purchases are above 0"
    if churners:
        return (
            "if a stray late date makes the events seem to go on, set dates.observed_through to the last real day; "
            "else choose another horizon_days or churn.definition"
        )
    return "choose another horizon_days or churn.definition, or bring more data"
