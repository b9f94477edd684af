"""Files a company has, opened as tables: Parquet, CSV, JSON Lines and DuckDB, in any encoding."""
