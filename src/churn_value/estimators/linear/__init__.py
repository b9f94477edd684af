"""Regressions on standardised features: fit, path of penalties, and the loops of a score."""
