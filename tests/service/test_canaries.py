"""Things that would run if anything unpickled, imported or instantiated them: planted everywhere, none does."""

import io
import json
import os
import pickle
import shutil
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from crafted_bundles import booster, rewritten
from recorded import record
from served_company import NAME, point

from churn_value.service.trial import Trials

BODY = {"items": [{"customer_id": "0001"}]}


class Canary:
    """Makes a folder when it is unpickled."""

    def __init__(self, nest):
        self._nest = nest

    def __reduce__(self):
        return os.mkdir, (str(self._nest),)


def pickled(nest):
    return pickle.dumps(Canary(nest))


def source(nest):
    """A module that makes the folder when it is imported."""
    return f"import os\nos.mkdir({str(nest)!r})\n".encode()


def mlmodel(flavor):
    content = {"flavors": {"python_function": {"loader_module": "canary", "python_model": "x.pkl", **flavor}}}
    return yaml.safe_dump(content).encode()


def zipped(nest):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("schema.json", json.dumps({"__class__": "mkdir", "__module__": "os", "content": str(nest)}))
        archive.writestr("0.pkl", pickled(nest))
    return file.getvalue()


def saved_array(nest):
    file = io.BytesIO()
    np.save(file, np.array([Canary(nest)], dtype=object), allow_pickle=True)
    return file.getvalue()


def lively_yaml(nest):
    return f'!!python/object/apply:os.mkdir ["{nest}"]\n'.encode()


def extension(nest):
    """A table whose column calls itself an extension type that arrow once unpickled by itself."""
    keys = {b"ARROW:extension:name": b"arrow.py_extension_type", b"ARROW:extension:metadata": pickled(nest)}
    schema = pa.schema([pa.field("customer_id", pa.string()), pa.field("as_of", pa.string(), metadata=keys)])
    file = io.BytesIO()
    pq.write_table(pa.table([["0001"], ["2024-10-01"]], schema=schema), file)
    return file.getvalue()


IN_BUNDLE = {
    "a pickle among the boosters": {"model/python_model.pkl": pickled},
    "a pickle in place of a booster": {"model/churn_0.txt": pickled},
    "a pickle in place of JSON": {"reference.json": pickled},
    "a pickle in place of the policy": {"policy.yaml": pickled},
    "a policy that calls a function": {"policy.yaml": lively_yaml},
    "an MLmodel that names a loader module": {"MLmodel": lambda _: mlmodel({}), "canary.py": source},
    "an MLmodel whose pickle lies outside": {"MLmodel": lambda _: mlmodel({"python_model": "../../x.pkl"})},
    "a joblib dump": {"model/model.joblib": pickled},
    "a skops archive": {"model/model.skops": zipped},
    "an array of objects": {"golden.npy": saved_array},
    "modules that Python imports by itself": {"sitecustomize.py": source, "usercustomize.py": source},
    "a package's beginning": {"__init__.py": source, "model/__init__.py": source},
    "numba's index of compiled loops": {"model/x.nbi": pickled},
}
BESIDE = {
    "a pickle in place of the feature table": pickled,
    "a column that calls itself an extension type": extension,
}
SENT = {
    "application/vnd.bentoml+pickle": pickled,
    "application/octet-stream": pickled,
    "application/x-python-serialize": pickled,
    "application/json": pickled,
    "application/x-yaml": lively_yaml,
}


def planted(path, kind, nest):
    for name, made in IN_BUNDLE[kind].items():
        (path / name).write_bytes(made(nest))


@pytest.fixture
def nest(tmp_path):
    """Where a canary would show itself."""
    return tmp_path / "nest"


def test_the_canaries_are_alive(nest):
    for wake in (
        lambda: pickle.loads(pickled(nest)),
        lambda: yaml.unsafe_load(lively_yaml(nest)),
        lambda: np.load(io.BytesIO(saved_array(nest)), allow_pickle=True),
        lambda: exec(source(nest)),
    ):
        wake()
        assert nest.exists()
        nest.rmdir()


def test_nothing_planted_in_a_bundle_runs(company, copied, open_service, nest):
    serving, caller = open_service(copied)
    exported = copied.exported(NAME)
    for number, kind in enumerate(IN_BUNDLE):
        bad = rewritten(exported / company.path.name, lambda path, kind=kind: planted(path, kind, nest))
        point(exported, bad, str(number + 2))
        serving.refresh()
        assert caller.post("/v1/score", json=BODY).json()["results"][0]["status"] == "ok", kind
        assert not nest.exists(), kind


def test_nothing_planted_in_the_feature_table_runs(copied, open_service, nest):
    serving, caller = open_service(copied)
    for kind, made in BESIDE.items():
        fresh = copied.scored_features(NAME).with_suffix(".new")
        fresh.write_bytes(made(nest))
        fresh.replace(copied.scored_features(NAME))
        serving.refresh()
        assert caller.post("/v1/score", json=BODY).status_code == 200, kind
        assert not nest.exists(), kind


@pytest.mark.parametrize("path", ["/v1/score", "/v1/events", "/invocations", f"/v2/models/{NAME}/infer"])
def test_nothing_sent_runs(client, nest, path):
    for kind, made in SENT.items():
        response = client.post(path, content=made(nest), headers={"Content-Type": kind})
        assert 400 <= response.status_code < 500
        assert not nest.exists(), kind


@pytest.mark.long
def test_nothing_planted_runs_in_the_process_that_tries_a_bundle(company, copied, nest):
    """All of them at once that leave a bundle readable, as a real interpreter meets them."""
    replaced = {"reference.json", "policy.yaml", "model/churn_0.txt"}
    kinds = [kind for kind, files in IN_BUNDLE.items() if not files.keys() & replaced]

    def change(path):
        shutil.copy(booster(path), path / "model" / "kept.txt")
        for kind in kinds:
            planted(path, kind, nest)

    assert Trials().run(rewritten(copied.exported(NAME) / company.path.name, change)) is None
    assert not nest.exists()
    count = len(IN_BUNDLE) + len(BESIDE) + len(SENT)
    record("R9", "kinds of canary in bundles, feature table and requests", count, "none ran")
