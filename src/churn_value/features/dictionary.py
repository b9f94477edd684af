"""The data dictionary as text: what each column of a feature table is, for readers and for `docs/features.md`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from churn_value.config import load_config
from churn_value.errors import ChurnValueError
from churn_value.features.catalog import ATTRIBUTES_OF_CONTRACT, DEFAULT_WINDOWS_DAYS, EVERY_COLUMN, Catalog, catalog
from churn_value.features.declare import Feature
from churn_value.features.suited import catalog_of, catalog_parameters
from churn_value.settings import Settings
from churn_value.tables.load import load_tables

Format = Literal["table", "markdown", "json"]
Language = Literal["en", "zh", "both"]
_INTRODUCTION = """# Features

Every column a model can see, with all tables present and windows of {windows} days (chosen for a horizon of 90
days; each company gets its own ladder, see `features/windows.py`). Written by
`python -m churn_value.features.catalog --format markdown`; a test keeps it current.

A feature is a function of the past only: rows with `event_time < as_of` and `known_at < as_of`. *Empty* is the value
when nothing happened; null means "not known". Numbers are float64, exact up to 2**53; money is integer minor units, net
of returns where it says net. A *purchase* is a line that is no return and for which something was paid. A source with
`+` puts the rows of several tables together, each past by its own table's clocks; of a company that lacks some of them,
those it has, and at least two.

"""


def full_catalog() -> Catalog:
    """Catalog with every table and column of the contract, and the default windows."""
    return catalog(EVERY_COLUMN, DEFAULT_WINDOWS_DAYS, ATTRIBUTES_OF_CONTRACT)


def _texts(feature: Feature, language: Language) -> list[str]:
    texts = {"en": feature.en, "zh": feature.zh}
    return list(texts.values()) if language == "both" else [texts[language]]


def _cells(features: Catalog, language: Language) -> list[list[str]]:
    """Header and rows of the dictionary."""
    languages = ["en", "zh"] if language == "both" else [language]
    rows = [["name", "source", "unit", "empty", "group", *languages]]
    for feature in features.features:
        empty = "null" if feature.empty is None else str(feature.empty)
        rows.append([feature.name, feature.source, feature.unit, empty, feature.group, *_texts(feature, language)])
    return rows


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def _markdown(features: Catalog, rows: Sequence[Sequence[str]]) -> str:
    windows = sorted({feature.window_days for feature in features.features if feature.window_days})
    header, *body = [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    rule = "|" + " --- |" * len(rows[0])
    introduction = _INTRODUCTION.format(windows=", ".join(map(str, windows)))
    return introduction + "\n".join([f"{len(body)} columns.\n", header, rule, *body]) + "\n"


def rendered(features: Catalog, form: Format = "table", language: Language = "both") -> str:
    """Dictionary of a catalog as text.

    Parameters
    ----------
    features
        The catalog.
    form
        ``table`` for a terminal, ``markdown`` for a page, ``json`` for programs (which always has both languages).
    language
        Language of the texts.
    """
    if form == "json":
        return json.dumps(features.dictionary(), ensure_ascii=False, indent=1) + "\n"
    rows = _cells(features, language)
    return _markdown(features, rows) if form == "markdown" else _aligned(rows)


def _catalog_of(path: Path) -> Catalog:
    """Catalog of a company: its tables, its attributes, and its windows."""
    config = load_config(path)
    tables = load_tables(config, data_root=Settings.from_environment().data_root, observed_now=datetime.now(UTC))
    return catalog_of(catalog_parameters(config, tables))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the dictionary; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m churn_value.features.catalog", description=__doc__)
    parser.add_argument("--config", type=Path, help="a company's YAML; without it, every table and default windows")
    parser.add_argument("--format", choices=get_args(Format), default="table")
    parser.add_argument("--lang", choices=get_args(Language), default="both")
    given = parser.parse_args(arguments)
    try:
        features = _catalog_of(given.config) if given.config else full_catalog()
    except ChurnValueError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return error.exit_status
    sys.stdout.write(rendered(features, given.format, given.lang))
    return 0
