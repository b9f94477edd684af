"""SQL of a catalog's features, for engines that take text: compiled once, run for many small batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import ibis
from ibis.config import Config as EngineOptions

from churn_value.features.asof import build
from churn_value.features.declare import Feature


class _SparkOptions(EngineOptions):  # type: ignore[misc]
    """What the Spark compiler asks its backend for; here there is no backend, only its language."""

    treat_nan_as_null: bool = False


@contextmanager
def _spark_language() -> Iterator[None]:
    """Let Spark's SQL be written where Spark is not installed."""
    before = ibis.options.pyspark
    if before is None:
        ibis.options.pyspark = _SparkOptions()
    try:
        yield
    finally:
        ibis.options.pyspark = before


def compiled_sql(features: Sequence[Feature], schemas: Mapping[str, ibis.Schema], *, dialect: str = "duckdb") -> str:
    """SQL of `asof.build` over tables named as the sources and ``spine``.

    Parameters
    ----------
    features
        What to compute.
    schemas
        Schema of each source by table name, as in `Catalog.schemas`; the text expects tables of these names and
        columns, and ``spine(customer_id, as_of)``.
    dialect
        ``"duckdb"`` or ``"pyspark"``; Spark need not be installed to write its language.
    """
    tables = {name: ibis.table(schema, name=name) for name, schema in schemas.items()}
    spine = ibis.table({"customer_id": "string", "as_of": "date"}, name="spine")
    with _spark_language():
        return str(ibis.to_sql(build(features, tables, spine), dialect=dialect))
