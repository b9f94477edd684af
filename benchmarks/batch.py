"""Score a base with reasons: ours beside pandas + LightGBM + shap, one after the other in one run.

Needs a champion and its scored features (`make demo`), and an environment with `requirements/serving_peers.in`. Ours
gives whole answers, in one thread and in a process for each core; the other way gives scores and the largest
contributions of the same boosters, in the one thread that shap uses. With ``--trees 300`` both score with heads of the
size that tutorials use, instead of the champion's small ones.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from benchmarks import sized
from churn_value.cli import ConfigPath, main, stdout, table
from churn_value.config import load_config
from churn_value.estimators.hurdle import HurdleModel
from churn_value.scoring.bundle import load_bundle
from churn_value.settings import Settings
from churn_value.tracking.exported import champion_folder_or_refuse

ROOT = Path(__file__).parents[1]
QUICK_CUSTOMERS = 2_000
CHUNKS = 10  # of the base, for each process; `pipelines.score` has chunks of 20,480


def _base(features: Path, customers: int) -> pd.DataFrame:
    """The scored base, repeated under other ids until it has enough customers."""
    frame = pd.read_parquet(features)
    frame = frame[[name for name in frame.columns if not name.startswith("previous__")]]
    repeats = -(-customers // len(frame))
    base = pd.concat([frame] * repeats, ignore_index=True).head(customers)
    return base.assign(customer_id=[f"C{number:09d}" for number in range(customers)])


def _prepare(folder: Path, bundle_folder: Path, features: Path, customers: int) -> None:
    model = load_bundle(bundle_folder).model
    if not isinstance(model, HurdleModel):
        raise TypeError(model)
    heads = [list(model.churn.texts)]
    if model.value is not None:
        heads.append([text for part in model.value.parts for text in part.trees.texts])
    told = {
        "bundle": str(bundle_folder),
        "heads": heads,
        "names": list(model.design.names),
        "categories": {name: list(texts) for name, texts in model.design.categories.items()},
    }
    (folder / "peer.json").write_text(json.dumps(told))
    _base(features, customers).to_parquet(folder / "base.parquet", row_group_size=5_000)


def _run(python: str, way: str, folder: Path, customers: int) -> dict[str, Any]:
    own = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    command = [python, "-m", "benchmarks.batch_worker", way, str(folder), f"--chunk={customers // CHUNKS}"]
    done = subprocess.run(command, env={**os.environ, **own}, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def command(
    config: ConfigPath,
    peer_python: Annotated[str, typer.Option(help="Python with requirements/serving_peers.in.")] = sys.executable,
    customers: Annotated[int, typer.Option(min=100, help="Size of the base.")] = 20_000,
    trees: sized.Grown = 0,
    quick: Annotated[bool, typer.Option(help="2,000 customers.")] = False,
) -> None:
    """Measure both ways; write benchmarks/results/batch.json, or batch_<trees>.json."""
    settings, name = Settings.from_environment(), load_config(config).name
    number = QUICK_CUSTOMERS if quick else customers
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        exported = sized.settings_of(settings, name, trees, folder).exported(name)
        _prepare(folder, champion_folder_or_refuse(exported, name), settings.scored_features(name), number)
        pythons = {"ours": sys.executable, "ours, every core": sys.executable, "shap": peer_python}
        found = {way: _run(python, way, folder, number) for way, python in pythons.items()}
    theirs = found["shap"]["customers_per_second"]
    ratios = {way: one["customers_per_second"] / theirs for way, one in found.items()}
    told = {"config": name, "customers": number, "trees": trees or "as trained", "ratios": ratios, **found}
    sized.results("batch", trees).write_text(json.dumps(told, indent=1) + "\n")
    rows = [
        (way, f"{one['customers_per_second']:,.0f}", f"{ratios[way]:.1f}", f"{one['peak_bytes'] / 2**20:,.0f} MB")
        for way, one in found.items()
    ]
    stdout.print(table(f"{number:,} customers with reasons", ("way", "customers/s", "over shap", "peak"), rows))


if __name__ == "__main__":
    main(command)
