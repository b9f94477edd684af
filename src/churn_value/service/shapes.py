"""Shapes of what the service sends and takes, as JSON schemas made from the types that make it.

The answer's schema comes from `scoring.answer.Answer`, a request's from the models that read it; what is left is
written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import TypeAdapter

from churn_value.scoring.answer import json_schema
from churn_value.service.answers import ENVELOPE_KEYS
from churn_value.service.events.arrivals import MOST_ROWS, ROW_FAULTS, ArrivalItem, Outcome
from churn_value.service.problems import PROBLEMS
from churn_value.service.protocols.columns import COLUMNS
from churn_value.service.protocols.invocations import FORMS
from churn_value.service.protocols.v2 import InferRequest
from churn_value.service.requests import FAULTS, Envelope, EventsItem, FeaturesItem, LiveItem, StoredItem

Schema = dict[str, Any]
REF = "#/components/schemas/"
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
ANY_OBJECT: Schema = {"type": "object"}


def ref(name: str) -> Schema:
    """Reference to a schema by its name."""
    return {"$ref": REF + name}


def _referring(schema: Schema) -> Schema:
    """The same schema, its references leading to the document's components."""
    moved: Schema = json.loads(json.dumps(schema).replace('"#/$defs/', f'"{REF}'))
    return moved


def _object(properties: Mapping[str, Schema], optional: frozenset[str] = frozenset()) -> Schema:
    """Schema of an object with these keys and no others."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _or_null(of: Schema) -> Schema:
    return {"anyOf": [of, {"type": "null"}]}


def _closed(schema: Schema) -> Schema:
    """An object's schema with every key required and no other allowed: answers hold all their keys, null or not."""
    if schema.get("type") != "object" or "properties" not in schema:
        return schema
    return {**schema, "required": list(schema["properties"]), "additionalProperties": False}


def _answer() -> dict[str, Schema]:
    """Schema of a result and of the parts it is made of."""
    whole = _referring(json_schema())
    parts = {name: _closed(part) for name, part in whole.pop("$defs").items()}
    for name in ENVELOPE_KEYS:
        del whole["properties"][name]
    whole["properties"] |= {"error": _or_null(ref("ItemFault"))}
    fault = {"code": {"enum": sorted(FAULTS)}, "field": _or_null(TEXT), "text": TEXT}
    return {**parts, "Result": _closed(whole), "ItemFault": _object(fault)}


def _request() -> dict[str, Schema]:
    """Schema of a request and of its items."""
    found: dict[str, Schema] = {}
    for model in (Envelope, StoredItem, LiveItem, FeaturesItem, EventsItem, ArrivalItem, InferRequest):
        whole = _referring(TypeAdapter(model).json_schema())
        found |= whole.pop("$defs", {})
        found[model.__name__] = whole
    request = found.pop("Envelope")
    items = {"anyOf": [ref(model.__name__) for model in (StoredItem, LiveItem, FeaturesItem, EventsItem)]}
    request["properties"]["items"] = {"type": "array", "items": items, "minItems": 1}
    arrivals = {"items": {"type": "array", "items": ref("ArrivalItem"), "minItems": 1, "maxItems": MOST_ROWS}}
    return {**found, "Request": request, "Arrivals": _object(arrivals)}


def _model() -> dict[str, Schema]:
    name = dict.fromkeys(("name", "version", "alias", "bundle", "feature_set", "trained_through"), TEXT)
    policy = {"id": TEXT, "version": WHOLE, "sha256": TEXT, "mode": TEXT}
    feature = dict.fromkeys(("name", "type", "unit", "group"), TEXT)
    texts = ("currency", "churn_definition", "created_at", "data_sha256", "config_sha256")
    description = {
        "model": ref("ModelIdentity"),
        "policy": ref("PolicyIdentity"),
        "horizon_days": WHOLE,
        "has_value": FLAG,
        "expires_after_days": WHOLE,
        **dict.fromkeys(texts, TEXT),
        "quality_grade": _or_null(TEXT),
        "metrics": _or_null(ANY_OBJECT),
        "tables": _list(TEXT),
        "features": _list(_object(feature)),
    }
    return {
        "ModelIdentity": _object({**name, "run_id": _or_null(TEXT)}),
        "PolicyIdentity": _object(policy),
        "Description": _object(description),
    }


def _receipt() -> dict[str, Schema]:
    """Schema of what has become of new events."""
    fault = {"code": {"enum": sorted({*FAULTS, *ROW_FAULTS})}, "field": _or_null(TEXT), "text": TEXT}
    row = {"table": TEXT, "row": WHOLE, "status": {"enum": list(get_args(Outcome))}, "error": _or_null(_object(fault))}
    result = {
        "index": WHOLE,
        "customer_id": _or_null(TEXT),
        "error": _or_null(_object(fault)),
        "rows": _list(_object(row)),
    }
    whole = {
        "request_id": TEXT,
        "received_at": {"type": "string", "format": "date-time"},
        "counts": {"type": "object", "additionalProperties": WHOLE},
        "results": _list(_object(result)),
    }
    return {"Receipt": _object(whole)}


def _own() -> dict[str, Schema]:
    """Schemas of our own routes."""
    response = {
        "schema_version": TEXT,
        "request_id": TEXT,
        "scored_at": {"type": "string", "format": "date-time"},
        "model": ref("ModelIdentity"),
        "policy": ref("PolicyIdentity"),
        "results": _list(ref("Result")),
    }
    readiness = {"ready": FLAG, "version": _or_null(TEXT), "faults": _list(TEXT)}
    return {
        "Response": _object(response),
        "Readiness": _object(readiness),
        "Liveness": _object({"alive": FLAG}),
        "OpenApi": {"type": "object", "required": ["openapi", "info", "paths"]},
        "Exposition": TEXT,
    }


def _adapters() -> dict[str, Schema]:
    """Schemas of MLflow's and KServe's routes."""
    kinds = {"BYTES": TEXT, "FP64": NUMBER, "INT64": WHOLE}
    record = {name: _or_null(kinds[column.datatype]) for name, column in COLUMNS.items()}
    tensor = {"name": TEXT, "datatype": {"enum": sorted(kinds)}, "shape": _list(WHOLE)}
    inferred = {
        "model_name": TEXT,
        "model_version": TEXT,
        "id": TEXT,
        "parameters": ANY_OBJECT,
        "outputs": _list(_object({**tensor, "data": _list({})})),
    }
    metadata = {"name": TEXT, "versions": _list(TEXT), "platform": TEXT}
    table = {"type": ["array", "object"]}
    forms = [_object({form: table, "params": ANY_OBJECT}, frozenset({"params"})) for form in FORMS]
    return {
        "Invocation": {"oneOf": forms},
        "CsvTable": TEXT,
        "Version": TEXT,
        "Predictions": _object({"predictions": _list(_object(record))}),
        "ServerMetadata": _object({"name": TEXT, "version": TEXT, "extensions": _list(TEXT)}),
        "ModelMetadata": _object({**metadata, **dict.fromkeys(("inputs", "outputs"), _list(_object(tensor)))}),
        "V2Live": _object({"live": FLAG}),
        "V2Ready": _object({"ready": FLAG}),
        "InferResponse": _object(inferred, frozenset({"id"})),
    }


def problem(codes: frozenset[str]) -> Schema:
    """Schema of a problem document that can have these codes; other protocols' routes add keys of their own."""
    texts = ("type", "title", "detail", "request_id")
    status = {"enum": sorted({PROBLEMS[code][0] for code in codes})}
    properties = {**dict.fromkeys(texts, TEXT), "status": status, "code": {"enum": sorted(codes)}, "field": TEXT}
    return {"type": "object", "properties": properties, "required": [*texts, "status", "code"]}


def schemas() -> dict[str, Schema]:
    """Every schema by name."""
    return {**_answer(), **_request(), **_model(), **_own(), **_receipt(), **_adapters()}
