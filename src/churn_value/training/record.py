"""What a training run leaves behind in tracking: settings, figures, documents, the card and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from churn_value.config import Config
from churn_value.dataset import Dataset
from churn_value.estimators.hurdle import HurdleModel
from churn_value.evaluation.card import model_card
from churn_value.evaluation.checks import Check
from churn_value.evaluation.figures import draw
from churn_value.evaluation.report import html_report
from churn_value.evaluation.subject import Subject
from churn_value.scoring.bundle import Bundle
from churn_value.scoring.override_report import Listed, as_table
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame
from churn_value.scoring.wording import LANGUAGES, minor_units
from churn_value.tracking.runs import TrainingRun
from churn_value.training.judge import Judged
from churn_value.training.search import Searched


@dataclass(frozen=True)
class Trained:
    """Everything one training run made."""

    config: Config
    data: Dataset
    checks: tuple[Check, ...]
    searched: Searched
    model: HurdleModel
    judged: Judged
    bundle: Bundle
    by_hand: Sequence[Listed] = ()
    """Tiers set by hand, refused ones too."""

    @property
    def subject(self) -> Subject:
        """What the card and the report are about."""
        return Subject(
            config=self.config,
            manifest=self.data.manifest,
            evaluation=self.judged.evaluation,
            checks=self.checks,
            bundle=self.bundle.version,
            created_at=str(self.bundle.manifest["created_at"]),
            trained_through=str(self.bundle.manifest["trained_through"]),
            minor_per_major=minor_units(self.config.currency),
            params=self.searched.params,
            left_out=tuple(name for name in self.data.catalog.names if name not in self.model.design.names),
        )


def _by_tier(answers: pd.DataFrame) -> tuple[dict[str, int], dict[str, float]]:
    """Customers and value at risk of each tier, best tier first."""
    grouped = answers.dropna(subset=["tier"]).sort_values("tier_rank").groupby("tier", sort=False)
    at_risk = {str(tier): float(total) for tier, total in grouped["value_at_risk"].sum().items()}
    return {str(tier): int(rows) for tier, rows in grouped.size().items()}, at_risk if any(at_risk.values()) else {}


def figures(trained: Trained) -> dict[str, Figure]:
    """Plots of the test rows, of the searches and of the tiers."""
    test = trained.data.fold("test")
    tiers, at_risk = _by_tier(answers_to_frame(score(trained.bundle, test, explain=False)))
    return draw(
        test,
        trained.judged.predictions,
        currency=trained.config.currency,
        minor_per_major=minor_units(trained.config.currency),
        model=trained.model,
        features=trained.data.catalog.features,
        trials=trained.searched.trials,
        tiers=tiers,
        value_at_risk=at_risk or None,
    )


def _params(trained: Trained) -> dict[str, object]:
    config, split = trained.config, trained.data.split
    chosen = {f"{head}.{name}": v for head, found in trained.searched.params.items() for name, v in found.items()}
    return {
        "horizon_days": config.horizon_days,
        "churn": config.churn.definition,
        "features": len(trained.data.catalog.names),
        "train_dates": len(split.train) if split else 0,
        "trials": config.tuning.trials,
        "seed": config.tuning.seed,
        **chosen,
    }


def record(run: TrainingRun, trained: Trained, bundle: Path) -> tuple[str, str]:
    """Log settings, comparison, trials, plots, card, report and the bundle.

    Returns
    -------
    tuple of str
        The bundle's place among the artifacts, and the report's page.
    """
    run.params(_params(trained))
    settings = trained.config.model_dump(mode="json")
    run.text("config.yaml", yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
    dictionary = trained.data.catalog.dictionary()
    run.document("data/features.json", dictionary)
    for head, trials in trained.searched.trials.items():
        if len(trials):
            run.table(f"tuning/{head}.json", trials)
    run.evaluation(trained.judged.evaluation)
    drawn = figures(trained)
    for name, figure in drawn.items():
        run.figure(f"plots/{name}.png", figure)
    run.text("model_card.md", model_card(trained.subject))
    by_hand = {language: as_table(trained.by_hand, language) for language in LANGUAGES} if trained.by_hand else None
    report = html_report(trained.subject, drawn, dictionary=dictionary, by_hand=by_hand)
    run.text("report.html", report)
    return run.bundle(bundle), report
