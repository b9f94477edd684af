"""POST /v1/score and GET /v1/model: what an answer holds, in which order, and that a bad item stays alone."""

from datetime import date

import pytest
from served_company import AS_OF, NAME

from churn_value.errors import SchemaError
from churn_value.scoring.answer import json_schema
from churn_value.scoring.score import score
from churn_value.service.isolation import isolated

KNOWN = ("0001", "客户 3", "0040")
RESULT_KEYS = set(json_schema()["properties"]) - {"model", "policy"} | {"error"}


def ask(client, items, **envelope):
    response = client.post("/v1/score", json={"items": items, **envelope})
    assert response.status_code == 200, response.text
    return response.json()


def by_id(*ids):
    return [{"customer_id": one} for one in ids]


def features_item(company, customer_id, **changed):
    return {
        "customer_id": customer_id,
        "as_of": AS_OF.isoformat(),
        "features": company.features_of(customer_id),
    } | changed


def events_item(company, customer_id, **changed):
    return {"customer_id": customer_id, "as_of": AS_OF.isoformat(), "events": company.events_of(customer_id)} | changed


HABITS = ("preferred_categories", "preferred_channels", "next_best")


def without_place(result):
    return {key: value for key, value in result.items() if key not in ("index", "customer_id")}


def test_answers_come_in_the_order_of_the_items(client):
    ids = ["0040", "0001", "客户 3", "0001"]
    results = ask(client, by_id(*ids))["results"]
    assert [result["customer_id"] for result in results] == ids
    assert [result["index"] for result in results] == [0, 1, 2, 3]
    assert without_place(results[1]) == without_place(results[3])


def test_the_envelope_names_model_and_policy(client, company):
    content = ask(client, by_id("0001"))
    assert set(content) == {"schema_version", "request_id", "scored_at", "model", "policy", "results"}
    assert content["schema_version"] == "1.0"
    assert content["scored_at"].endswith("Z")
    model = content["model"]
    assert (model["name"], model["version"], model["alias"]) == (NAME, "1", "champion")
    assert model["bundle"] == company.bundle.version
    assert model["trained_through"] == "2024-09-03"
    assert content["policy"]["id"] == company.bundle.policy.id


def test_an_answer_by_id_is_the_one_the_batch_gives_to_the_bit(client, company):
    today = date.fromisoformat(ask(client, by_id("0001"))["scored_at"][:10])
    features = company.features[company.features["customer_id"].isin(KNOWN)]
    batch = {answer.customer_id: answer.to_dict() for answer in score(company.bundle, features, now=today)}
    for result in ask(client, by_id(*KNOWN))["results"]:
        expected = batch[result["customer_id"]]
        assert result["status"] == "ok"
        for key in RESULT_KEYS - {"index", "error"}:
            assert result[key] == expected[key], key


@pytest.mark.parametrize("customer_id", KNOWN)
def test_id_features_and_events_of_a_customer_give_the_same_answer(client, company, customer_id):
    items = [{"customer_id": customer_id}, features_item(company, customer_id), events_item(company, customer_id)]
    stored, given, raw = ask(client, items)["results"]
    assert stored["status"] == "ok"
    assert without_place(stored) == without_place(raw)
    # Given features bring no events, so what the customer is in the habit of is not known.
    assert {one: stored["portrait"].pop(one) for one in HABITS} != dict.fromkeys(HABITS)
    assert {one: given["portrait"].pop(one) for one in HABITS} == dict.fromkeys(HABITS)
    assert without_place({**stored, "actions": None}) == without_place({**given, "actions": None})


def test_events_of_many_customers_give_what_each_gives_alone(client, company):
    ids = list(company.features["customer_id"][:12])
    together = ask(client, [events_item(company, one) for one in ids])["results"]
    stored = ask(client, by_id(*ids))["results"]
    assert [without_place(result) for result in together] == [without_place(result) for result in stored]


def test_two_items_with_events_of_one_customer_do_not_mix(client, company):
    full = events_item(company, "0001")
    fewer = events_item(company, "0001", events={"purchases": company.events_of("0001")["purchases"][:1]})
    alone = ask(client, [fewer])["results"][0]
    both = ask(client, [full, fewer])["results"]
    assert without_place(both[1]) == without_place(alone)
    assert without_place(both[0]) != without_place(alone)


def test_events_from_as_of_on_change_nothing(client, company):
    item = events_item(company, "0001")
    later = {"event_time": f"{AS_OF.isoformat()}T00:00:00Z", "amount": 9999.0, "order_id": "x", "category": "c1"}
    before = ask(client, [item])["results"][0]
    item["events"]["purchases"] = [*item["events"]["purchases"], later]
    assert ask(client, [item])["results"][0] == before
    item["events"]["purchases"][-1] = {**later, "event_time": "2024-09-30T23:59:59Z"}
    assert ask(client, [item])["results"][0] != before


def test_a_never_scored_customer_is_a_status_not_a_zero(client):
    result = ask(client, by_id("nobody"))["results"][0]
    assert result["status"] == "not_found"
    assert result["error"]["code"] == "CUSTOMER_NOT_FOUND"
    assert result["value"] is None
    assert result["churn"] is None


def test_every_result_has_the_same_keys(client, company):
    items = [{"customer_id": "0001"}, {"customer_id": "nobody"}, 7, features_item(company, "0001", features={})]
    for result in ask(client, items)["results"]:
        assert set(result) == RESULT_KEYS


def bad_items(company):
    good = company.events_of("0001")
    row = good["purchases"][0]

    def rows(*rows, table="purchases"):
        return events_item(company, "0001", events={table: list(rows)})

    features = company.features_of("0001")
    return {
        "a number": (7, "ITEM_NOT_OBJECT"),
        "null": (None, "ITEM_NOT_OBJECT"),
        "a list": ([{"customer_id": "0001"}], "ITEM_NOT_OBJECT"),
        "no id": ({}, "FIELD_MISSING"),
        "a numeric id": ({"customer_id": 1}, "FIELD_INVALID"),
        "an empty id": ({"customer_id": ""}, "FIELD_INVALID"),
        "an endless id": ({"customer_id": "9" * 257}, "FIELD_INVALID"),
        "an unknown key": ({"customer_id": "0001", "secret-4711": 1}, "FIELD_UNKNOWN"),
        "both": (features_item(company, "0001", events=good), "ITEM_AMBIGUOUS"),
        "as_of for a stored one": ({"customer_id": "0001", "as_of": "2024-10-01"}, "FIELD_UNKNOWN"),
        "no as_of": ({"customer_id": "0001", "features": features}, "FIELD_MISSING"),
        "as_of with a time": (features_item(company, "0001", as_of="2024-10-01T12:00:00"), "FIELD_INVALID"),
        "as_of as a number": (features_item(company, "0001", as_of=20240101), "FIELD_INVALID"),
        "no features": (features_item(company, "0001", features={}), "FIELD_INVALID"),
        "features as a list": (features_item(company, "0001", features=[]), "FIELD_INVALID"),
        "a feature of our own making": (features_item(company, "0001", features={"secret-4711": 1}), "FEATURE_UNKNOWN"),
        "a text for a number": (features_item(company, "0001", features={"order_count_28d": "3"}), "FEATURE_INVALID"),
        "true for a number": (features_item(company, "0001", features={"order_count_28d": True}), "FEATURE_INVALID"),
        "a list for a number": (features_item(company, "0001", features={"order_count_28d": [3]}), "FIELD_INVALID"),
        "an unknown table": (rows(row, table="visits"), "TABLE_UNKNOWN"),
        "an unknown column": (rows({**row, "secret-4711": 1}), "COLUMN_UNKNOWN"),
        "an id in a row": (rows({**row, "customer_id": "0002"}), "COLUMN_UNKNOWN"),
        "a missing column": (rows({"event_time": row["event_time"]}), "COLUMN_MISSING"),
        "a text for an amount": (rows({**row, "amount": "secret-4711"}), "ROW_INVALID"),
        "a null amount": (rows({**row, "amount": None}), "ROW_INVALID"),
        "an endless amount": (rows({**row, "amount": 1e300}), "ROW_INVALID"),
        "a time that is none": (rows({**row, "event_time": "secret-4711"}), "ROW_INVALID"),
        "a time without zone": (rows({**row, "event_time": "2024-05-05T10:00:00"}), "ROW_INVALID"),
        "a time to come": (rows({**row, "event_time": "2190-05-05T10:00:00Z"}), "ROW_INVALID"),
        "a time out of this world": (rows({**row, "event_time": "0001-01-01T00:00:00+23:59"}), "ROW_INVALID"),
        "an unknown currency": (rows({**row, "currency": "XXX"}), "ROW_INVALID"),
        "two customers rows that disagree": (
            events_item(company, "0001", events={"customers": [{"plan": "plus"}, {"plan": "basic"}]}),
            "EVENTS_REFUSED",
        ),
    }


def test_each_bad_item_is_named_and_fails_nothing_else(client, company):
    cases = bad_items(company)
    items = [{"customer_id": "0001"}]
    for item, _ in cases.values():
        items += [item, {"customer_id": "0040"}]
    response = client.post("/v1/score", json={"items": items, "explain": False})
    assert response.status_code == 200, response.text
    assert "secret-4711" not in response.text
    results = response.json()["results"]
    found = {
        case: result["error"] and result["error"]["code"] for case, result in zip(cases, results[1::2], strict=True)
    }
    assert found == {case: code for case, (_, code) in cases.items()}
    assert {result["status"] for result in results[1::2]} == {"invalid"}
    assert {result["status"] for result in results[::2]} == {"ok"}
    assert len({str(without_place(result)) for result in results[2::2]}) == 1


def test_a_good_item_with_events_survives_one_that_only_the_engine_refuses(client, company):
    bad = events_item(company, "0002")
    bad["events"]["customers"] = [{"region": "north"}, {"region": "south"}]
    good = events_item(company, "0001")
    good["events"]["customers"] = [{"region": "north"}]
    results = ask(client, [good, bad, good])["results"]
    assert [result["status"] for result in results] == ["ok", "invalid", "ok"]
    assert results[1]["error"]["code"] == "EVENTS_REFUSED"
    assert results[1]["error"]["field"] == "events.customers: CONFLICTING"
    assert without_place(results[0]) == without_place(ask(client, [good])["results"][0])


def test_when_too_many_are_at_fault_to_be_told_apart_that_is_said():
    tried = []

    def attempt(part):
        tried.append(len(part))
        if set(part) & set(range(4, 16)):
            raise SchemaError("planted")
        return "fine"

    outcomes = list(isolated(list(range(16)), attempt, most_halvings=3))
    assert len(tried) == 7
    assert sorted(index for part, _ in outcomes for index in part) == list(range(16))
    assert [part for part, outcome in outcomes if outcome == "fine"] == [[0, 1, 2, 3]]
    alone = list(isolated(list(range(16)), attempt))
    assert [part for part, outcome in alone if outcome != "fine"] == [[index] for index in range(4, 16)]


def test_a_feature_left_out_makes_the_answer_partial(client, company):
    features = company.features_of("0001")
    del features["order_count_28d"]
    result = ask(client, [features_item(company, "0001", features=features)])["results"][0]
    assert result["status"] == "partial"
    assert {"code": "FEATURE_MISSING", "field": "order_count_28d"} in result["warnings"]


def test_explain_and_top_decide_about_reasons(client):
    plain = ask(client, by_id("0001"), explain=False)["results"][0]
    assert plain["reasons"] is None
    two = ask(client, by_id("0001"), top=2)["results"][0]
    assert len(two["reasons"]["churn"]) <= 2
    same = ("value", "churn", "scores", "tier", "portrait")
    assert [plain[key] for key in same] == [two[key] for key in same]


def test_texts_follow_the_locale(client):
    english = ask(client, by_id("0001"), locale="en")["results"][0]
    chinese = ask(client, by_id("0001"), locale="zh")["results"][0]
    assert english["tier"]["code"] == chinese["tier"]["code"]
    assert any("一" <= letter <= "鿿" for letter in chinese["tier"]["label"])
    assert english["tier"]["label"].isascii()


def test_the_model_route_says_what_is_served(client, company):
    content = client.get("/v1/model").json()
    assert content["model"]["version"] == "1"
    assert content["horizon_days"] == 28
    assert content["currency"] == "GBP"
    assert content["quality_grade"] == "B"
    assert content["metrics"] == {"auc": 0.7}
    assert [feature["name"] for feature in content["features"]] == list(company.bundle.catalog.names)
