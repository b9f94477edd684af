"""No altered bundle is served, no bundle is unpickled."""

import ast
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import record
from served_company import NAME, point

SOURCE = Path(__file__).parents[2] / "src" / "churn_value"
UNSAFE = {"pickle", "cloudpickle", "joblib", "dill", "marshal", "shelve", "skops"}
CALLS = {"read_pickle", "to_pickle", "allow_pickle", "unsafe_load"}


def mutate(rng, path):
    """Do one thing to one file of a bundle; the name of what was done."""
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file, other = rng.choice(files), rng.choice(files)
    content = file.read_bytes()
    place = rng.randrange(len(content))
    flipped = bytes([content[place] ^ (1 << rng.randrange(8))])
    aside, extra = path.parent / "aside", rng.choice(["x.pkl", "code.py", "MLmodel", "model/y.skops", "..z"])
    kinds = {
        "truncated": lambda: file.write_bytes(content[:place]),
        "flipped": lambda: file.write_bytes(content[:place] + flipped + content[place + 1 :]),
        "grown": lambda: file.write_bytes(content + b"\n"),
        "removed": file.unlink,
        "swapped": lambda: file.write_bytes(other.read_bytes() if other != file else content[::-1]),
        "linked": lambda: (file.rename(aside), file.symlink_to(aside)),
        "extra": lambda: (path / extra).write_bytes(b"\x80\x04."),
        "folder": (path / "code").mkdir,
        "emptied": lambda: file.write_bytes(b""),
    }
    kind = rng.choice(sorted(kinds))
    kinds[kind]()
    return kind


@pytest.mark.parametrize("count", [40, pytest.param(2_000, marks=[pytest.mark.long, pytest.mark.timeout(1_800)])])
def test_no_altered_bundle_is_served(company, copied, open_service, count):
    serving, caller = open_service(copied)
    exported = copied.exported(NAME)
    rng, served, kinds = random.Random(11), serving.champion.current, set()
    bad = exported / "bad" / company.path.name
    for number in range(count):
        shutil.rmtree(bad.parent, ignore_errors=True)
        shutil.copytree(company.path, bad)
        kinds.add(mutate(rng, bad))
        digest = company.settings.exported(NAME) / company.path.name / "manifest.json"
        point(exported, bad if (bad / "manifest.json").is_file() else digest.parent, str(number + 2))
        pointer = exported / "CHAMPION"
        pointer.write_text(pointer.read_text().replace(f'"path": "{bad.name}"', f'"path": "bad/{bad.name}"'))
        serving.refresh()
        assert serving.champion.current is served
        assert serving.champion.fault in {"BUNDLE_HASH_MISMATCH", "BUNDLE_INVALID", "POINTER_UNREADABLE"}
    assert caller.post("/v1/score", json={"items": [{"customer_id": "0001"}]}).json()["model"]["version"] == "1"
    assert len(kinds) >= 8
    record("R7", "bundles altered in one place", count, "all refused by name; no parser saw one")


HOOKED = """
import asyncio, sys
touched = []
def within_numba():
    # It keeps its compiled functions beside the installed package, as Python does its .pyc files.
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith("numba.core."):
            return True
        frame = frame.f_back
    return False
def watch(event, arguments):
    if event.startswith(("pickle.", "marshal.loads_unsafe")) and not within_numba():
        touched.append((event, arguments))
sys.addaudithook(watch)
import httpx
from pathlib import Path
from churn_value.service.http import application
from churn_value.service.options import Options
from churn_value.service.serving import Serving
from churn_value.settings import Settings
import shutil
settings = Settings.from_environment()
serving = Serving(Options.from_environment(), settings)
serving.refresh()
before = serving.champion.current
async def ask():
    transport = httpx.ASGITransport(application(serving))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.post("/v1/score", json={"items": [{"customer_id": "0001"}]})
        assert answer.json()["results"][0]["status"] == "ok", answer.text
asyncio.run(ask())
pointer = settings.exported(serving.options.name) / "CHAMPION"
pointer.write_text(pointer.read_text().replace('"version": "1"', '"version": "2"'))
serving.refresh()
assert serving.champion.current.version == "2", serving.champion.fault
assert not touched, touched
sys.exit(7)
"""


def test_starting_answering_and_swapping_unpickle_nothing(copied):
    variables = {
        **os.environ,
        "CHURN_VALUE_MODELS": str(copied.models),
        "CHURN_VALUE_ARTIFACTS": str(copied.artifacts),
        "CHURN_VALUE_SERVICE_NAME": NAME,
        "PYTHONPATH": str(SOURCE.parent),
    }
    done = subprocess.run([sys.executable, "-c", HOOKED], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: path.stem)
def test_no_source_file_can_unpickle(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & UNSAFE
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in UNSAFE
        elif isinstance(node, ast.Attribute):
            assert node.attr not in CALLS
        elif isinstance(node, ast.keyword):
            assert node.arg not in CALLS
