"""Figures of the governed answer as one page, written from the benchmarks' JSON.

    python -m benchmarks.governed_document

Writes ``docs/governed-answer.md``; a benchmark that has not been run has no section.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from churn_value.cli import main, stdout
from churn_value.evaluation.card import markdown_table

RESULTS, PAGE = Path("benchmarks/results"), Path("docs/governed-answer.md")
HEAD = """# The governed answer, measured

Generated from `benchmarks/results/*.json` by `python -m benchmarks.governed_document`. Models are trained quickly,
without a search, where a question is of the answer and not of the accuracy; that is in [accuracy.md](accuracy.md)."""


def section(title: str, command: str, found: dict[str, Any], text: str, parts: Sequence[str]) -> str:
    """Heading, what was run when, what the figures mean, tables."""
    commit = found.get("commit") or ", ".join(sorted({str(one["commit"]) for one in found["sets"].values()}))
    said = f"`{command}`, {found['measured']}, commit {commit}."
    return "\n\n".join([f"## {title}", said, text, *parts])


def _share(value: float) -> str:
    return f"{value:.1%}"


def reasons(found: dict[str, Any]) -> str:
    """Additivity and stability of reasons."""
    rows = sum(one["rows"] for one in found["sets"].values())
    text = (
        f"Books: the largest |base + contributions − raw score| of both heads over all {rows:,} test rows of "
        f"{len(found['sets'])} sets is **{found['additivity_error']:.1e}**. Stability: every number of a row is made "
        f"{found['moved_share']:.0%} larger or smaller at random, and the row is explained again. Kept: share of the "
        "top three codes that are still among the three; all: share of rows that keep all three; first: whose first "
        "code is still the first."
    )
    heads = ["set", "rows", "error", "churn: kept", "all", "first", "value: kept", "all", "first"]
    names = [f"{head}_{what}" for head in ("churn", "value") for what in ("top3_kept", "all_kept", "first_kept")]
    table = [
        [name, f"{one['rows']:,}", f"{one['additivity_error']:.1e}", *(_share(one[key]) for key in names)]
        for name, one in found["sets"].items()
    ]
    return section("Reasons", "python -m benchmarks.reasons", found, text, [markdown_table(heads, table)])


def stability(found: dict[str, Any]) -> str:
    """Tier changes taken back, with and without hysteresis and dwell."""
    text = (
        f"A base is scored every {found['step_days']} days, each time knowing the answers of the time before. A change "
        f"is taken back when the customer is in the old tier again within {found['within_days']} days."
    )
    heads = ["set", "from, to", "customers", "policy", "changes", "of steps", "taken back", "of changes"]
    table = []
    for name, one in found["sets"].items():
        for variant, cells in one["variants"].items():
            shares = [
                _share(cells["changes"] / cells["steps"]),
                f"{cells['reversed']:,}",
                _share(cells["reversal_share"]),
            ]
            span = f"{one['from']}, {one['to']}"
            table.append([name, span, f"{one['customers']:,}", variant, f"{cells['changes']:,}", *shares])
    dates = 1 + max(_days(one) for one in found["sets"].values()) // found["step_days"]
    options = f"--step-days {found['step_days']} --dates {dates} --trials {found['trials']}"
    command = f"python -m benchmarks.stability {options}"
    return section("Tier stability", command, found, text, [markdown_table(heads, table)])


def _days(one: dict[str, Any]) -> int:
    return (date.fromisoformat(one["to"]) - date.fromisoformat(one["from"])).days


def contacts(found: dict[str, Any]) -> str:
    """Expected against true profit, and the lift over simpler rules."""
    text = (
        f"Synthetic world of {found['customers']:,} customers, whose true churn probability p and value if retained v "
        f"are known. A contact costs {found['cost']:g} and keeps a leaver with probability {found['success']:g}. *True*"
        " is the sum of p v s − c under the truth; *gone stay gone* is the same if nobody who has already left for "
        "good can be won back. Lift: our true profit over the rule's. Rules choose as many customers of the same base, "
        "those not as good as gone (churn probability up to 99 %), and once more of everybody. Where one of everybody "
        "is ahead under *true* (lift below 1), it is by contacting who has left already: see the last column."
    )
    heads = ["budget for", "contacts", "expected", "80 % interval", "true", "futures inside", "as good as gone"]
    ours = [
        [
            f"{one['share']:.0%}",
            f"{one['contacts']:,}",
            f"{one['expected']:,.0f}",
            f"{one['interval'][0]:,.0f} to {one['interval'][1]:,.0f}",
            f"{one['rules']['ours']['true']:,.0f}",
            _share(one["realised_in_interval"]),
            f"{one['as_good_as_gone']:,}",
        ]
        for one in found["budgets"]
    ]
    rules = [
        [f"{one['share']:.0%}", name, f"{cells['true']:,.0f}", _lift(one, cells), f"{cells['gone_stay_gone']:,.0f}"]
        for one in found["budgets"]
        for name, cells in one["rules"].items()
    ]
    command = f"python -m benchmarks.contacts --customers {found['customers']}"
    tables = [
        markdown_table(heads, ours),
        markdown_table(["budget for", "rule", "true", "lift", "gone stay gone"], rules),
    ]
    return section("Contact lists", command, found, text, tables)


def _lift(one: dict[str, Any], cells: dict[str, float]) -> str:
    return f"{one['rules']['ours']['true'] / cells['true']:.2f}" if cells["true"] > 0 else "–"


def recommendation(found: dict[str, Any]) -> str:
    """Next best items beside the obvious rules."""
    text = (
        "The last weeks of each set are held out; customers who bought in them are asked for. Differences are ours "
        "minus the rule's, 95 % bootstrap interval over customers."
    )
    heads = ["set", "customers", "system", "recall@5", "NDCG@5", "recall difference", "NDCG difference"]
    table = []
    for name, one in found["sets"].items():
        for system, cells in one["systems"].items():
            ends = [cells["recall_difference"], cells["ndcg_difference"]]
            differences = ["–" if system == "churn_value" else f"{low:+.4f} to {high:+.4f}" for low, high in ends]
            figures = [f"{cells['recall_at_5']:.4f}", f"{cells['ndcg_at_5']:.4f}"]
            table.append([f"{name}, {one['as_of']}", f"{one['customers']:,}", system, *figures, *differences])
    command = "python -m benchmarks.recommendation"
    return section("Next best items", command, found, text, [markdown_table(heads, table)])


def million(found: dict[str, Any]) -> str:
    """Wall time from features to answers."""
    text = (
        f"Feature rows to full answers in Parquet, {found['chunk_rows']:,} rows at a time, {found['cores']} cores; "
        "drawing the features is not counted."
    )
    heads = ["customers", "reasons", "wall s", "customers per s", "peak MiB", "file MiB"]
    table = [
        [
            f"{one['customers']:,}",
            "with" if one["reasons"] else "without",
            f"{one['wall_s']:,.1f}",
            f"{one['customers_per_s']:,.0f}",
            f"{one['peak_mib']:,.0f}",
            f"{one['file_mib']:,.1f}",
        ]
        for one in found["runs"]
    ]
    command = f"python -m benchmarks.million --customers {found['runs'][0]['customers']}"
    return section("A base at once", command, found, text, [markdown_table(heads, table)])


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    "reasons": reasons,
    "stability": stability,
    "contacts": contacts,
    "recommendation": recommendation,
    "million": million,
}


def page() -> str:
    """The whole page."""
    files = {name: RESULTS / f"{name}.json" for name in SECTIONS}
    parts = [SECTIONS[name](json.loads(path.read_text())) for name, path in files.items() if path.exists()]
    return "\n\n".join([HEAD, *parts]) + "\n"


def command() -> None:
    """Write the page of figures from the benchmarks' results."""
    PAGE.write_text(page(), encoding="utf-8")
    stdout.print(f"written: {PAGE}")


if __name__ == "__main__":
    main(command)
