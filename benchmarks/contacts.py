"""Contact list on the synthetic world, whose truth is known: expected against realised profit, and simpler rules.

    python -m benchmarks.contacts [--customers 20000]

A model is trained on the world's tables; lists are made from its answers at the test date. Truth gives each customer's
churn probability and value if retained; a contact keeps a leaver with the assumed probability. *True* profit is the
expectation under the truth, *realised* one simulated future. Writes ``benchmarks/results/contacts.json``.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.cheap_bundle import cheap, made, scratch, synthetic
from churn_value.campaign.contacts import Campaign, contact_list
from churn_value.cli import main, stdout, table
from churn_value.provenance import commit
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame

RESULTS = Path("benchmarks/results/contacts.json")
COST, SUCCESS, SHARES, FUTURES, SEED = 5.0, 0.2, (0.02, 0.05, 0.1), 500, 7


def scored_with_truth(customers: int) -> pd.DataFrame:
    """Score table at the test date beside the truth, in currency units."""
    world, config = synthetic(customers), cheap("synthetic")
    with scratch(world=world) as settings:
        found = made(config, settings)
        answers = answers_to_frame(score(found.bundle, found.test, explain=False))
    day = date.fromisoformat(max(found.bundle.manifest["tested_at"]))
    truth = world.truth(day, config.horizon_days).rename(columns={"churn_probability": "true_p"})
    truth["true_v"] = truth["value_if_retained_minor"] / 100
    return answers.merge(truth[["customer_id", "true_p", "true_v"]], on="customer_id")


def compared(rows: pd.DataFrame, share: float) -> dict[str, Any]:
    """One budget: our list's expected, true and realised profit, and the true profit of simpler rules."""
    budget = COST * max(1, int(share * len(rows)))
    terms = Campaign("benchmark", COST, budget, SUCCESS, hold_out_share=0.0)
    found = contact_list(rows, terms)
    chosen = rows.set_index("customer_id").loc[found.rows["customer_id"]]
    size = len(chosen)
    orders = {
        "churn_alone": rows.nlargest(size, "churn_probability"),
        "value_alone": rows.nlargest(size, "expected_value"),
        "at_random": rows.sample(size, random_state=SEED),
        "by_truth": rows.assign(at=rows["true_p"] * rows["true_v"]).nlargest(size, "at"),
    }
    realised = _futures(chosen)
    return {
        "share": share,
        "contacts": size,
        "expected": found.expected_profit,
        "interval": [found.lower, found.upper],
        "true": _true(chosen),
        "realised_in_interval": float(np.mean((realised >= found.lower) & (realised <= found.upper))),
        **{name: _true(one) for name, one in orders.items()},
    }


def _true(chosen: pd.DataFrame) -> float:
    """Expected profit under the truth."""
    return float((chosen["true_p"] * chosen["true_v"] * SUCCESS - COST).sum())


def _futures(chosen: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Profits of simulated futures: who would leave, whom the contact keeps; amounts at their true mean."""
    rng = np.random.default_rng(SEED)
    p, v = chosen["true_p"].to_numpy(), chosen["true_v"].to_numpy()
    kept = rng.random((FUTURES, len(p))) < p * SUCCESS
    return np.asarray((kept * v).sum(axis=1) - COST * len(p), dtype=np.float64)


def command(customers: Annotated[int, typer.Option(help="Size of the world.")] = 20_000) -> None:
    """Measure the contact list where the truth is known."""
    rows = scored_with_truth(customers)
    results = [compared(rows, share) for share in SHARES]
    names = (
        "contacts",
        "expected",
        "true",
        "churn_alone",
        "value_alone",
        "at_random",
        "by_truth",
        "realised_in_interval",
    )
    stdout.print(table("Profit of the contact list", names, [[found[name] for name in names] for found in results]))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {"commit": commit(), "customers": customers, "cost": COST, "success": SUCCESS, "budgets": results}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(command)
