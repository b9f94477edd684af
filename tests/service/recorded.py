"""The writer of docs/reliability.md's table: long proofs put in what they counted, when they are run to be recorded.

`make test-long` sets CHURN_VALUE_RECORD; any other run leaves the document alone.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
HEAD = "| goal | what was done | count | result | date |\n|---|---|---|---|---|\n"


def with_row(text: str, goal: str, what: str, count: str, result: str, day: str) -> str:
    """Document with one row of its table replaced or added; the rows stay in the order of their goals."""
    before, _, table = text.partition(HEAD)
    rows = {tuple(row.split(" | ")[:2]): row for row in table.splitlines() if row.startswith("| R")}
    row = f"| {goal} | {what} | {count} | {result} | {day} |"
    rows[tuple(row.split(" | ")[:2])] = row
    ordered = sorted(rows.values(), key=lambda one: (int(one[3:].split(" ")[0].split(",")[0]), one))
    return before + HEAD + "\n".join(ordered) + "\n"


def record(goal: str, what: str, count: object, result: str) -> None:
    """Keep a result of a proof that held."""
    if os.environ.get("CHURN_VALUE_RECORD"):
        day = datetime.now(UTC).date().isoformat()
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(with_row(text, goal, what, str(count), result, day), encoding="utf-8")
