"""From frames of rows to what a model is fitted on: its features, and the numbers of every fold."""

from __future__ import annotations

import pandas as pd

from churn_value.config import Config
from churn_value.estimators.design import CatalogLike, Design
from churn_value.estimators.rows import Folds, labelled, rows_of
from churn_value.estimators.sieve import sifted


def folds_of(
    train: pd.DataFrame,
    calibration: pd.DataFrame,
    refit: pd.DataFrame | None,
    catalog: CatalogLike,
    config: Config,
    *,
    seed: int,
) -> tuple[Design, Folds]:
    """Design of the train rows without attributes that say nothing (see `sieve`), and the numbers of every fold.

    Parameters
    ----------
    train, calibration, refit
        Rows as for ``hurdle.fit``; those with an incomplete outcome window are left out.
    catalog
        Features, in the order of the design.
    config
        Says whether there is a value head; gives threads.
    seed
        Of the sieve's draws.

    Raises
    ------
    TooLittleData
        When a fold has no complete row.
    """
    with_value = config.has_value
    first = labelled(train, with_value=with_value)
    every = Design.fit(first, catalog)
    rows = rows_of(first, every, with_value=with_value)
    design = sifted(every, rows, with_value=with_value, seed=seed, threads=config.tuning.threads)
    earlier = rows.with_columns([every.names.index(name) for name in design.names])
    later = rows_of(labelled(calibration, with_value=with_value), design, with_value=with_value)
    if refit is None or refit.empty:
        return design, Folds(earlier, later)
    return design, Folds(earlier, later, rows_of(labelled(refit, with_value=with_value), design, with_value=with_value))
