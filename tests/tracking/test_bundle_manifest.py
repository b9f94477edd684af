"""What a bundle says of itself can always be written."""

import json
from datetime import UTC, datetime
from math import nan
from pathlib import Path
from types import SimpleNamespace

from evaluations import evaluation

from churn_value.config import load_config
from churn_value.estimators.bootstrap import Estimate
from churn_value.training.pack import manifest_of

CONFIG = Path(__file__).parents[2] / "configs" / "ibm_telco.yaml"


def test_a_measure_that_is_undefined_is_null():
    given = evaluation()
    given.metrics["model"]["value_top10_capture"] = Estimate(nan, nan, nan)  # customers returned all they bought
    data = SimpleNamespace(split=None, manifest={"span": ["2024-01-01", "2024-06-30"], "data_sha256": "0" * 64})
    manifest = manifest_of(load_config(CONFIG), data, given, datetime(2024, 7, 1, tzinfo=UTC))
    written = json.loads(json.dumps(manifest, allow_nan=False))
    assert written["metrics"]["value_top10_capture"] is None
    assert written["metrics"]["churn_log_loss"] == 0.5
    assert written["trained_through"] == "2024-06-30"
