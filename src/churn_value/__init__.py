"""Event tables in, one governed answer per customer out."""

__version__ = "0.1.0"
