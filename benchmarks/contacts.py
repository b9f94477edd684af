"""Contact list on the synthetic world, whose truth is known: expected against realised profit, and simpler rules.

    python -m benchmarks.contacts [--customers 20000]

A model is trained on the world's tables; lists are made from its answers at the test date. A contact keeps a leaver
with the assumed probability. Two accounts are given of every list, both expectations under the truth:

- *true*: the contact keeps any leaver, also one who has left already: sum of ``p v s - c`` with the true p and v;
- *gone stay gone*: nobody who has left the world for good by then can be kept; this needs each one's hidden state.

*Realised* profits are simulated futures of the first account. Simpler rules choose as many customers from the same
base, those not as good as gone; and once more from everybody. Writes ``benchmarks/results/contacts.json``.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.cheap_bundle import cheap, made, scratch, synthetic
from churn_value.campaign.contacts import MOST_CERTAIN, Campaign, contact_list
from churn_value.cli import main, stdout, table
from churn_value.provenance import commit
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame

RESULTS = Path("benchmarks/results/contacts.json")
COST, SUCCESS, SHARES, FUTURES, SEED = 5.0, 0.2, (0.02, 0.05, 0.1, 0.2), 500, 7


def scored_with_truth(customers: int) -> pd.DataFrame:
    """Score table at the test date beside the truth, in currency units."""
    world, config = synthetic(customers), cheap("synthetic")
    with scratch(world=world) as settings:
        found = made(config, settings)
        answers = answers_to_frame(score(found.bundle, found.test, explain=False))
    day = date.fromisoformat(max(found.bundle.manifest["tested_at"]))
    for name, truth in (("true", world.truth), ("latent", world.latent_truth)):
        known = truth(day, config.horizon_days).set_index("customer_id")
        answers[f"{name}_p"] = answers["customer_id"].map(known["churn_probability"])
        answers[f"{name}_v"] = answers["customer_id"].map(known["value_if_retained_minor"]) / 100
    return answers


def chosen_by(rows: pd.DataFrame, size: int) -> dict[str, pd.DataFrame]:
    """Customers that simpler rules choose."""
    return {
        "churn alone": rows.nlargest(size, "churn_probability"),
        "value alone": rows.nlargest(size, "expected_value"),
        "at random": rows.sample(min(size, len(rows)), random_state=SEED),
        "by truth": rows.assign(at=rows["true_p"] * rows["true_v"]).nlargest(size, "at"),
    }


def compared(rows: pd.DataFrame, share: float) -> dict[str, Any]:
    """One budget: our list's expected, true and realised profit, and those of simpler rules."""
    terms = Campaign("benchmark", COST, COST * max(1, int(share * len(rows))), SUCCESS, hold_out_share=0.0)
    found = contact_list(rows, terms)
    ours = rows.set_index("customer_id").loc[found.rows["customer_id"]]
    there, realised = rows[rows["churn_probability"] <= MOST_CERTAIN], _futures(ours)
    rules = {"ours": ours, **chosen_by(there, len(ours))}
    everybody = {f"{name}, of everybody": one for name, one in chosen_by(rows, len(ours)).items()}
    best = rows.nlargest(len(ours), "value_at_risk")
    accounts = {
        name: _accounts(one) for name, one in (rules | {"value at risk, of everybody": best} | everybody).items()
    }
    return {
        "share": share,
        "contacts": len(ours),
        "as_good_as_gone": found.as_good_as_gone,
        "expected": found.expected_profit,
        "interval": [found.lower, found.upper],
        "realised_in_interval": float(np.mean((realised >= found.lower) & (realised <= found.upper))),
        "rules": accounts,
    }


def _accounts(chosen: pd.DataFrame) -> dict[str, float]:
    """Expected profit under the truth, by both accounts."""
    names = {"true": "true", "gone_stay_gone": "latent"}
    return {
        account: float((chosen[f"{name}_p"] * chosen[f"{name}_v"] * SUCCESS - COST).sum())
        for account, name in names.items()
    }


def _futures(chosen: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Profits of simulated futures: who would leave, whom the contact keeps; amounts at their true mean."""
    rng = np.random.default_rng(SEED)
    p, v = chosen["true_p"].to_numpy(), chosen["true_v"].to_numpy()
    kept = rng.random((FUTURES, len(p))) < p * SUCCESS
    return np.asarray((kept * v).sum(axis=1) - COST * len(p), dtype=np.float64)


def rows_of(results: list[dict[str, Any]]) -> list[list[object]]:
    """One row per budget and rule; lift is our true profit over the rule's."""
    rows: list[list[object]] = []
    for found in results:
        ours = found["rules"]["ours"]["true"]
        for name, one in found["rules"].items():
            lift = f"{ours / one['true']:.2f}" if one["true"] > 0 else "-"
            expected = f"{found['expected']:,.0f}" if name == "ours" else ""
            cells = [f"{one['true']:,.0f}", lift, f"{one['gone_stay_gone']:,.0f}"]
            rows.append([f"{found['share']:.0%}", found["contacts"], name, expected, *cells])
    return rows


def command(customers: Annotated[int, typer.Option(help="Size of the world.")] = 20_000) -> None:
    """Measure the contact list where the truth is known."""
    rows = scored_with_truth(customers)
    results = [compared(rows, share) for share in SHARES]
    heads = ("budget for", "contacts", "rule", "expected", "true", "lift of ours", "gone stay gone")
    stdout.print(table("Profit of contact lists", heads, rows_of(results)))
    for found in results:
        inside = f"{found['realised_in_interval']:.0%} of futures in the 80 % interval"
        stdout.print(f"{found['share']:.0%}: {inside}, {found['as_good_as_gone']} as good as gone")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "measured": datetime.now(UTC).date().isoformat(),
        "commit": commit(),
        "customers": customers,
        "cost": COST,
        "success": SUCCESS,
        "budgets": results,
    }
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main(command)
