"""docs/service.md says everything there is to say, and its examples run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from served_company import NAME

from churn_value.service.options import Options
from churn_value.service.problems import PROBLEMS
from churn_value.service.requests import FAULTS

TEXT = (Path(__file__).parents[2] / "docs" / "service.md").read_text(encoding="utf-8")


def test_every_code_stands_in_the_document_under_its_status():
    by_status = dict(re.findall(r"^\| ([\d, ]+) \| (.*) \|$", TEXT, re.MULTILINE))
    listed = {code: row for row in by_status for code in re.findall(r"`([A-Z_0-9]+)`", by_status[row])}
    assert {
        code: str(status) for code, (status, _) in PROBLEMS.items() if str(status) not in listed.get(code, "")
    } == {}
    assert set(listed) == set(PROBLEMS)
    assert set(FAULTS) <= set(re.findall(r"`([A-Z_0-9]+)`", TEXT))


def test_every_setting_stands_in_the_document():
    names = {
        name.removeprefix("CHURN_VALUE_SERVICE_") for name in Options(keys_file=Path("k"), traces_to="t").environment()
    }
    assert {name for name in names if f"`{name}`" not in TEXT} == set()


ROOT = Path(__file__).parents[2]
BASE = "http://127.0.0.1:3000"


def service_examples():
    """Fenced blocks of the documents that call the service: bash with curl, python with its client."""
    for name in ("README.md", "README.zh-CN.md", "docs/service.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for language, block in re.findall(r"```(bash|sh|python)\n(.*?)```", text, re.DOTALL):
            if BASE in block and ("curl " in block or language == "python"):
                yield pytest.param(language, block, id=f"{name}: {block.strip().splitlines()[-1].strip()[:60]}")


@pytest.mark.parametrize(("language", "block"), list(service_examples()))
def test_each_example_of_the_documents_runs_as_it_is_printed(address, language, block):
    program = block.replace(BASE, address).replace("models/completejourney", f"models/{NAME}").replace('"1"', '"0001"')
    command = ["bash", "-euc", program] if language != "python" else [sys.executable, "-c", program]
    variables = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "0001" in done.stdout, done.stdout
    assert "urn:churn-value:problem" not in done.stdout


EXAMPLE = re.compile(r"""^curl -s http://127\.0\.0\.1:3000(\S+) .*?-d '(.*?)'$""", re.MULTILINE | re.DOTALL)


def test_the_requests_of_the_document_are_answered(client):
    examples = EXAMPLE.findall(TEXT)
    assert len(examples) == TEXT.count("curl -s http")
    for path, body in examples:
        response = client.post(path.replace("completejourney", NAME), json=json.loads(body))
        assert response.status_code == 200, response.text
        errors = {result["error"]["code"] for result in response.json().get("results", []) if result["error"]}
        assert errors <= {"CUSTOMER_NOT_FOUND"}
