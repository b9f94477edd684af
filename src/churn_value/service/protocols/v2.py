"""KServe's V2 inference protocol (Open Inference Protocol): tensors of columns in, tensors of columns out.

Inputs are columns: `customer_id` (BYTES), optionally `as_of` (BYTES), and features under their catalog names. All have
the shape ``[n]`` or ``[n, 1]``. Outputs are the columns asked for, or all of `columns.COLUMNS`; ``answer`` has each
whole answer as JSON. What is not known is null in `data`, as JSON has no NaN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import prod
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from churn_value.scoring.bundle import Bundle
from churn_value.service.options import Options
from churn_value.service.problems import refusal
from churn_value.service.protocols import columns
from churn_value.service.requests import Request, read

PLATFORM = "churn_value_lightgbm"
ANSWER = "answer"
INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16", "FP32", "FP64", "BYTES"
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Tensor(_Part):
    """One column of the input."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)]
    datatype: Datatype
    parameters: dict[str, Any] | None = None
    data: list[Any]


class RequestedOutput(_Part):
    """One column of the output."""

    name: str
    parameters: dict[str, Any] | None = None


class Settings(_Part):
    """Parameters of an inference request."""

    model_config = ConfigDict(extra="ignore")
    locale: Literal["en", "zh"] = "en"
    explain: bool = False
    top: int = 5


class InferRequest(_Part):
    """An inference request of the protocol."""

    id: Annotated[str, Field(max_length=256)] | None = None
    parameters: Settings = Settings()
    inputs: Annotated[list[Tensor], Field(min_length=1)]
    outputs: list[RequestedOutput] | None = None


def _checked(document: object) -> InferRequest:
    if not isinstance(document, dict):
        raise refusal("REQUEST_NOT_OBJECT")
    try:
        return InferRequest.model_validate(document)
    except ValidationError as error:
        place = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
        field = str(place[0]) if place and place[0] in InferRequest.model_fields else None
        raise refusal("TENSOR_INVALID" if field == "inputs" else "FIELD_INVALID", field=field) from None


def request_of(document: object, options: Options) -> Request:
    """Request in an inference request.

    Raises
    ------
    RequestError
        ``TENSOR_INVALID`` when an input's parts contradict each other or another input's; ``OUTPUT_UNKNOWN``; or what
        `read` refuses.
    """
    asked = _checked(document)
    if {output.name for output in asked.outputs or ()} - {*columns.COLUMNS, ANSWER}:
        raise refusal("OUTPUT_UNKNOWN", field="outputs")
    names = [tensor.name for tensor in asked.inputs]
    data = [_values(tensor) for tensor in asked.inputs]
    if len(set(names)) != len(names) or len({len(values) for values in data}) != 1:
        raise refusal("TENSOR_INVALID", field="inputs")
    items = [columns.item(dict(zip(names, row, strict=True))) for row in zip(*data, strict=True)]
    return read({**asked.parameters.model_dump(), "items": items}, options)


def _values(tensor: Tensor) -> list[Any]:
    """Values of a column, one per customer."""
    values = [value for row in tensor.data for value in (row if isinstance(row, list) else [row])]
    is_column = len(tensor.shape) == 1 or tensor.shape[1] == 1
    if not is_column or len(values) != prod(tensor.shape) or not all(_fits(one, tensor.datatype) for one in values):
        raise refusal("TENSOR_INVALID", field="inputs")
    return values


def _fits(value: object, datatype: str) -> bool:
    """Whether a JSON value is of a tensor's datatype; null is an unknown of any."""
    if value is None:
        return True
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL" or isinstance(value, bool):
        return datatype == "BOOL" and isinstance(value, bool)
    return isinstance(value, int) or (isinstance(value, float) and datatype not in INTEGERS)


def answer_of(content: Mapping[str, Any], document: object) -> dict[str, Any]:
    """Inference response: the columns asked for."""
    asked = InferRequest.model_validate(document)
    names = [output.name for output in asked.outputs] if asked.outputs else list(columns.COLUMNS)
    return {
        "model_name": content["model"]["name"],
        "model_version": content["model"]["version"],
        **({"id": asked.id} if asked.id else {}),
        "parameters": {"bundle": content["model"]["bundle"], "policy": content["policy"]["id"]},
        "outputs": [_output(name, content["results"]) for name in names],
    }


def _output(name: str, results: list[Mapping[str, Any]]) -> dict[str, Any]:
    if name == ANSWER:
        texts = [json.dumps(result, ensure_ascii=False, allow_nan=False) for result in results]
        return {"name": name, "shape": [len(results)], "datatype": "BYTES", "data": texts}
    column = columns.COLUMNS[name]
    data = [column.read(result) for result in results]
    return {"name": name, "shape": [len(results)], "datatype": column.datatype, "data": data}


def server_metadata(version: str) -> dict[str, Any]:
    """Content of ``GET /v2``."""
    return {"name": "churn_value", "version": version, "extensions": []}


def model_metadata(name: str, version: str, bundle: Bundle) -> dict[str, Any]:
    """Content of ``GET /v2/models/{model}``: every input is optional but `customer_id`."""
    types = {"number": "FP64"}
    inputs = [{"name": key, "datatype": "BYTES", "shape": [-1]} for key in columns.KEYS]
    inputs += [
        {"name": feature.name, "datatype": types.get(feature.dtype, "BYTES"), "shape": [-1]}
        for feature in bundle.catalog.features
    ]
    outputs = [{"name": key, "datatype": column.datatype, "shape": [-1]} for key, column in columns.COLUMNS.items()]
    outputs.append({"name": ANSWER, "datatype": "BYTES", "shape": [-1]})
    return {"name": name, "versions": [version], "platform": PLATFORM, "inputs": inputs, "outputs": outputs}
