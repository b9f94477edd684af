"""The main job end to end on real data: fetch, train, promote, score, serve, ask."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.text import Text

from churn_value.cli import main, stderr, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.errors import GateRefused
from churn_value.service.client import Client, Result
from churn_value.service.serve import running
from churn_value.settings import Settings
from churn_value.tracking.exported import champion_folder
from pipelines import fetch_data, promote, score, train

CONFIG = Path("configs/completejourney.yaml")
FOUR_MINUTES = ("tuning.time_budget_s=25", "tuning.trials=12")


def three_customers(answers: pd.DataFrame) -> list[str]:
    """Who holds the most value at risk, who is worth most, and who is likeliest to leave."""
    ok = answers[answers["status"] == "ok"]
    picked = [ok.sort_values(by, kind="stable")["customer_id"].iloc[-1] for by in ("value_at_risk", "expected_value")]
    rest = ok[~ok["customer_id"].isin(picked)]
    return [*map(str, dict.fromkeys(picked)), str(rest.sort_values("churn_probability")["customer_id"].iloc[-1])]


def show(answer: Result) -> None:
    """Print one answer in plain words."""
    tier, churn, value = answer["tier"], answer["churn"], answer["value"]
    if tier is None or churn is None or value is None:
        stdout.print(f"{answer['customer_id']}: {answer['status']}")
        return
    interval, money = value["interval"], value["currency"]
    who = (f"\nCustomer {answer['customer_id']}", "bold")
    told = (
        f": tier {tier['code']} ({tier['label']}), "
        f"churn probability {churn['probability']:.0%} in {churn['horizon_days']} days, expected value "
        f"{money} {value['expected']:,.2f} ({interval['level']:.0%} interval {interval['lower']:,.2f} "
        f"to {interval['upper']:,.2f})"
    )
    stdout.print(Text.assemble(who, told))
    for head, title in (("churn", "leaving"), ("value", "worth")):
        found = (answer["reasons"] or {}).get(head, [])
        rows = [("+" if reason["contribution"] > 0 else "−", reason["code"], reason["text"]) for reason in found]
        stdout.print(table(f"why {title}", ("", "reason", "in words"), rows))


def promoted(config: Config, settings: Settings) -> str:
    """What the gate decided: a demo on data that has a champion already may well not beat it, and goes on with it.

    Raises
    ------
    GateRefused
        When there is no champion to go on with.
    """
    try:
        return f"champion of {config.name} is version {promote.run(config, settings).version.number}"
    except GateRefused:
        if champion_folder(settings.exported(config.name)) is None:
            raise
        return f"the champion of {config.name} stays: the new model is not better; the answers below are the champion's"


def command(
    keep: Annotated[bool, typer.Option("--keep", help="Keep the service up until Ctrl-C.")] = False,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="As in pipelines.train.")] = None,
) -> None:
    """Real data in, trained and served answers out: Complete Journey, 2,469 households, one year."""
    began, settings = time.monotonic(), Settings.from_environment()
    config = load_config(CONFIG, (*FOUR_MINUTES, *(overrides or ())))
    fetch_data.run(config.name, settings)
    trained = train.run(config, settings)
    train.show(trained)
    promote.show(promote.verdict_of(config, settings))
    stderr.print(promoted(config, settings))
    scored = score.run(config, settings)
    score.show(scored)
    with running(config.name, settings=settings) as url:
        stderr.print(f"serving on {url}")
        with Client(url) as client:
            answers = client.score([{"customer_id": one} for one in three_customers(scored.answers)], top=3)
        for answer in answers["results"]:
            show(answer)
        stderr.print(f"\nfrom tables to answers in {time.monotonic() - began:.0f} s")
        if keep:
            stderr.print(f"the service stays up at {url}; Ctrl-C ends")
            _wait()
    with step("service stopped"):
        pass
    stdout.print(
        f"\nOpen next:\n  the report      {trained.report}\n  the answers     {scored.scores}\n"
        "  the runs        make ui      then http://127.0.0.1:5000\n"
        "  the service     make serve   then http://127.0.0.1:3000/v1/model",
        highlight=False,
    )


def _wait() -> None:
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main(command)
