"""Every check of a training run, before anything is fitted."""

from __future__ import annotations

from churn_value.config import Config
from churn_value.dataset import Dataset
from churn_value.evaluation.checks import Check, run_checks
from churn_value.evaluation.continuity import continuity
from churn_value.evaluation.sufficiency import sufficiency
from churn_value.tables.load import Tables


def checks_of(config: Config, tables: Tables, data: Dataset) -> tuple[Check, ...]:
    """Checks of the rows, of their number, and of the tables they are made of."""
    rows = run_checks(
        data.frame,
        data.catalog.features,
        horizon_days=data.learned_days,
        seed=config.tuning.seed,
        dated=data.split is not None,
    )
    return (*rows, *sufficiency(data.frame), continuity(tables.events))
