"""The recommender of a company, learned from what was known by one day."""

from __future__ import annotations

from datetime import date, timedelta

from churn_value.config import Config
from churn_value.errors import TooLittleData
from churn_value.recommendation.baskets import baskets, item_kind
from churn_value.recommendation.recommender import Recommender, learn
from churn_value.tables.load import Tables

# A suggestion is about the next purchases; a horizon of months would only ask who buys much.
MOST_HORIZON_DAYS = 28


def recommender_for(config: Config, tables: Tables, through: date) -> Recommender | None:
    """Recommender of categories, else of products, learned from the rows known before `through`.

    The regression is fitted on ``[through - horizon, through)``, from what was known before that window; the horizon is
    the configuration's, at most 28 days.

    Returns
    -------
    Recommender or None
        None where purchases have neither, or too few customers bought again.
    """
    kind = item_kind(tables)
    if kind is None:
        return None
    horizon = min(config.horizon_days, MOST_HORIZON_DAYS)
    try:
        return learn(
            baskets(tables, through - timedelta(days=horizon), column=kind),
            baskets(tables, through, column=kind),
            kind=kind,
            horizon_days=horizon,
            learned_through=through.isoformat(),
            seed=config.tuning.seed,
        )
    except TooLittleData:
        return None
