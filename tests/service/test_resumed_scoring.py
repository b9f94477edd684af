"""Scoring a base chunk by chunk: killed by SIGKILL, resumed, and to the bit what one pass over everyone gives."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
import yaml
from served_company import AS_OF, NAME, settings_at

import churn_value.monitoring.scorers as scorers
from churn_value.config import load_config
from churn_value.dataset import features_at
from churn_value.errors import BundleError, TooLittleData
from churn_value.recommendation.habits import with_habits
from churn_value.scoring.overrides import TierOverrides
from churn_value.scoring.score import score
from churn_value.scoring.table import answers_to_frame
from churn_value.tables.company import company_tables
from pipelines import score as job

CHUNK = 40
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files(company, tmp_path_factory):
    """The company's tables and configuration as files, with some tiers by hand; no base scored yet."""
    folder = tmp_path_factory.mktemp("files")
    (folder / "data").mkdir()
    company.purchases.to_parquet(folder / "data" / "purchases.parquet")
    company.customers.to_parquet(folder / "data" / "customers.parquet")
    content = company.bundle.config.model_dump(mode="json", exclude_none=True)
    by_hand = company.features["customer_id"].iloc[[3, 90]]
    rows = [f"{one},C,promise,desk,2999-12-31" for one in by_hand]
    lines = ["customer_id,tier,reason,owner,expires", *rows]
    (folder / "data" / "by_hand.csv").write_text("\n".join(lines), encoding="utf-8")
    text = yaml.safe_dump({**content, "tier_overrides": "by_hand.csv"}, allow_unicode=True)
    (folder / "shop.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def place(company, files, tmp_path):
    """Folders of a machine where the company has its champion and nothing is scored."""
    shutil.copytree(company.exported, settings_at(tmp_path).exported(NAME))
    return replace(settings_at(tmp_path), data_root=files / "data")


@pytest.fixture(scope="module")
def config(files):
    return load_config(files / "shop.yaml")


@pytest.fixture(scope="module")
def uninterrupted(company, files, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    shutil.copytree(company.exported, settings_at(folder).exported(NAME))
    settings = replace(settings_at(folder), data_root=files / "data")
    return job.run(config, settings, as_of=AS_OF, chunk_rows=CHUNK)


@pytest.fixture
def scored_rows(monkeypatch):
    """Rows handed to `score`, call by call."""
    seen = []

    def counted(bundle, features, **options):
        seen.append(len(features))
        return score(bundle, features, **options)

    monkeypatch.setattr(scorers, "score", counted)
    return seen


def children_of(pid):
    """Processes begun by a process, as Linux tells them."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def has_ended(pid):
    """Whether a process is gone, or dead and not yet buried."""
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] == "Z"


def killed_after_one_chunk(files, place, processes):
    """Run the job in a process of its own; SIGKILL it as soon as its first chunk is finished.

    Returns the processes that it had begun.
    """
    variables = {
        **os.environ,
        "CHURN_VALUE_DATA": str(place.data_root),
        "CHURN_VALUE_ARTIFACTS": str(place.artifacts),
        "CHURN_VALUE_MODELS": str(place.models),
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
    }
    options = ["--config", str(files / "shop.yaml"), "--as-of", AS_OF.isoformat(), "--chunk-rows", str(CHUNK)]
    options += ["--processes", str(processes)]
    command = [sys.executable, "-m", "pipelines.score", *options]
    process = subprocess.Popen(command, env=variables, cwd=ROOT, stderr=subprocess.PIPE)
    ends = time.monotonic() + 120
    while not list(place.scoring(NAME).glob("*/0000.answers.parquet")):
        assert process.poll() is None, process.communicate()[1].decode()
        assert time.monotonic() < ends
        time.sleep(0.01)
    children = children_of(process.pid)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    return children


@pytest.mark.parametrize("processes", [1, 2])
def test_a_killed_run_resumes_after_its_finished_chunks_and_ends_in_the_same_bytes(
    files, config, place, uninterrupted, scored_rows, processes
):
    children = killed_after_one_chunk(files, place, processes)
    assert len(children) >= (processes if processes > 1 else 0)
    ends = time.monotonic() + 20
    while not all(has_ended(child) for child in children):
        assert time.monotonic() < ends, "processes that score must end with the one that began them"
        time.sleep(0.05)
    assert not place.scored_features(NAME).exists()
    assert not place.scores(NAME).exists()
    (folder,) = (path for path in place.scoring(NAME).iterdir() if path.is_dir())
    finished = len(list(folder.glob("????.answers.parquet")))
    whole = len(uninterrupted.answers)
    assert 1 <= finished < -(-whole // CHUNK), "the run was to be killed before its end"
    (folder / f"{finished:04d}.features.parquet").write_bytes(b"PAR1 half a chunk")
    resumed = job.run(config, place, as_of=AS_OF, chunk_rows=CHUNK)
    assert sum(scored_rows) == whole - finished * CHUNK
    assert resumed.scores.read_bytes() == uninterrupted.scores.read_bytes()
    assert resumed.features.read_bytes() == uninterrupted.features.read_bytes()
    assert [path.name for path in place.scoring(NAME).iterdir()] == [".lock"]


def test_chunks_put_together_are_one_pass_over_everyone(company, config, place, uninterrupted, tmp_path):
    tables = company_tables(config, place, datetime.now(UTC))
    made = company.bundle.catalog.rebuilt()
    frame = with_habits(features_at(config, tables, made, AS_OF), tables, AS_OF, company.bundle.recommender)
    options = {"overrides": uninterrupted.tier_overrides, "now": uninterrupted.today}
    answers_to_frame(score(company.bundle, frame, **options)).to_parquet(tmp_path / "once.parquet", index=False)
    frame.to_parquet(tmp_path / "features.parquet", index=False)
    once = pd.read_parquet(tmp_path / "once.parquet")
    assert len(once) > 2 * CHUNK
    assert (once["tier_source"] == "override").sum() == 2
    pd.testing.assert_frame_equal(uninterrupted.answers, once, check_exact=True)
    stored = pd.read_parquet(uninterrupted.features)
    pd.testing.assert_frame_equal(stored, pd.read_parquet(tmp_path / "features.parquet"), check_exact=True)


def test_several_processes_write_the_same_bytes_as_one(config, place, uninterrupted, scored_rows):
    shared = job.run(config, place, as_of=AS_OF, chunk_rows=CHUNK, processes=2)
    assert scored_rows == [], "other processes were to score"
    assert shared.scores.read_bytes() == uninterrupted.scores.read_bytes()
    assert shared.features.read_bytes() == uninterrupted.features.read_bytes()
    later = AS_OF + pd.Timedelta(days=14)
    alone = job.run(config, place, as_of=later, chunk_rows=CHUNK, processes=1)
    held = alone.answers["tier_previous"]
    again = job.run(config, place, as_of=later, chunk_rows=CHUNK, processes=2)
    assert held.notna().any()
    pd.testing.assert_frame_equal(again.answers, alone.answers, check_exact=True)


def test_a_replaced_bundle_is_not_scored_with(company, place):
    wanted = scorers.Wanted("en", TierOverrides(), AS_OF, 1)
    with pytest.raises(BundleError, match="replaced"):
        scorers._begin(company.path, "another version", wanted)


@pytest.mark.parametrize(("rows", "cores", "processes"), [(9_999, 8, 1), (20_000, 8, 2), (10**6, 8, 8), (10**6, 1, 1)])
def test_processes_are_started_for_what_is_worth_them(monkeypatch, rows, cores, processes):
    monkeypatch.setattr(scorers.os, "sched_getaffinity", lambda _: set(range(cores)))
    assert scorers.processes_for(rows) == processes


def test_the_next_date_holds_tiers_against_the_one_before_whatever_the_chunks(config, place):
    job.run(config, place, as_of=AS_OF)
    later = AS_OF + pd.Timedelta(days=14)
    small = job.run(config, place, as_of=later, chunk_rows=70)
    answers, features = small.answers, pd.read_parquet(small.features)
    assert answers["tier_previous"].notna().sum() > 2 * CHUNK
    large = job.run(config, place, as_of=later)
    pd.testing.assert_frame_equal(answers, large.answers, check_exact=True)
    pd.testing.assert_frame_equal(features, pd.read_parquet(large.features), check_exact=True)
    assert features["previous__tier"].notna().any()


def test_a_day_before_the_first_purchase_is_refused_by_name(config, place):
    with pytest.raises(TooLittleData, match="somebody"):
        job.run(config, place, as_of=AS_OF - pd.Timedelta(days=2_000))
