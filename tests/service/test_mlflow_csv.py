"""CSV as MLflow's clients send it: what pandas writes is read, ids stay as they are, every flaw has a name."""

import csv
import io
import json
import warnings

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from served_company import AS_OF
from test_access import entry

from churn_value.errors import RequestError
from churn_value.service.protocols.csv_table import parse

with warnings.catch_warnings():
    # MLflow warns about type hints of its own.
    warnings.simplefilter("ignore", UserWarning)
    from mlflow.deployments import PredictionsResponse
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient
    from mlflow.version import VERSION

CSV = {"Content-Type": "text/csv"}
NUMBERS = {"visits", "spent"}


def table(text, most_rows=10):
    content = parse(text if isinstance(text, bytes) else text.encode(), NUMBERS, most_rows)
    return content["dataframe_split"]["columns"], content["dataframe_split"]["data"]


def code_of(text, **options):
    with pytest.raises(RequestError) as refused:
        table(text, **options)
    return refused.value.code, refused.value.where


def test_ids_and_categories_are_texts_as_they_stand_and_numeric_features_are_numbers():
    text = 'customer_id,visits,region,spent\n007,3,07,1.5e1\n"a ""b"", c",,nan,NaN\n NaN ,-2,,+.5\n'
    names, rows = table(text)
    assert names == ["customer_id", "visits", "region", "spent"]
    assert rows == [["007", 3.0, "07", 15.0], ['a "b", c', None, "nan", None], [" NaN ", -2.0, None, 0.5]]
    assert all(type(row[1]) is float for row in rows if row[1] is not None)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way_and_empty_ones_are_nothing(end):
    assert table(end.join(["customer_id,visits", "1,2", "", "2,3", "", ""])) == (
        ["customer_id", "visits"],
        [["1", 2.0], ["2", 3.0]],
    )


def test_a_byte_order_mark_and_a_line_end_within_quotes_are_read():
    assert table(b'\xef\xbb\xbfcustomer_id\n"a\nb"\n') == (["customer_id"], [["a\nb"]])


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "BODY_EMPTY", None),
        (" \n\n", "BODY_EMPTY", None),
        (b"customer_id\n\xff\n", "BODY_NOT_UTF8", None),
        ("customer_id\n\0\n", "TEXT_HAS_NUL", None),
        ("customer_id,customer_id\n1,2\n", "CSV_HEADER_INVALID", None),
        (",customer_id\n0,1\n", "CSV_HEADER_INVALID", None),
        ("customer_id,visits\n1,2\n3\n", "CSV_ROW_RAGGED", "row 1"),
        ("customer_id,visits\n1,2,3\n", "CSV_ROW_RAGGED", "row 0"),
        ('customer_id\n"1\n', "CSV_INVALID", None),
        ('customer_id\n"1"2\n', "CSV_INVALID", None),
        ("customer_id\n" + "x" * 200_000, "CSV_INVALID", None),
        ("customer_id,visits\n1,2\n3,x\n", "CSV_NUMBER_INVALID", "row 1, visits"),
        ("customer_id\n1\n2\n3\n", "ITEMS_TOO_MANY", "items"),
    ],
)
def test_every_flaw_of_a_table_has_a_name(text, code, where):
    assert code_of(text, most_rows=2) == (code, where)


@pytest.mark.parametrize(
    "cell", ["1e999", "-inf", "Infinity", "1_0", "0x1", " 1", "1,5", "٣", "True", "1e99999", "--1"]
)
def test_what_is_no_plain_finite_number_is_refused(cell):
    assert code_of(f'customer_id,visits\n1,"{cell}"\n') == ("CSV_NUMBER_INVALID", "row 0, visits")


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@example([("\ufeff", 1.0)])
@example([('"', -0.0), ("\r", 5e-324), (",", 1.7976931348623157e308)])
@given(st.lists(st.tuples(texts, numbers), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_whatever_is_written_as_csv_comes_back_to_the_bit(rows):
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["customer_id", "visits"])
    writer.writerows([one, "" if value is None else repr(value)] for one, value in rows)
    _, read = table(file.getvalue())
    assert [(one, value if value is None else value.hex()) for one, value in read] == [
        (one, value if value is None else value.hex()) for one, value in rows
    ]


@given(st.binary(max_size=60) | st.text(',"\n\r1ax.-', max_size=40).map(str.encode))
@settings(max_examples=200, deadline=None)
def test_whatever_bytes_come_a_table_is_rectangular_or_refused_by_name(body):
    names, rows, code = ["x"], [["x"]], "TEXT_"
    try:
        names, rows = table(body)
    except RequestError as refused:
        code = refused.code
    assert code.startswith(("CSV_", "BODY_", "TEXT_", "ITEMS_"))
    assert {len(row) for row in rows} <= {len(names)}


def predictions(response):
    assert response.status_code == 200, response.text
    return PredictionsResponse.from_json(response.text).get_predictions()


@pytest.mark.parametrize("content_type", ["text/csv", "text/csv; charset=utf-8", 'Text/CSV;charset="UTF-8"'])
def test_ids_as_csv_get_the_answer_of_ids_as_json(client, content_type):
    frame = pd.DataFrame({"customer_id": ["0001", "客户 3", "nobody"]})
    sent = client.post("/invocations", content=frame.to_csv(index=False), headers={"Content-Type": content_type})
    same = client.post("/invocations", json={"dataframe_split": frame.to_dict("split")})
    assert sent.json() == same.json()
    assert predictions(sent)["status"].tolist() == ["ok", "ok", "not_found"]


def test_features_as_pandas_writes_them_get_the_answer_of_the_stored_ones(client, company):
    known = ["0001", "0002", "客户 3"]
    frame = company.features[company.features["customer_id"].isin(known)]
    frame = frame[["customer_id", "as_of", *company.bundle.catalog.names]]
    answered = predictions(client.post("/invocations", content=frame.to_csv(index=False), headers=CSV))
    by_id = predictions(client.post("/invocations", content="customer_id\n" + "\n".join(known), headers=CSV))
    assert answered.sort_values("customer_id").to_dict("records") == by_id.sort_values("customer_id").to_dict("records")


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("customer_id,as_of,purchase_days\n1,2024-10-01,many\n", "CSV_NUMBER_INVALID", "row 0, purchase_days"),
        ("customer_id,customer_id\n", "CSV_HEADER_INVALID", None),
        ("customer_id\n1,2\n", "CSV_ROW_RAGGED", "row 0"),
        ('customer_id\n"canary', "CSV_INVALID", None),
        ("customer_id\n", "ITEMS_EMPTY", "items"),
        ("customer_id\n" + "1\n" * 1001, "ITEMS_TOO_MANY", "items"),
    ],
)
def test_a_refusal_of_a_table_is_told_in_both_languages_and_repeats_nothing_sent(client, text, code, field):
    response = client.post("/invocations", content=text, headers=CSV)
    content = response.json()
    assert (content["code"], content["error_code"], content.get("field")) == (code, code, field)
    assert content["message"] == content["detail"]
    assert "canary" not in response.text


def test_a_bad_row_fails_no_other(client):
    text = f"customer_id,as_of,purchase_days\n1,{AS_OF},3\n,{AS_OF},3\n2,2024-02-30,3\n3,{AS_OF},\n"
    found = predictions(client.post("/invocations", content=text, headers=CSV))
    assert found["error"].fillna("").tolist() == ["", "FIELD_MISSING", "FIELD_INVALID", ""]


def test_only_invocations_takes_csv_and_only_as_utf8(client):
    for path, content_type, code in (
        ("/v1/score", "text/csv", "CONTENT_TYPE_UNSUPPORTED"),
        ("/v1/events", "text/csv", "CONTENT_TYPE_UNSUPPORTED"),
        ("/invocations", "text/csv; charset=latin-1", "CHARSET_UNSUPPORTED"),
        ("/invocations", "text/csv; header=present", "CHARSET_UNSUPPORTED"),
        ("/invocations", "application/vnd.apache.parquet", "CONTENT_TYPE_UNSUPPORTED"),
    ):
        response = client.post(path, content="customer_id\n0001\n", headers={"Content-Type": content_type})
        assert (response.status_code, response.json()["code"]) == (415, code)


def test_csv_meets_the_same_guards(company, open_service, tmp_path):
    _, caller = open_service(company.settings, body_bytes=100)
    long = "customer_id\n" + "1\n" * 50
    assert caller.post("/invocations", content=long, headers=CSV).json()["code"] == "BODY_TOO_LARGE"
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps({"keys": [entry("crm", "score-key", "score"), entry("till", "events-key", "events")]}))
    _, caller = open_service(company.settings, base_url="http://10.0.0.7:3000", keys_file=keys)
    for key, status in (("", 401), ("events-key", 403), ("score-key", 200)):
        headers = {**CSV, "Authorization": f"Bearer {key}"}
        assert caller.post("/invocations", content="customer_id\n0001\n", headers=headers).status_code == status


def test_without_a_model_a_table_cannot_be_read(copied, open_service):
    pointer = next(copied.models.glob("*/CHAMPION"))
    pointer.unlink()
    _, caller = open_service(copied)
    response = caller.post("/invocations", content="customer_id\n1\n", headers=CSV)
    assert (response.status_code, response.json()["code"]) == (503, "NO_MODEL")


def test_the_description_says_which_routes_take_csv(client):
    paths = client.get("/openapi.json").json()["paths"]
    takes = {
        path: set(methods["post"]["requestBody"]["content"]) for path, methods in paths.items() if "post" in methods
    }
    assert takes["/invocations"] == {"application/json", "text/csv"}
    assert all(media == {"application/json"} for path, media in takes.items() if path != "/invocations")


def test_the_version_is_read_by_mlflows_client(client, address):
    host, port = address.removeprefix("http://").split(":")
    assert ScoringServerClient(host, int(port)).get_version() == VERSION
    response = client.get("/version")
    assert response.headers["content-type"].startswith("text/plain")
    assert json.dumps(response.text) == f'"{VERSION}"'
