"""Whom to contact with a budget: the last scored base by expected profit, with a hold-out group."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from churn_value.campaign.archive import CampaignArchive
from churn_value.campaign.contacts import CONTACT, MOST_CERTAIN, Campaign, ContactList, contact_list
from churn_value.cli import ConfigPath, Overrides, main, stdout, table
from churn_value.config import Config, load_config
from churn_value.errors import ConfigError
from churn_value.monitoring.archive import ScoreArchive
from churn_value.settings import Settings

SHOWN = 10


@dataclass(frozen=True)
class Result:
    """The list, its terms and its file."""

    contacts: ContactList
    campaign: Campaign
    path: Path
    currency: str


def success_by_tier(texts: tuple[str, ...]) -> dict[str, float]:
    """Success rates given as ``tier=share``.

    Raises
    ------
    ConfigError
        When a text is not of this form.
    """
    found = {}
    for text in texts:
        tier, _, share = text.partition("=")
        try:
            found[tier] = float(share)
        except ValueError:
            raise ConfigError("a tier's success is written tier=share", where="--success-of", received=text) from None
    return found


def run(config: Config, settings: Settings, campaign: Campaign, *, as_of: datetime | None = None) -> Result:
    """Make and keep the contact list of a campaign from a scored date, by default the newest."""
    archive = ScoreArchive(settings.scores(config.name))
    dates = archive.dates()
    if not dates or (as_of and as_of.date() not in dates):
        raise ConfigError(
            "a contact list is made from a scored base",
            code="NOTHING_SCORED",
            where="--as-of",
            received=str(as_of.date()) if as_of else "no scored date",
            remedy="run python -m pipelines.score first",
        )
    scores = archive.read(as_of.date() if as_of else dates[-1])
    contacts = contact_list(scores, campaign, interval_level=config.interval.level)
    path = CampaignArchive(settings.place(config.name) / "campaigns").write(campaign, contacts.rows)
    return Result(contacts, campaign, path, config.currency)


def show(result: Result) -> None:
    """Print the best contacts and what the campaign is expected to bring."""
    found, rows = result.contacts, result.contacts.rows
    names = ["customer_id", "tier", "group", "churn_probability", "value_at_risk", "expected_profit"]
    stdout.print(
        table(f"Best of {len(rows):,} chosen, in {result.path}", names, rows[names].head(SHOWN).values.tolist())
    )
    contacted = int((rows["group"] == CONTACT).sum())
    cells = [contacted, len(rows) - contacted, found.spent, found.expected_profit, found.lower, found.upper]
    heads = ("contacts", "held out", "spent", "expected profit", "at least (10 %)", "at most (90 %)", "not reached")
    stdout.print(table(f"Campaign {result.campaign.name} in {result.currency}", heads, [[*cells, found.left_out]]))
    if found.as_good_as_gone:
        stdout.print(
            f"{found.as_good_as_gone:,} customers are as good as gone (churn probability above {MOST_CERTAIN:.0%}) and "
            "not on the list: keeping is not winning back."
        )
    stdout.print(
        "The interval is of chance alone: that predictions and success rate are right is what the hold-out group shows."
    )


def command(  # noqa: PLR0917 - options, all named
    config: ConfigPath,
    campaign: Annotated[str, typer.Option(help="Name of the campaign; it decides who is held out.")],
    cost: Annotated[float, typer.Option(help="Cost of one contact, in currency units.")],
    budget: Annotated[float, typer.Option(help="At most spent, in currency units.")],
    success: Annotated[float, typer.Option(help="Probability that a contact keeps a customer who would have left.")],
    success_of: Annotated[list[str] | None, typer.Option(help="The same for one tier, as in S=0.2.")] = None,
    hold_out: Annotated[float, typer.Option(help="Share of the chosen who are not contacted.")] = 0.1,
    as_of: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Default: newest scored date.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the list as CSV too.")] = None,
    overrides: Overrides = None,
) -> None:
    """Choose whom to contact by expected profit, and hold some out so that the effect can be read later."""
    terms = Campaign(campaign, cost, budget, success, success_by_tier(tuple(success_of or ())), hold_out)
    result = run(load_config(config, tuple(overrides or ())), Settings.from_environment(), terms, as_of=as_of)
    if csv is not None:
        result.contacts.rows.to_csv(csv, index=False)
    show(result)


if __name__ == "__main__":
    main(command)
