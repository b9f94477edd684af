"""What an operator can see: right numbers, no text of a caller, and nothing lost when a worker dies."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from served_company import NAME, point

from churn_value.service.metrics import Meters, forget_dead

ROOT = Path(__file__).parents[2]
CANARY = "canary-4711-客户"


def figures(caller, **headers):
    """Samples by name and labels."""
    text = caller.get("/metrics", headers=headers).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(found, name, **labels):
    return found.get((f"churn_value_{name}", tuple(sorted(labels.items()))), 0.0)


def test_every_request_is_counted_by_route_status_and_code(copied, open_service):
    _, caller = open_service(copied)
    caller.post("/v1/score", json={"items": [{"customer_id": "0001"}, {"customer_id": "nobody"}, 7]})
    caller.post("/v1/score", json={"items": []})
    caller.get("/nowhere")
    found = figures(caller)
    assert figure(found, "requests_total", route="/v1/score", method="POST", status="200") == 1
    assert figure(found, "requests_total", route="/v1/score", method="POST", status="422") == 1
    assert figure(found, "requests_total", route="other", method="GET", status="404") == 1
    assert figure(found, "refusals_total", code="ITEMS_EMPTY") == 1
    assert figure(found, "request_seconds_count", route="/v1/score") == 2
    assert figure(found, "items_total", status="ok") == 1
    assert figure(found, "item_faults_total", code="CUSTOMER_NOT_FOUND") == 1
    assert figure(found, "churn_probability_count") == 1
    assert figure(found, "inside") == 0


def test_what_becomes_of_live_events_and_what_the_log_lacks_is_counted():
    meters = Meters()
    meters.received({"accepted": 3, "duplicate": 1})
    meters.received({"accepted": 2})
    meters.log_lost.set(7)
    text = meters.exposition().decode()
    assert 'churn_value_event_rows_total{status="accepted"} 5.0' in text
    assert 'churn_value_event_rows_total{status="duplicate"} 1.0' in text
    assert "churn_value_score_log_lost 7.0" in text


def test_scores_and_tiers_are_counted_as_answered(copied, company, open_service):
    _, caller = open_service(copied)
    items = [{"customer_id": one} for one in company.features["customer_id"]]
    results = caller.post("/v1/score", json={"items": items, "explain": False}).json()["results"]
    found = figures(caller)
    for code in {result["tier"]["code"] for result in results}:
        wanted = sum(result["tier"]["code"] == code for result in results)
        assert figure(found, "tiers_total", tier=code) == wanted
    low = sum(result["churn"]["probability"] <= 0.25 for result in results)
    assert figure(found, "churn_probability_bucket", le="0.25") == low


def test_version_faults_and_age_of_the_features_follow_the_state(company, copied, open_service):
    serving, caller = open_service(copied)
    exported = copied.exported(NAME)
    written = copied.scored_features(NAME).stat().st_mtime
    assert figure(figures(caller), "features_written_timestamp_seconds") == pytest.approx(written)
    point(exported, exported / company.path.name, "2")
    serving.refresh()
    (exported / "CHAMPION").write_text("{")
    serving.refresh()
    found = figures(caller)
    assert figure(found, "model_info", version="1") == 0
    assert figure(found, "model_info", version="2") == 1
    assert figure(found, "fault", code="POINTER_INVALID") == 1
    assert figure(found, "swaps_total", outcome="refused") == 1
    assert figure(found, "ready") == 1
    point(exported, exported / company.path.name, "3")
    serving.refresh()
    assert figure(figures(caller), "fault", code="POINTER_INVALID") == 0


def test_no_text_of_a_caller_gets_into_a_label(copied, open_service):
    _, caller = open_service(copied)
    caller.get(f"/v1/{CANARY}")
    caller.get(f"/v2/models/{CANARY}")
    caller.request(CANARY.encode()[:6].decode(), "/v1/score")
    caller.post("/v1/score", json={CANARY: 1, "items": []})
    caller.post("/v1/score", json={"items": [{"customer_id": CANARY}, {CANARY: 1}]}, headers={"X-Request-Id": "canary"})
    assert "canary" not in caller.get("/metrics").text


def test_a_fault_of_ours_is_counted_as_one(copied, open_service, monkeypatch):
    serving, caller = open_service(copied)
    monkeypatch.setattr(serving.store, "find", lambda ids: 1 / 0)
    response = caller.post("/v1/score", json={"items": [{"customer_id": "0001"}]})
    assert (response.status_code, response.json()["code"]) == (500, "INTERNAL")
    found = figures(caller)
    assert figure(found, "refusals_total", code="INTERNAL") == 1
    assert figure(found, "requests_total", route="/v1/score", method="POST", status="500") == 1


PROGRAM = """
import os, sys
from churn_value.service.metrics import Meters
meters = Meters()
meters.answered("/v1/score", "POST", 200, None, 0.01)
meters.inside.set(3)
meters.state("7", ["FEATURES_ABSENT"], None, ready=True)
if len(sys.argv) > 1:
    os._exit(9)
print(meters.exposition().decode())
"""


def test_workers_are_added_up_and_a_dead_ones_gauges_are_forgotten(tmp_path):
    variables = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT / "src")}
    for arguments in (["dies"], ["dies"], []):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments], env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 9), done.stderr
    assert 'requests_total{method="POST",route="/v1/score",status="200"} 3.0' in done.stdout
    assert "churn_value_inside 3.0" in done.stdout
    assert 'churn_value_model_info{version="7"} 1.0' in done.stdout


def test_only_files_of_dead_processes_are_forgotten(tmp_path):
    living, dead, counter = (f"gauge_livesum_{os.getpid()}.db", "gauge_livemax_4194399.db", "counter_4194399.db")
    for name in (living, dead, counter):
        (tmp_path / name).touch()
    forget_dead(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living, counter])


def names():
    """Every name Prometheus stores for our metrics."""
    found = set()
    for family in Meters().registry.collect():
        if family.type == "counter":
            found.add(f"{family.name}_total")
        elif family.type == "histogram":
            found |= {family.name + end for end in ("_bucket", "_sum", "_count")}
        else:
            found.add(family.name)
    return found


DASHBOARD = json.loads((ROOT / "deploy" / "grafana" / "churn_value.json").read_text(encoding="utf-8"))


def test_every_query_of_the_dashboard_names_metrics_there_are():
    queries = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    assert len(queries) >= 12
    for query in queries:
        used = set(re.findall(r"churn_value_[a-z_]+", query))
        assert used, query
        assert used <= names(), query


def test_every_metric_has_a_panel():
    text = json.dumps(DASHBOARD)
    assert [family.name for family in Meters().registry.collect() if family.name not in text] == []


def test_the_dashboard_has_its_own_ids_and_places():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]}
    assert len(places) == len(ids)
