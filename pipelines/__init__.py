"""What can be done: one job per file, run as ``python -m pipelines.<job> --help``."""
