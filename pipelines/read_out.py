"""What a campaign has changed: contacted and held-out customers compared after the horizon."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import pandas as pd
import typer

from churn_value.campaign.archive import CampaignArchive
from churn_value.campaign.read_out import ReadOut, read_out
from churn_value.cli import ConfigPath, Overrides, main, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.dataset import outcomes_for
from churn_value.errors import TooLittleData
from churn_value.monitoring.outcomes import is_mature, matured
from churn_value.scoring.wording import minor_units
from churn_value.settings import Settings
from churn_value.split import observed_through
from churn_value.tables.company import company_tables


def run(config: Config, settings: Settings, campaign: str) -> ReadOut:
    """Read a campaign out.

    Raises
    ------
    TooLittleData
        ``HORIZON_NOT_PASSED`` when the outcome window is not complete, ``GROUP_TOO_SMALL``.
    """
    terms, rows = CampaignArchive(settings.place(config.name) / "campaigns").read(campaign)
    with step(f"reading the tables of {config.name}"):
        tables = company_tables(config, settings, datetime.now(UTC))
    day, through = pd.Timestamp(rows["as_of"].iloc[0]).date(), observed_through(config, tables)
    if not is_mature(day, config.horizon_days, through):
        raise TooLittleData(
            "a campaign can be read out once its horizon has passed",
            code="HORIZON_NOT_PASSED",
            where=campaign,
            received=f"{config.horizon_days} days from {day}, observed through {through}",
            remedy="bring newer tables, or wait",
        )
    known = outcomes_for(config, tables, rows[["customer_id", "as_of"]])
    return read_out(matured(rows, known, minor_per_major=minor_units(config.currency)), cost=terms.cost)


def show(result: ReadOut, campaign: str) -> None:
    """Print both differences, the profit, and whether the sample was large enough."""
    heads = ("measure", "contacted", "held out", "difference", "lower", "upper", "expected")
    rows = [
        [d.measure, d.contacted, d.held_out, d.difference, d.lower, d.upper, d.expected]
        for d in (result.churn, result.value)
    ]
    title = f"Campaign {campaign}: {result.contacted:,} contacted, {result.held_out:,} held out"
    stdout.print(table(title, heads, rows))
    stdout.print(f"profit {result.profit:,.2f}, 95 % interval {result.profit_lower:,.2f} to {result.profit_upper:,.2f}")
    if result.churn.shown:
        stdout.print("The contact changed churn: the interval of the difference excludes 0.")
    elif result.needed is not None:
        stdout.print(f"Too small a sample to tell: the effect expected would need {result.needed:,} customers in all.")
    else:
        stdout.print("No effect on churn is shown, though the sample would have shown the one expected.")


def command(
    config: ConfigPath,
    campaign: Annotated[str, typer.Option(help="Name the contact list was made under.")],
    overrides: Overrides = None,
) -> None:
    """Compare contacted and held-out customers of a campaign, with intervals."""
    show(run(load_config(config, tuple(overrides or ())), Settings.from_environment(), campaign), campaign)


if __name__ == "__main__":
    main(command)
