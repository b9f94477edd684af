"""MLflow's ``/invocations``: the four forms its clients send, or CSV; one record per row back.

Each row is an item: `customer_id`, optionally `as_of`, and every other column a feature under its catalog name. A row
that cannot be answered has a `status` and an `error`, and fails no other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from churn_value.service.options import Options
from churn_value.service.problems import refusal
from churn_value.service.protocols import columns
from churn_value.service.requests import Request, read

Rows = list[dict[str, Any]]
SETTINGS = frozenset({"locale", "explain", "top"})


def request_of(document: object, options: Options) -> Request:
    """Request in an MLflow scoring document.

    Parameters
    ----------
    document
        Exactly one of ``dataframe_split``, ``dataframe_records``, ``instances`` and ``inputs``; optionally ``params``
        with ``locale``, ``explain`` (here false by default) and ``top``.

    Raises
    ------
    RequestError
        ``REQUEST_NOT_OBJECT``, ``TABLE_INVALID``, or what `read` refuses.
    """
    if not isinstance(document, dict):
        raise refusal("REQUEST_NOT_OBJECT")
    forms = document.keys() & FORMS.keys()
    params = document.get("params") or {}
    if len(forms) != 1 or document.keys() - FORMS.keys() - {"params"}:
        raise refusal("TABLE_INVALID")
    if not isinstance(params, dict) or params.keys() - SETTINGS:
        raise refusal("FIELD_UNKNOWN", field="params")
    form = forms.pop()
    rows = FORMS[form](document[form])
    items: list[Any] = [columns.item(row) if isinstance(row, dict) else row for row in rows]
    return read({"explain": False, **params, "items": items}, options)


@cache
def mlflow_version() -> str:
    """Version of the MLflow that is installed beside the service, whose clients it is tested with; it is not imported.

    MLflow's own server says of this text that it is JSON, which it is not.
    """
    return version("mlflow")


def answer_of(content: Mapping[str, Any], _: object) -> dict[str, Any]:
    """Response to ``/invocations``: one flat record per row."""
    return {"predictions": [columns.flat(result) for result in content["results"]]}


def _split(found: object) -> Sequence[Any]:
    """Rows of ``{"columns": [...], "data": [[...], ...]}``; an index is ignored."""
    if not isinstance(found, dict):
        raise refusal("TABLE_INVALID")
    names, data = found.get("columns"), found.get("data")
    if not isinstance(names, list) or not isinstance(data, list):
        raise refusal("TABLE_INVALID")
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise refusal("TABLE_INVALID")
    if not all(isinstance(row, list) and len(row) == len(names) for row in data):
        raise refusal("TABLE_INVALID")
    return [dict(zip(names, row, strict=True)) for row in data]


def _records(found: object) -> Sequence[Any]:
    """Rows of a list of objects."""
    if not isinstance(found, list):
        raise refusal("TABLE_INVALID")
    return found


def _by_name(found: object) -> Sequence[Any]:
    """Rows of one list per column, or of a list of objects."""
    if not isinstance(found, dict):
        return _records(found)
    lengths = {len(values) if isinstance(values, list) else -1 for values in found.values()}
    if len(lengths) != 1 or lengths == {-1}:
        raise refusal("TABLE_INVALID")
    return [dict(zip(found, row, strict=True)) for row in zip(*found.values(), strict=True)]


FORMS: Mapping[str, Callable[[object], Sequence[Any]]] = {
    "dataframe_split": _split,
    "dataframe_records": _records,
    "instances": _by_name,
    "inputs": _by_name,
}
