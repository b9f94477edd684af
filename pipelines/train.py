"""Tables to a tracked, registered challenger: both heads tuned and fitted, judged beside the baselines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from churn_value.cli import ConfigPath, Overrides, main, progress, stderr, stdout, step, table
from churn_value.config import Config, load_config
from churn_value.dataset import build_dataset
from churn_value.estimators.tuning import TrialReport
from churn_value.evaluation.card import metric_rows
from churn_value.evaluation.checks import refuse_leaks
from churn_value.evaluation.subject import Subject
from churn_value.evaluation.sufficiency import refuse_too_little
from churn_value.provenance import commit
from churn_value.scoring.bundle import load_bundle
from churn_value.scoring.override_report import listed_for
from churn_value.settings import Settings
from churn_value.tables.company import company_tables
from churn_value.tracking.exported import champion_folder
from churn_value.tracking.registry import Version, register
from churn_value.tracking.runs import TrainingRun, training_run
from churn_value.tracking.store import open_store
from churn_value.training.checks import checks_of
from churn_value.training.judge import in_place, judge
from churn_value.training.pack import pack
from churn_value.training.record import Trained, record
from churn_value.training.search import fitted, search


@dataclass(frozen=True)
class Result:
    """A registered challenger, what was found about it, and the report to open."""

    version: Version
    subject: Subject
    bundle: Path
    report: Path


@contextmanager
def _bars(config: Config, run: TrainingRun) -> Iterator[Callable[[TrialReport], None]]:
    """One bar per head; each trial moves it and becomes a nested run."""
    heads, total = ("churn", "value") if config.has_value else ("churn",), config.tuning.trials
    with progress() as bar:
        tasks = {head: bar.add_task(f"tuning {head}", total=total, visible=total > 0) for head in heads}

        def told(report: TrialReport) -> None:
            text = f"tuning {report.head}: best loss {report.best:.4f}"
            bar.update(tasks[report.head], completed=report.number + 1, description=text)
            figures = {"loss": report.loss, "best": report.best, **report.beside}
            run.trial(report.head, report.number, report.params, figures)

        yield told


def run(config: Config, settings: Settings) -> Result:
    """Train, judge and register a challenger.

    Raises
    ------
    TooLittleData
        When there are fewer customers or churners than can be learned from or judged.
    LeakageError
        When a feature knows the future or the label; the run is kept, marked failed, with the checks' findings.
    """
    now = datetime.now(UTC)
    place = settings.place(config.name)
    champion = in_place(champion_folder(settings.exported(config.name)))
    store = open_store(settings.tracking_uri, state=settings.artifacts)
    with step(f"reading the tables of {config.name}"):
        tables = company_tables(config, settings, now)
    tags = {"config_sha256": config.sha256, "data_sha256": tables.sha256, "git_commit": commit()}
    with training_run(store, config.name, run_name=f"train {now:%Y-%m-%d %H:%M:%S}", tags=tags) as tracked:
        tracked.document("data/tables.json", {name: report.as_dict() for name, report in tables.reports.items()})
        with step("features and labels of every as_of"):
            data = build_dataset(config, tables)
        tracked.document("data/manifest.json", data.manifest)
        with step(f"checks of {len(data.frame):,} rows and {len(data.catalog.names)} features"):
            tracked.checks(checks := checks_of(config, tables, data))
        refuse_too_little(checks, config)
        refuse_leaks(checks)
        with _bars(config, tracked) as told:
            searched = search(data, config, storage=settings.studies(config.name), on_trial=told)
        with step("fitting both heads" if config.has_value else "fitting the churn head"):
            model = fitted(data, config, searched)
        with step("judging on the test rows, beside the baselines"):
            judged = judge(config, tables, data, model, champion)
            bundle = pack(config, tables, data, model, judged.evaluation, folder=place / "bundles", now=now)
        with step("writing the run, its card and its report"):
            made = load_bundle(bundle)
            by_hand = listed_for(settings.data_root, config.tier_overrides, made.policy.tiers.codes, now.date())
            trained = Trained(config, data, checks, searched, model, judged, made, by_hand)
            where, page = record(tracked, trained, bundle)
            (report := place / "report.html").write_text(page, encoding="utf-8")
        version = register(store, config.name, tracked.run_id, where, {"data_sha256": tables.sha256})
    return Result(version, trained.subject, bundle, report)


def show(result: Result) -> None:
    """Print the comparison on the test rows."""
    header, rows = metric_rows(result.subject, "en")
    title = f"version {result.version.number} on {result.subject.evaluation.rows:,} test rows"
    stdout.print(table(title, tuple(header), rows))


def command(config: ConfigPath, overrides: Overrides = None) -> None:
    """Train both heads on a company's tables, judge them beside the baselines, register the challenger."""
    show(result := run(load_config(config, tuple(overrides or ())), Settings.from_environment()))
    stderr.print(f"report: {result.report}; next: python -m pipelines.promote with the same --config")


if __name__ == "__main__":
    main(command)
