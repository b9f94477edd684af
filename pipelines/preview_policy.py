"""What another policy would change: the last scored base under both, nothing touched."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from churn_value.cli import ConfigPath, Overrides, main, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.errors import ConfigError
from churn_value.evaluation.plots import save
from churn_value.monitoring.preview import Preview, preview
from churn_value.monitoring.preview_chart import preview_chart
from churn_value.monitoring.preview_tables import preview_summary, preview_tables
from churn_value.scoring.bundle import Bundle, load_bundle
from churn_value.scoring.overrides import TierOverrides, read_overrides
from churn_value.scoring.policy import Policy, load_policy
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame
from churn_value.scoring.wording import language_of
from churn_value.service.store import PREVIOUS
from churn_value.settings import Settings
from churn_value.tracking.exported import champion_folder_or_refuse

CHUNK_ROWS = 20_000


@dataclass(frozen=True)
class Result:
    """What was found, and where table and chart were written."""

    preview: Preview
    bundle: Bundle
    policy: Policy
    folder: Path


def _base(path: Path) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Features of the last scored base, and the previous answers that were kept beside them."""
    if not path.exists():
        raise ConfigError(
            "a preview needs a scored base",
            code="NEVER_SCORED",
            where=str(path),
            remedy="run python -m pipelines.score with the same --config first",
        )
    frame = pd.read_parquet(path)
    kept = {name: name.removeprefix(PREVIOUS) for name in frame.columns if name.startswith(PREVIOUS)}
    previous = frame[["customer_id", *kept]].rename(columns=kept) if kept else None
    return frame.drop(columns=list(kept)), previous


def _answered(
    bundle: Bundle, frame: pd.DataFrame, previous: pd.DataFrame | None, by_hand: TierOverrides, today: date
) -> pd.DataFrame:
    known = by_hand.known_to(bundle.policy.tiers.codes)
    chunks = (frame.iloc[start : start + CHUNK_ROWS] for start in range(0, len(frame), CHUNK_ROWS))
    answers = [score(bundle, one, explain=False, previous=previous, overrides=known, now=today) for one in chunks]
    return pd.concat([answers_to_frame(one) for one in answers], ignore_index=True)


def run(config: Config, settings: Settings, policy: Policy, *, out: Path | None = None) -> Result:
    """Score the last scored base under the champion's policy and under `policy`; write movers, tiers and a chart."""
    bundle = load_bundle(champion_folder_or_refuse(settings.exported(config.name), config.name))
    frame, previous = _base(settings.scored_features(config.name))
    published, today = settings.tier_overrides(config.name), datetime.now(UTC).date()
    by_hand = read_overrides(published) if published.exists() else TierOverrides()
    with step(f"{len(frame):,} customers under {bundle.policy.id} and {policy.id}"):
        before, after = (_answered(one, frame, previous, by_hand, today) for one in (bundle, bundle.under(policy)))
    found = preview(before, after, bundle.policy.tiers.codes, policy.tiers.codes)
    folder = out or settings.place(config.name) / "previews" / f"{policy.id}-v{policy.version}-{policy.sha256[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    found.movers.to_csv(folder / "movers.csv", index=False)
    found.tiers.to_csv(folder / "tiers.csv", index=False)
    title = f"{bundle.policy.id} v{bundle.policy.version} → {policy.id} v{policy.version}"
    save(preview_chart(found, title, config.currency), folder / "tiers.png")
    return Result(found, bundle, policy, folder)


def show(result: Result, locale: str = "en") -> None:
    """Print tiers before and after, the matrix, and the most valuable who would move."""
    language = language_of(locale)
    for title, heads, rows in preview_tables(result.preview, language):
        stdout.print(table(title, heads, rows))
    stdout.print(preview_summary(result.preview, result.bundle.config.currency, language))
    stdout.print(f"{result.folder}: movers.csv, tiers.csv, tiers.png")


def command(
    config: ConfigPath,
    policy: Annotated[Path, typer.Option(help="The new policy's YAML.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for table and chart; default: previews of the company.")
    ] = None,
    locale: Annotated[str, typer.Option(help="Language of what is printed: en or zh.")] = "en",
    overrides: Overrides = None,
) -> None:
    """Show who would change tier under another policy, with counts and value before and after; nothing is changed."""
    loaded, settings = load_config(config, tuple(overrides or ())), Settings.from_environment()
    show(run(loaded, settings, load_policy(policy), out=out), locale)


if __name__ == "__main__":
    main(command)
