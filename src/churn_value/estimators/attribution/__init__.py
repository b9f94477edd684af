"""Exact Shapley contributions of boosters, compiled from their text: an explanation costs hardly more than a score."""
