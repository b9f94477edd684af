"""docs/service.md says everything there is to say, and its examples run."""

import json
import re
from pathlib import Path

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
    names = {name.removeprefix("CHURN_VALUE_SERVICE_") for name in Options(keys_file=Path("k")).environment()}
    assert {name for name in names if f"`{name}`" not in TEXT} == set()


EXAMPLE = re.compile(r"""^curl -s http://127\.0\.0\.1:3000(\S+) .*?-d '(.*?)'$""", re.MULTILINE | re.DOTALL)


def test_the_requests_of_the_document_are_answered(client):
    examples = EXAMPLE.findall(TEXT)
    assert len(examples) == TEXT.count("curl -s http")
    for path, body in examples:
        response = client.post(path.replace("completejourney", NAME), json=json.loads(body))
        assert response.status_code == 200, response.text
        errors = {result["error"]["code"] for result in response.json().get("results", []) if result["error"]}
        assert errors <= {"CUSTOMER_NOT_FOUND"}
