"""The OpenAPI description against what the service does: every route, every status it gave, every body it sent."""

import json
import re

import jsonschema
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from recorded import record
from schemathesis import GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from served_company import NAME
from starlette.routing import Route

from churn_value.service.problems import PROBLEMS
from churn_value.service.routes import GUARDS, OPEN_ROUTES, PLANS

STATES = {"EVENTS_UNAVAILABLE"}  # what this company's service is in, whoever asks


def no_fault_of_ours(_, response, __):
    """Statuses of 500 and above are for the service's own faults, and no request may cause one."""
    if response.status_code >= 500:
        assert response.json()["code"] in STATES, response.text


CHECKS = (
    no_fault_of_ours,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
)
IN_PATH = {"model": NAME, "version": "1"}


@pytest.fixture(scope="session")
def description(client):
    return client.get("/openapi.json").json()


def test_every_route_of_the_application_is_described_and_no_other(client, description):
    routed = {(route.path, *(route.methods - {"HEAD"})) for route in client.app.routes if isinstance(route, Route)}
    described = {(path, method.upper()) for path, methods in description["paths"].items() for method in methods}
    assert routed == described == {(plan.path, plan.method) for plan in PLANS}


def test_every_refusal_of_a_request_stands_under_some_route():
    said = {code for plan in PLANS for code in plan.codes}
    assert said == PROBLEMS.keys() - {"NOT_FOUND", "METHOD_NOT_ALLOWED"}
    assert all(plan.codes >= GUARDS for plan in PLANS)


def test_only_health_is_open():
    assert {"/livez", "/readyz"} == OPEN_ROUTES


def test_every_reference_leads_somewhere(description):
    names = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(description)))
    assert names <= description["components"]["schemas"].keys()
    for schema in description["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_an_answer_lacks_no_key_of_its_schema_and_has_no_other(client, description):
    response = client.post("/v1/score", json={"items": [{"customer_id": "0001"}, {"customer_id": "nobody"}, 7]})
    schema = {"$ref": "#/components/schemas/Response", "components": description["components"]}
    content = response.json()
    jsonschema.validate(content, schema)
    for key in list(content["results"][0]):
        broken = json.loads(response.text)
        del broken["results"][0][key]
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(broken, schema)


def sent(client, case):
    """Response to a generated case, its bytes laid out as an HTTP library would."""
    asked = requests.Request(**case.as_transport_kwargs(base_url="http://127.0.0.1")).prepare()
    return client.request(asked.method, asked.url, content=asked.body, headers=dict(asked.headers))


def hold(client, description, plan, mode, count):
    """Send `count` generated requests to a route and hold each answer against a description."""
    operation = schemathesis.openapi.from_dict(description)[plan.path][plan.method]

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(mode, path_parameters=IN_PATH if "{version}" in plan.path else None))
    def conforms(case):
        case.validate_response(sent(client, case), checks=CHECKS)
        held.append(case)

    held = []
    conforms()
    return len(held)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: f"{plan.method} {plan.path}")
def test_no_generated_request_gets_a_status_or_body_that_is_not_described(client, description, plan, mode):
    assert hold(client, description, plan, mode, 12 if plan.request else 2) > 0


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_thousands_of_generated_requests_get_what_is_described(client, description):
    bodied = [plan for plan in PLANS if plan.request]
    for plan in bodied:
        for mode in GenerationMode:
            assert hold(client, description, plan, mode, 400) > 0
    count = 800 * len(bodied)
    record(
        "R1", "requests generated from the description, half of them malformed on purpose", count, "all as described"
    )


def test_a_status_left_out_of_the_description_is_found(client, description):
    less = json.loads(json.dumps(description))
    del less["paths"]["/v1/score"]["post"]["responses"]["422"]
    plan = next(plan for plan in PLANS if plan.path == "/v1/score")
    with pytest.raises(FailureGroup):
        hold(client, less, plan, GenerationMode.NEGATIVE, 30)
