"""Clients written for MLflow's scoring server and for KServe's V2 protocol get the answers of /v1/score."""

import json
import warnings

import numpy as np
import pytest
from served_company import AS_OF, NAME

from churn_value.service.protocols.columns import COLUMNS

with warnings.catch_warnings():
    # MLflow warns about type hints of its own.
    warnings.simplefilter("ignore", UserWarning)
    from mlflow.deployments import PredictionsResponse
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient, dump_input_data

IDS = ["0001", "0002", "客户 3", "nobody"]
INFER = f"/v2/models/{NAME}/infer"


@pytest.fixture(scope="module")
def by_id(client):
    """Flat answers for `IDS` by the service's own route."""
    items = [{"customer_id": one} for one in IDS]
    response = client.post("/v1/score", json={"items": items, "explain": False})
    return [{name: column.read(result) for name, column in COLUMNS.items()} for result in response.json()["results"]]


def invoked(client, body):
    response = client.post("/invocations", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 200, response.text
    return PredictionsResponse.from_json(response.text).get_predictions()


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "instances", "inputs"])
def test_each_form_that_mlflows_client_writes_is_answered_as_it_reads_it(client, company, by_id, form):
    known = company.features["customer_id"].isin(IDS)
    frame = company.features.loc[known, ["customer_id", "as_of", *company.bundle.catalog.names]]
    ids = frame["customer_id"].tolist()
    frame = frame.assign(as_of=[str(day)[:10] for day in frame["as_of"]])
    if form == "dataframe_split":
        body = dump_input_data(frame)
    else:
        rows = json.loads(frame.to_json(orient="records"))
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        body = json.dumps({form: columns if form == "inputs" else rows})
    predictions = invoked(client, body)
    wanted = {row["customer_id"]: row for row in by_id}
    assert predictions["tier"].tolist() == [wanted[one]["tier"] for one in ids]
    for name in ("churn_probability", "expected_value", "value_lower"):
        # pandas writes ten decimals of a feature, so what is predicted from them differs by as much.
        assert predictions[name].tolist() == pytest.approx([wanted[one][name] for one in ids], rel=1e-6)


def test_mlflow_rows_of_ids_alone_are_looked_up_and_a_stranger_fails_no_other(client, by_id):
    predictions = invoked(client, json.dumps({"dataframe_records": [{"customer_id": one} for one in IDS]}))
    assert json.loads(predictions.to_json(orient="records", double_precision=15))[3]["error"] == "CUSTOMER_NOT_FOUND"
    assert predictions["status"].tolist() == [row["status"] for row in by_id]
    assert predictions["churn_probability"][:3].tolist() == [row["churn_probability"] for row in by_id[:3]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dataframe_split": {}, "instances": []},
        {"dataframe_split": {"columns": ["a", "a"], "data": []}},
        {"dataframe_split": {"columns": ["a"], "data": [[1, 2]]}},
        {"dataframe_records": {"customer_id": "1"}},
        {"inputs": {"customer_id": ["1"], "x": [1, 2]}},
        {"inputs": 7},
        {"instances": [], "other": 1},
    ],
)
def test_an_mlflow_document_of_no_known_form_is_refused_in_both_languages(client, body):
    response = client.post("/invocations", json=body)
    assert (response.status_code, response.json()["code"]) == (422, "TABLE_INVALID")
    assert response.json()["error_code"] == "TABLE_INVALID"
    assert response.json()["message"]


def test_nan_is_null_to_mlflow_and_refused_by_everyone_else(client):
    row = b'[{"customer_id": "1", "as_of": "2024-10-01", "features": {"purchase_days": NaN}}]'
    flat = b'[{"customer_id": "1", "as_of": "2024-10-01", "purchase_days": %s}]'
    headers = {"Content-Type": "application/json"}
    answers = [
        client.post("/invocations", content=b'{"instances": ' + flat % number + b"}", headers=headers)
        for number in (b"NaN", b"null", b"Infinity")
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[2].json()["code"] == "JSON_NOT_FINITE"
    own = client.post("/v1/score", content=b'{"items": ' + row + b"}", headers=headers)
    assert own.json()["code"] == "JSON_NOT_FINITE"


def test_mlflow_params_choose_and_unknown_ones_are_refused(client):
    ok = client.post("/invocations", json={"instances": [{"customer_id": "0001"}], "params": {"locale": "zh"}})
    assert ok.status_code == 200
    bad = client.post("/invocations", json={"instances": [{"customer_id": "0001"}], "params": {"temperature": 1}})
    assert (bad.status_code, bad.json()["code"], bad.json()["field"]) == (422, "FIELD_UNKNOWN", "params")


def tensor(name, data, datatype="BYTES", shape=None):
    return {"name": name, "shape": shape or [len(data)], "datatype": datatype, "data": data}


def test_a_v2_request_of_the_specification_is_answered_in_its_shape(client, by_id):
    """As in the protocol's text: id, one named tensor with shape, datatype and data, two requested outputs."""
    asked = {
        "id": "42",
        "inputs": [tensor("customer_id", IDS)],
        "outputs": [{"name": "churn_probability"}, {"name": "tier"}],
    }
    response = client.post(INFER, json=asked)
    assert response.status_code == 200, response.text
    answer = response.json()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (NAME, "1", "42")
    assert answer["outputs"] == [
        tensor("churn_probability", [row["churn_probability"] for row in by_id], "FP64"),
        tensor("tier", [row["tier"] for row in by_id]),
    ]


def test_v2_features_as_columns_give_the_answer_of_features_as_an_item(client, company):
    ids = ["0001", "0002"]
    features = [company.features_of(one) for one in ids]
    inputs = [tensor("customer_id", ids), tensor("as_of", [[AS_OF.isoformat()]] * 2, shape=[2, 1])]
    for name in features[0]:
        data = [row[name] for row in features]
        text = any(isinstance(value, str) for value in data)
        inputs.append(tensor(name, data, "BYTES" if text else "FP64"))
    answer = client.post(INFER, json={"inputs": inputs, "outputs": [{"name": "answer"}]}).json()
    items = [
        {"customer_id": one, "as_of": AS_OF.isoformat(), "features": row}
        for one, row in zip(ids, features, strict=True)
    ]
    own = client.post("/v1/score", json={"items": items, "explain": False}).json()["results"]
    assert [json.loads(text) for text in answer["outputs"][0]["data"]] == own
    assert np.isfinite([result["churn"]["probability"] for result in own]).all()


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ([], "TENSOR_INVALID"),
        ([tensor("customer_id", ["1"], shape=[2])], "TENSOR_INVALID"),
        ([tensor("customer_id", ["1", "2"], shape=[1, 2])], "TENSOR_INVALID"),
        ([tensor("customer_id", [1])], "TENSOR_INVALID"),
        ([tensor("customer_id", ["1"], "TEXT")], "TENSOR_INVALID"),
        ([tensor("customer_id", ["1"]), tensor("x", [1.5], "INT64")], "TENSOR_INVALID"),
        ([tensor("customer_id", ["1"]), tensor("x", [True], "FP64")], "TENSOR_INVALID"),
        ([tensor("customer_id", ["1"]), tensor("x", [1.0, 2.0], "FP64")], "TENSOR_INVALID"),
        ([tensor("customer_id", ["1"]), tensor("customer_id", ["1"])], "TENSOR_INVALID"),
        ([tensor("customer_id", [], shape=[0])], "ITEMS_EMPTY"),
    ],
)
def test_tensors_that_contradict_themselves_or_each_other_are_refused(client, inputs, code):
    response = client.post(INFER, json={"inputs": inputs})
    assert (response.status_code, response.json()["code"]) == (422, code)
    assert response.json()["error"] == response.json()["detail"]


def test_an_output_the_model_lacks_is_refused(client):
    body = {"inputs": [tensor("customer_id", ["0001"])], "outputs": [{"name": "logits"}]}
    assert client.post(INFER, json=body).json()["code"] == "OUTPUT_UNKNOWN"


def test_v2_health_and_metadata(client, company):
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2").json()["name"] == "churn_value"
    metadata = client.get(f"/v2/models/{NAME}").json()
    assert metadata["versions"] == ["1"]
    named = [column["name"] for column in metadata["inputs"]]
    assert named == ["customer_id", "as_of", *company.bundle.catalog.names]
    assert client.get(f"/v2/models/{NAME}/versions/1/ready").status_code == 200


@pytest.mark.parametrize("path", ["/v2/models/other", f"/v2/models/{NAME}/versions/2", "/v2/models/other/ready"])
def test_a_model_or_version_that_is_not_served_is_not_found(client, path):
    response = client.get(path)
    assert (response.status_code, response.json()["code"]) == (404, "MODEL_UNKNOWN")
    assert "other" not in response.text


def test_mlflows_client_calls_the_running_service(address, company):
    host, port = address.removeprefix("http://").split(":")
    caller = ScoringServerClient(host, int(port))
    caller.wait_server_ready(timeout=5)
    frame = company.features[["customer_id"]].head(3)
    predictions = caller.invoke(frame, params={"explain": False}).get_predictions()
    assert predictions["customer_id"].tolist() == frame["customer_id"].tolist()
    assert predictions["status"].tolist() == ["ok"] * 3
