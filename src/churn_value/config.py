"""What a company writes: one YAML, only what differs from the defaults, the unit in each key.

The models are frozen and refuse unknown keys. Every refusal names the file, the key, what was received and what to
write instead. `Config.sha256` names the configuration in runs, manifests and bundles.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from churn_value.errors import ConfigError
from churn_value.yaml_files import read_yaml, yaml_value

TABLE_NAMES = ("purchases", "visits", "feedback", "payments", "customers", "contracts", "snapshots")
ChurnDefinition = Literal["no_purchase", "no_visit", "contract_end", "label"]
CohortRule = Literal["purchased", "visited", "active_contract", "everyone"]
PositiveDays = Annotated[int, Field(ge=1, le=36_500)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)


class JoinConfig(_Strict):
    """Columns of another file, looked up row by row; each key may stand there once."""

    path: str = Field(description="file or glob, relative to the data root")
    on: dict[str, str] = Field(min_length=1, description="this table's column: the other file's column")
    columns: list[str] = Field(default_factory=list, description="columns to bring; empty brings all")
    null_values: dict[str, list[str]] = Field(default_factory=dict, description="its column: texts that mean null")


class TableConfig(_Strict):
    """Where a canonical table comes from and how its columns are named there."""

    path: str = Field(description="file or glob below the data root: .parquet, .csv, .jsonl, or .duckdb with `table`")
    table: str | None = Field(default=None, description="table inside a DuckDB file")
    separator: str = Field(default=",", description="what parts the columns of a CSV")
    encoding: str = Field(
        default="utf-8",
        description="of a CSV or JSON Lines, and of those it is joined with, as in gb18030, cp1252 or utf-16",
    )
    columns: dict[str, str] = Field(default_factory=dict, description="canonical column: source column")
    derived: dict[str, str] = Field(
        default_factory=dict,
        description="canonical column: arithmetic and comparisons over source columns, as in Quantity * `Unit Price`",
    )
    constants: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="canonical column: the same value for every row"
    )
    null_values: dict[str, list[str]] = Field(default_factory=dict, description="source column: texts that mean null")
    joins: list[JoinConfig] = Field(
        default_factory=list, description="columns looked up in other files, one after another"
    )
    time_formats: dict[str, str] = Field(
        default_factory=dict,
        description="source column, or one that is joined: how its times are written where not by ISO 8601, as in "
        "'%d/%m/%Y %H:%M' or '%Y年%m月%d日', or unix_s, unix_ms, unix_us",
    )
    number_formats: dict[str, str] = Field(
        default_factory=dict,
        description="source column, or one that is joined: how it writes 1234.56, as in '1.234,56', '1 234,56' or "
        "'$1,234.56'",
    )
    attributes: Literal["all"] | list[str] = Field(
        default="all", description="customers and snapshots: which other source columns become attributes"
    )
    time_zone: str | None = Field(default=None, description="zone of stamps without one, as in 'Europe/London'")
    returns: Literal["by_return_date", "by_purchase_date"] = Field(
        default="by_return_date", description="purchases: which day a return lowers the amount of"
    )
    late_after_days: PositiveDays = Field(default=7, description="known_at this much after event_time counts as late")

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        # A codec of Python may also turn bytes into bytes, as base64 does; those decode nothing.
        try:
            "".encode(value)
        except LookupError:
            msg = f"{value!r} is no encoding of text; usual ones are utf-8, gb18030, big5, shift_jis, cp1252, utf-16"
            raise ValueError(msg) from None
        return value


class ChurnConfig(_Strict):
    """What churn means here."""

    definition: ChurnDefinition = Field(
        default="no_purchase",
        description="nothing bought, no visit or the contract ended within the horizon; or a label",
    )
    positive: str | None = Field(default=None, description="label: the text of the source that means churned")


class CohortConfig(_Strict):
    """Who is on the spine at an as_of."""

    rule: CohortRule = Field(default="purchased", description="who had bought, visited or had a contract; or everyone")
    lookback_days: PositiveDays | None = Field(default=None, description="only within this many days; null: ever")


class AsOfDates(_Strict):
    """Dates given by hand instead of planned from the span of the data."""

    train: tuple[date, ...] = Field(min_length=1, description="the parts of the heads are fitted on")
    calibration: tuple[date, ...] = Field(min_length=1, description="their weights and the calibration are learned on")
    test: tuple[date, ...] = Field(min_length=1, description="the model is judged on")
    refit: tuple[date, ...] = Field(
        default=(), description="between train and calibration: only the shipped model is fitted on them"
    )


class DatesConfig(_Strict):
    """Which as_of dates a model is fitted, calibrated and tested on."""

    as_of: AsOfDates | None = Field(default=None, description="the dates themselves; null: planned")
    observed_through: date | None = Field(
        default=None, description="first day not observed; null: after the last event"
    )
    step_days: PositiveDays | None = Field(default=None, description="null: a third of the horizon")
    min_history_days: PositiveDays | None = Field(default=None, description="null: a third of the horizon, 28 at least")
    max_train_dates: Annotated[int, Field(ge=1, le=60)] = Field(default=12, description="the newest ones are kept")
    calibration_dates: Annotated[int, Field(ge=1, le=12)] = Field(default=1, description="before the test date")
    learned_days: PositiveDays | None = Field(
        default=None,
        description="outcome window learned on; null: horizon_days, or the longest one a short history allows",
    )


class TuningConfig(_Strict):
    """Budget and seed of the search, for each head."""

    trials: Annotated[int, Field(ge=0, le=10_000)] = Field(default=25, description="0: the defaults are taken")
    time_budget_s: Annotated[float, Field(gt=0)] = Field(default=90.0, description="after which no trial begins [s]")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(default=7, description="of everything that is drawn")
    seeds_averaged: Annotated[int, Field(ge=1, le=10)] = Field(
        default=2, description="boosters are means over so many seeds"
    )
    threads: Annotated[int, Field(ge=1, le=64)] = Field(default=2, description="of LightGBM and of the engine")
    max_train_rows: Annotated[int, Field(ge=1_000)] = Field(
        default=200_000, description="more are thinned by customer; the other folds never are"
    )


class IntervalConfig(_Strict):
    """The prediction interval of the value head."""

    level: Annotated[float, Field(gt=0, lt=1)] = Field(default=0.8, description="share of values that lie within")


class GateConfig(_Strict):
    """When a challenger may become champion; every condition is on the test rows."""

    min_test_rows: Annotated[int, Field(ge=1)] = Field(default=200, description="to judge by")
    min_churners: Annotated[int, Field(ge=1)] = Field(default=30, description="among them")
    max_calibration_error: Annotated[float, Field(gt=0, le=1)] = Field(default=0.08, description="of 15 bins")
    max_total_bias: Annotated[float, Field(gt=0)] = Field(default=0.35, description="|predicted / actual - 1|")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        default=0.95, description="of the bootstrap intervals that models are compared by"
    )


class Config(_Strict):
    """A company's whole configuration."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")] = Field(description="of model, runs and folders")
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(
        default="USD", description="that all amounts are brought to"
    )
    horizon_days: PositiveDays = Field(default=90, description="how far ahead value and churn are predicted")
    churn: ChurnConfig = Field(default=ChurnConfig(), description="what churn means")
    cohort: CohortConfig = Field(default=CohortConfig(), description="who is scored")
    tables: dict[str, TableConfig] = Field(description="canonical table: where it comes from")
    dates: DatesConfig = Field(default=DatesConfig(), description="which dates are learned from")
    windows_days: tuple[PositiveDays, ...] | None = Field(default=None, description="null: from the customers' rhythm")
    interval: IntervalConfig = Field(default=IntervalConfig(), description="of the value")
    tuning: TuningConfig = Field(default=TuningConfig(), description="budget of the search")
    gate: GateConfig = Field(default=GateConfig(), description="when a challenger may become champion")
    policy: str = Field(default="policy/retail.yaml", description="policy file, relative to this YAML's folder")
    tier_overrides: str | None = Field(
        default=None, description="CSV below the data root: customer_id, tier, reason, owner, expires (last day)"
    )
    rates: dict[str, float] = Field(default_factory=dict, description="currency code: units of `currency` per unit")
    expires_after_days: PositiveDays = Field(default=7, description="an answer is called stale so long after its as_of")
    source_file: Path | None = Field(default=None, exclude=True)

    @field_validator("windows_days")
    @classmethod
    def _increasing(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not value or list(value) != sorted(set(value))):
            msg = "windows_days must be distinct and increasing, as in [30, 90, 365]"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _tables_fit_definition(self) -> Self:
        for name in self.tables:
            if name not in TABLE_NAMES:
                near = difflib.get_close_matches(name, TABLE_NAMES, n=1)
                hint = f"; did you mean {near[0]}?" if near else f"; the tables are {', '.join(TABLE_NAMES)}"
                msg = f"tables.{name} is not a table of the contract{hint}"
                raise ValueError(msg)
        needs = {
            "no_purchase": "purchases",
            "no_visit": "visits",
            "contract_end": "contracts",
            "label": "snapshots",
        }[self.churn.definition]
        if needs not in self.tables:
            msg = f"churn.definition {self.churn.definition} needs tables.{needs}; add it or choose another definition"
            raise ValueError(msg)
        return self

    @property
    def is_snapshot(self) -> bool:
        """Whether the data are a ready-made table with a label, without events."""
        return self.churn.definition == "label"

    @property
    def has_value(self) -> bool:
        """Whether there are purchases to predict the value of."""
        return "purchases" in self.tables and not self.is_snapshot

    @property
    def sha256(self) -> str:
        """Hash of the canonical JSON of every setting, defaults included."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def policy_file(self) -> Path:
        """Path of the policy, taken relative to the YAML that names it."""
        folder = self.source_file.parent if self.source_file else Path("configs")
        return folder / self.policy


def _described(error: ValidationError, source: str) -> ConfigError:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or "(whole file)"
    remedy = None
    if first["type"] == "extra_forbidden":
        remedy = "remove the key, or correct its spelling"
        known = _known_keys(first["loc"][:-1])
        near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
        if near:
            remedy = f"did you mean {near[0]}?"
    received = first["input"] if not isinstance(first["input"], dict) else f"keys {sorted(map(str, first['input']))}"
    more = f" (and {len(error.errors()) - 1} more)" if len(error.errors()) > 1 else ""
    return ConfigError(
        first["msg"].removeprefix("Value error, ") + more, where=f"{source}: {key}", received=received, remedy=remedy
    )


def _known_keys(place: tuple[int | str, ...]) -> list[str]:
    """Keys allowed at a place of the YAML."""
    models: dict[str, type[BaseModel]] = {
        "churn": ChurnConfig,
        "cohort": CohortConfig,
        "dates": DatesConfig,
        "tuning": TuningConfig,
        "gate": GateConfig,
        "interval": IntervalConfig,
        "tables": TableConfig,
    }
    model = models.get(str(place[0]), Config) if place else Config
    return sorted(model.model_fields)


def _with_overrides(content: dict[str, Any], overrides: tuple[str, ...]) -> dict[str, Any]:
    for override in overrides:
        key, separator, value = override.partition("=")
        if not separator:
            raise ConfigError("an override is written key=value", where="--set", received=override)
        *parents, leaf = key.split(".")
        place = content
        for parent in parents:
            place = place.setdefault(parent, {})
            if not isinstance(place, dict):
                raise ConfigError("an override's key must lead through mappings", where="--set", received=override)
        place[leaf] = yaml_value(value)
    return content


def load_config(path: Path | str, overrides: tuple[str, ...] = ()) -> Config:
    """Configuration in a YAML file.

    Parameters
    ----------
    path
        The YAML.
    overrides
        ``key.sub=value`` texts that replace single settings; values are read as YAML.

    Raises
    ------
    ConfigError
        When a key is unknown, missing or has a value outside its range; the message names file and key.
    """
    path = Path(path)
    content = _with_overrides(read_yaml(path), overrides)
    try:
        return Config.model_validate({**content, "source_file": path})
    except ValidationError as error:
        raise _described(error, str(path)) from None
