"""YAML as people mean it, from files and single values."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from churn_value.errors import ConfigError


class _YamlLoader(yaml.SafeLoader):
    """YAML in which only true and false are booleans: a bare ``on``, ``Yes`` or ``No`` is the text it looks like."""


_YamlLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_YamlLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|false|False)$"), list("tTfF"))


def yaml_value(text: str) -> Any:
    """What a YAML text says; raises `yaml.YAMLError` where it says nothing."""
    return yaml.load(text, Loader=_YamlLoader)  # noqa: S506 - a safe loader with fewer booleans


def read_yaml(path: Path) -> dict[str, Any]:
    """Mapping in a YAML file.

    Raises
    ------
    ConfigError
        When the file is absent, is not YAML, or does not hold a mapping.
    """
    try:
        content = yaml_value(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "the file must exist", code="FILE_NOT_FOUND", where=str(path), remedy="check the path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError("the file must be YAML in UTF-8", where=str(path), received=error) from None
    if not isinstance(content, dict):
        raise ConfigError("the file must hold keys and values", where=str(path), received=type(content).__name__)
    return content
