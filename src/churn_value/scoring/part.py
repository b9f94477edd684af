"""How parts of an answer are declared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True)
def part(cls: type[Class]) -> type[Class]:
    """Make a class a dataclass with slots, of values that nobody changes: type checkers hold it to be frozen.

    When it runs it is not. An answer has some forty parts, and a frozen dataclass sets every field by a call of
    ``object.__setattr__``: it takes five times as long to make as one that is not.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
