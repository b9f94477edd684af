"""Next best items against "most popular" and "bought most often", out of time.

    python -m benchmarks.recommendation

Complete Journey by product category (303 of them) and by department (as shipped), Online Retail by product. Everything
is learned from rows known before the test date; the window after it is the outcome. Customers count who had bought
before and bought something in the window. The recommender's constants were chosen two windows earlier. Writes
``benchmarks/results/recommendation.json``.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_value.cli import main, stderr, stdout, step, table
from churn_value.config import Config
from churn_value.errors import DataContractError
from churn_value.provenance import commit
from churn_value.recommendation.baskets import Baskets, baskets, item_kind
from churn_value.recommendation.item_facts import Pairs
from churn_value.recommendation.learning import MOST_HORIZON_DAYS, recommender_for
from churn_value.recommendation.ranking import ndcg_at, recall_at, top_places
from churn_value.recommendation.recommender import Recommender, bought_of
from churn_value.settings import Settings
from churn_value.split import observed_through
from churn_value.tables.load import Tables, load_tables
from churn_value.yaml_files import read_yaml

RESULTS = Path("benchmarks/results/recommendation.json")
SETS = (("completejourney", "product_category"), ("completejourney", "department"), ("online_retail", None))
TOP, RESAMPLES, SEED = 5, 500, 7
Floats = npt.NDArray[np.float64]


def config_of(name: str, category: str | None) -> Config:
    """A shipped configuration's purchases; their category taken from another column of the product table."""
    content = read_yaml(Path(f"configs/{name}.yaml"))
    purchases = content["tables"]["purchases"]
    if category is not None:
        purchases["joins"][0]["columns"] = [category]
        purchases["columns"]["category"] = category
    return Config.model_validate({**content, "tables": {"purchases": purchases}})


def systems(recommender: Recommender, past: Baskets) -> dict[str, npt.NDArray[np.int64]]:
    """Top items of every customer by each system; equal counts are ordered by popularity."""
    popularity = recommender.facts.popularity
    tie = popularity / (1 + popularity.sum())
    names = {name: place for place, name in enumerate(recommender.facts.items)}
    pairs, shape = Pairs.of(past), (len(past.customers), len(names))
    item = np.array([names[name] for name in past.items])[pairs.item]
    days, lines = np.zeros(shape), np.zeros(shape)
    days[pairs.customer, item] = pairs.days
    lines[pairs.customer, item] = np.add.reduceat(past.lines, pairs.starts)
    scores = np.concatenate([found for _, found in recommender.scores(past)])
    return {
        "churn_value": top_places(scores, TOP),
        "bought on most days": top_places(days + tie, TOP),
        "most lines bought": top_places(lines + tie, TOP),
        "most popular": top_places(np.broadcast_to(popularity, shape), TOP),
    }


def _interval(values: Floats) -> tuple[float, float]:
    """Percentile 95 % interval of a mean over resampled customers."""
    rng = np.random.default_rng(SEED)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def measured(config: Config, tables: Tables, as_of: date, horizon_days: int) -> dict[str, Any]:
    """Recall and NDCG of every system at one date, and the model's paired differences to the others."""
    recommender = recommender_for(config, tables, as_of)
    if recommender is None:
        raise DataContractError("the set must have something to recommend", where=config.name)
    past = baskets(tables, as_of, column=recommender.kind)
    outcome = baskets(tables, as_of + timedelta(days=horizon_days), column=recommender.kind).within(horizon_days)
    bought = bought_of(outcome, past.customers, recommender.facts.items)
    active = bought.any(axis=1)
    per_customer = {
        name: (recall_at(ranked[active], bought[active]), ndcg_at(ranked[active], bought[active]))
        for name, ranked in systems(recommender, past).items()
    }
    own = per_customer["churn_value"]
    return {
        "as_of": as_of.isoformat(),
        "horizon_days": horizon_days,
        "customers": int(active.sum()),
        "items": len(recommender.facts.items),
        "bought_items_mean": float(bought[active].sum(axis=1).mean()),
        "systems": {
            name: {
                "recall_at_5": float(recall.mean()),
                "ndcg_at_5": float(ndcg.mean()),
                "recall_difference": _interval(own[0] - recall),
                "ndcg_difference": _interval(own[1] - ndcg),
            }
            for name, (recall, ndcg) in per_customer.items()
        },
    }


def command() -> None:
    """Measure next best items on the sets that are there."""
    settings, results, rows = Settings.from_environment(), {}, []
    for name, category in SETS:
        config = config_of(name, category)
        try:
            with step(f"reading {name}"):
                tables = load_tables(config, data_root=settings.data_root, observed_now=datetime.now(UTC))
        except DataContractError as error:
            stderr.print(f"{name}: left out, {error.code}")
            continue
        horizon = min(config.horizon_days, MOST_HORIZON_DAYS)
        as_of = observed_through(config, tables) - timedelta(days=horizon)
        label = f"{name} by {category or item_kind(tables)}"
        with step(f"measuring {label} at {as_of}"):
            found = results[label] = measured(config, tables, as_of, horizon)
        for system, figures in found["systems"].items():
            low, high = figures["recall_difference"]
            difference = "" if system == "churn_value" else f"{low:+.4f} to {high:+.4f}"
            rows.append([label, system, figures["recall_at_5"], figures["ndcg_at_5"], difference])
            label = ""
    heads = ("set", "system", "recall@5", "NDCG@5", "recall: churn_value minus it, 95 %")
    stdout.print(table("Next best items, out of time", heads, rows))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(
        json.dumps({"measured": datetime.now(UTC).date().isoformat(), "commit": commit(), "sets": results}, indent=1)
        + "\n"
    )


if __name__ == "__main__":
    main(command)
