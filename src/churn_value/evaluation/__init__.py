"""How good a model is, beside the baselines on the same rows, and whether its inputs may be trusted."""
