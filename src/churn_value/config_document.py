"""Every setting of a configuration as a document, read off the models that check it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from churn_value.config import Config

Schema = Mapping[str, Any]
_HEADINGS = ("setting", "value", "default", "meaning")
_HEAD = """# The configuration

Generated from `src/churn_value/config.py` by `make docs`. One YAML holds what differs from the defaults;
`--set key.sub=value` replaces single settings of a run. An unknown key is refused, with the nearest one that there is.
"""


def config_markdown() -> str:
    """A table of the settings at the top, and one for each group of settings below."""
    schema = Config.model_json_schema()
    parts = [_HEAD, *_section(None, schema)]
    for name, place in _groups(schema):
        parts += _section(place, schema["$defs"][name])
    return "\n".join(parts)


def _groups(schema: Schema, above: str = "") -> Iterator[tuple[str, str]]:
    """Models of the groups and where each stands in the YAML, in the order of the settings."""
    for key, setting in schema["properties"].items():
        named = _reference(setting)
        if named is None:
            continue
        nested = "additionalProperties" in setting
        place = f"{above}{key}" + (".<table>" if nested else "[]" if "items" in setting else "")
        yield named, place
        yield from _groups(Config.model_json_schema()["$defs"][named], f"{place}.")


def _reference(setting: Schema) -> str | None:
    """Model that a setting is made of, or a mapping or list of it."""
    parts = (setting, setting.get("items", {}), *setting.get("anyOf", ()))
    inner = setting.get("additionalProperties")
    if isinstance(inner, Mapping):
        parts = (*parts, inner)
    found = [part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part]
    return found[0] if found else None


def _section(place: str | None, schema: Schema) -> list[str]:
    title = [] if place is None else [f"## `{place}`", "", schema["description"], ""]
    rows = [
        (f"`{key}`", _kind(setting), _default(key, setting, schema.get("required", ())), setting["description"])
        for key, setting in schema["properties"].items()
        if "description" in setting
    ]
    cells = [_HEADINGS, ("---",) * len(_HEADINGS), *rows]
    return [*title, *("| " + " | ".join(one.replace("|", "\\|") for one in row) + " |" for row in cells), ""]


def _kind(setting: Schema) -> str:
    """What may be written, in words."""
    if _reference(setting) is not None:
        said = "list of settings below" if "items" in setting else "settings below"
    elif "anyOf" in setting:
        said = " or ".join(_kind(one) for one in setting["anyOf"])
    elif "enum" in setting or "const" in setting:
        said = ", ".join(f"`{one}`" for one in setting.get("enum", [setting.get("const")]))
    elif setting["type"] == "array":
        said = f"list of {_kind(setting['items'])}"
    elif setting["type"] == "object":
        said = f"mapping to {_kind(setting['additionalProperties'])}"
    elif setting["type"] == "string":
        said = str(setting.get("format", "text")) + (f" `{setting['pattern']}`" if "pattern" in setting else "")
    else:
        said = f"{setting['type']}{_range(setting)}"
    return said


def _range(setting: Schema) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {setting[key]:,}" for key, word in words.items() if key in setting)


def _default(key: str, setting: Schema, required: tuple[str, ...]) -> str:
    if key in required:
        return "needed"
    if _reference(setting) is not None:
        return ""
    if "default" not in setting:
        return "none"
    return f"`{json.dumps(setting['default'], ensure_ascii=False)}`"
