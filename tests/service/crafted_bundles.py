"""Bundles whose every hash is right and which are bad all the same, each in its own way."""

import hashlib
import json
import re
import shutil

import yaml


def rewritten(path, change):
    """A bundle whose files `change` altered and whose manifest was made to agree: every hash is right."""
    draft = path.parent / "draft"
    shutil.copytree(path, draft)
    change(draft)
    manifest = json.loads((draft / "manifest.json").read_bytes())
    files = sorted(file for file in draft.rglob("*") if file.is_file() and file.name != "manifest.json")
    manifest["files"] = {}
    for file in files:
        content = file.read_bytes()
        described = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
        manifest["files"][str(file.relative_to(draft))] = described
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, indent=1).encode()
    (draft / "manifest.json").write_bytes(text)
    final = path.parent / hashlib.sha256(text).hexdigest()[:16]
    draft.rename(final)
    return final


def booster(path):
    """The first booster of the churn head."""
    return next(file for file in sorted((path / "model").iterdir()) if file.suffix == ".txt")


def _in_booster(pattern, replacement):
    """Change the first place of a booster's text that fits."""

    def change(path):
        file = booster(path)
        changed, count = re.subn(pattern, replacement, file.read_text(), count=1, flags=re.MULTILINE)
        assert count == 1, pattern
        file.write_text(changed)

    return change


def _in_json(name, alter):
    """Change a JSON file's content in place."""

    def change(path):
        content = json.loads((path / name).read_text())
        content = alter(content) or content
        (path / name).write_text(json.dumps(content, ensure_ascii=False))

    return change


def _cut(path):
    """Half a LightGBM text: its parser aborts the process more often than it raises."""
    file = booster(path)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def _other_golden(path):
    file = path / "golden.json"
    content = json.loads(file.read_text())
    said = content["outputs"]["churn_raw"]
    said[-1] = (float.fromhex(said[-1]) + 1e-6).hex()
    file.write_text(json.dumps(content))


def _swapped_heads(path):
    files = sorted(file for file in (path / "model").iterdir() if file.suffix == ".txt")
    first, last = files[0].read_bytes(), files[-1].read_bytes()
    files[0].write_bytes(last)
    files[-1].write_bytes(first)


def _no_golden_rows(content):
    empty = {name: [] for name in content["features"]}
    return {"features": empty, "outputs": {name: kept and [] for name, kept in content["outputs"].items()}}


def _policy(alter):
    def change(path):
        content = yaml.safe_load((path / "policy.yaml").read_text())
        alter(content)
        (path / "policy.yaml").write_text(yaml.safe_dump(content, allow_unicode=True))

    return change


def _forget(*names):
    """Remove a key; names lead to it."""

    def alter(content):
        for name in names[:-1]:
            content = content[name]
        del content[names[-1]]

    return alter


def _first_of(content, key):
    return next(iter(content[key]))


HARMLESS_TO_READ = {
    "golden rows of another model": _other_golden,
    "no golden row": _in_json("golden.json", _no_golden_rows),
    "golden rows without an output": _in_json("golden.json", _forget("outputs", "churn_raw")),
    "a catalog without its first feature": _in_json("features.json", lambda c: c["features"].pop(0) and None),
    "a catalog without features": _in_json("features.json", lambda c: c.update(features=[])),
    "a catalog whose feature has no text": _in_json("features.json", lambda c: c["features"][0].pop("zh") and None),
    "a model that reads its features in another order": _in_json(
        "model/model.json", lambda c: c["design"]["names"].reverse()
    ),
    "a model of another format": _in_json("model/model.json", lambda c: c.update(format=999)),
    "a model nested a hundred thousand deep": lambda path: (path / "model" / "model.json").write_text("[" * 100_000),
    "a model without its booster": lambda path: booster(path).unlink(),
    "a reference without thresholds": _in_json("reference.json", lambda c: c.update(thresholds={})),
    "a reference without a sample": _in_json("reference.json", lambda c: c.update(sample={})),
    "a reference of one type for another": _in_json("reference.json", lambda c: c.update(typical=[])),
    "a reference that is not finite": _in_json(
        "reference.json",
        lambda c: c["thresholds"].update({name: [float("nan")] * len(v) for name, v in c["thresholds"].items()}),
    ),
    "a policy that makes an object of Python": lambda path: (path / "policy.yaml").write_text(
        "!!python/object/apply:os.getcwd []"
    ),
    "a policy without tiers": _policy(_forget("tiers")),
    "a policy with a key nobody knows": _policy(lambda c: c.update(more=1)),
    "a configuration of a negative horizon": _in_json("config.json", lambda c: c.update(horizon_days=-1)),
    "a configuration of no known currency": _in_json("config.json", lambda c: c.update(currency="???")),
    "a recommender that is a list": lambda path: (path / "recommender.json").write_text("[]"),
    "a manifest without a model's name": _in_json("manifest.json", _forget("model_name")),
    "a manifest of another format": _in_json("manifest.json", lambda c: c.update(format=1)),
}
DANGEROUS_TO_READ = {
    "half a booster": _cut,
    "boosters of the heads exchanged": _swapped_heads,
    "a leaf that is no number": _in_booster(r"^leaf_value=\S+", "leaf_value=nan"),
    "a leaf that is endless": _in_booster(r"^leaf_value=\S+", "leaf_value=inf"),
    "a leaf moved a little": _in_booster(r"^leaf_value=\S+", "leaf_value=0.125"),
    "a tree of two thousand million leaves": _in_booster(r"^num_leaves=\d+", "num_leaves=2000000000"),
    "a tree that leads back to its root": _in_booster(r"^left_child=\S+", "left_child=0"),
    "a split on a feature there is not": _in_booster(r"^split_feature=\S+", "split_feature=99999"),
    "a booster of fewer features": _in_booster(r"^max_feature_idx=\d+", "max_feature_idx=1"),
}
CRAFTED = HARMLESS_TO_READ | DANGEROUS_TO_READ
