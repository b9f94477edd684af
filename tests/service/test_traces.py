"""One span per request, named by its route, with the request's id and without text of the caller."""

import os
import subprocess
import sys

import pytest
from served_company import NAME

from churn_value.errors import ConfigError
from churn_value.service import tracing
from churn_value.service.options import Options

PROGRAM = """
import asyncio, httpx, sys
from bentoml._internal.configuration.containers import BentoMLContainer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
BentoMLContainer.tracer_provider.set(provider)
from churn_value.service import tracing
tracing.find_spec = lambda _: object()  # the exporter need not be installed: the provider above keeps the spans
from churn_value.service.app import ChurnValue
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

async def main():
    app = ChurnValue.to_asgi()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        async with app.router.lifespan_context(app):
            headers = {"X-Request-Id": "traced-1", "traceparent": PARENT, "User-Agent": "canary-agent"}
            await client.post("/v1/score?who=canary", json={"items": [{"customer_id": "canary-4711"}]}, headers=headers)
            await client.get("/v1/customers/canary-4711")

asyncio.run(main())
spans = kept.get_finished_spans()
if not sys.argv[1:]:
    assert spans == (), spans
    sys.exit()
served = [span for span in spans if span.kind.name == "SERVER"]
assert [span.name for span in served] == ["POST /v1/score", "GET other"], [span.name for span in spans]
assert served[0].attributes["churn_value.request_id"] == "traced-1"
assert format(served[0].context.trace_id, "032x") == PARENT.split("-")[1]
told = "".join(span.to_json() for span in spans)
assert "canary" not in told, told
"""


def traced(company, *collector):
    variables = {
        **os.environ,
        "CHURN_VALUE_MODELS": str(company.settings.models),
        "CHURN_VALUE_ARTIFACTS": str(company.settings.artifacts),
        "CHURN_VALUE_SERVICE_NAME": NAME,
        "BENTOML_HOME": str(company.settings.artifacts / "bentoml"),
        **({"CHURN_VALUE_SERVICE_TRACES_TO": collector[0]} if collector else {}),
    }
    command = [sys.executable, "-c", PROGRAM, *collector]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_spans_are_named_by_route_and_tell_nothing_of_the_caller(company):
    done = traced(company, "http://127.0.0.1:4318/v1/traces")
    assert done.returncode == 0, done.stderr


def test_without_a_collector_no_span_is_made(company):
    done = traced(company)
    assert done.returncode == 0, done.stderr


def test_bentoml_is_told_where_traces_go(monkeypatch):
    monkeypatch.setattr(tracing, "find_spec", lambda _: object())
    options = Options(traces_to="http://127.0.0.1:4318/v1/traces", traced_share=0.1)
    told = tracing.bentoml_tracing(options)["tracing"]
    assert (told["exporter_type"], told["sample_rate"]) == ("otlp", 0.1)
    assert told["otlp"] == {"protocol": "http", "endpoint": "http://127.0.0.1:4318/v1/traces"}
    assert tracing.bentoml_tracing(Options()) == {"tracing": {"excluded_urls": [".*"]}}


def test_traces_without_their_exporter_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(tracing, "find_spec", lambda _: None)
    with pytest.raises(ConfigError) as refused:
        tracing.bentoml_tracing(Options(traces_to="http://127.0.0.1:4318"))
    assert refused.value.code == "EXPORTER_ABSENT"
