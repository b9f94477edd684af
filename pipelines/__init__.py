"""What can be done: one job per file, run as ``python -m pipelines.<job> --help``."""

import os

# Idle OpenMP threads spin by default, which on a shared machine makes two threads slower than one. LightGBM reads this
# once, when it is loaded, so it is set before anything else is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
