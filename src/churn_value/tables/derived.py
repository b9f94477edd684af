"""A small language for columns that must be worked out: arithmetic and comparisons over source columns.

An expression has names, numbers, quoted texts, ``+ - * /``, ``< <= > >= == !=``, ``and``, ``or``, ``not`` and brackets;
nothing else exists in it, and nothing is executed but the query it becomes. Names with spaces or signs are written in
backticks: ```Unit Price` * Quantity``. Numbers are doubles; text that is calculated with, or compared with a number,
is read as one, and what cannot be read is null. Null in gives null out; division by zero gives no finite number.

Examples
--------
>>> sorted(names_in("Quantity * `Unit Price` < 0"))
['Quantity', 'Unit Price']
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir

from churn_value.errors import ConfigError

_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_ALLOWED = "+ - * / < <= > >= == != and or not, numbers, quoted texts and column names"
_BACKTICKED = re.compile(r"`([^`]+)`|'[^']*'|\"[^\"]*\"")
MAX_LENGTH = 1_000


@dataclass(frozen=True)
class _Parsed:
    tree: ast.expr
    names: Mapping[str, str]
    source: str
    where: str

    def error(self, rule: str, node: ast.AST, remedy: str) -> ConfigError:
        """Error that shows the part of the expression it is about, and its position."""
        begin = getattr(node, "col_offset", 0)
        part = ast.get_source_segment(self.source, node) or self.source
        for stand_in, name in self.names.items():
            part = part.replace(stand_in, f"`{name}`")
        return ConfigError(
            rule,
            code="BAD_EXPRESSION",
            where=self.where,
            received=f"{part} at character {len(self.source.encode()[:begin].decode()) + 1}",
            remedy=remedy,
        )


def _parse(text: str, where: str) -> _Parsed:
    stand_ins: dict[str, str] = {}

    def stand_in(found: re.Match[str]) -> str:
        if found.group(1) is None:
            return found.group(0)
        # As long as what it replaces where possible, so that positions in messages stay true.
        word = f"_{len(stand_ins)}_".ljust(len(found.group(0)), "_")
        while word in text:
            word += "_"
        stand_ins[word] = found.group(1)
        return word

    source = _BACKTICKED.sub(stand_in, text.strip())
    if len(source) > MAX_LENGTH:
        raise ConfigError(f"an expression has at most {MAX_LENGTH} characters", where=where, received=len(source))
    try:
        tree = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None)
        raise ConfigError(
            "an expression must be arithmetic or a comparison over source columns",
            code="BAD_EXPRESSION",
            where=where,
            received=text + (f" (character {at})" if at else ""),
            remedy=f"use only {_ALLOWED}; names with spaces go in backticks",
        ) from None
    return _Parsed(tree, stand_ins, source, where)


def _name(parsed: _Parsed, node: ast.Name) -> str:
    # The written form: Python would fold compatibility characters of names, and columns are never folded.
    written = ast.get_source_segment(parsed.source, node) or node.id
    return parsed.names.get(written, written)


def names_in(text: str, where: str = "expression") -> frozenset[str]:
    """Source columns that an expression reads."""
    parsed = _parse(text, where)
    return frozenset(_name(parsed, node) for node in ast.walk(parsed.tree) if isinstance(node, ast.Name))


def compiled(text: str, columns: Mapping[str, ir.Value], where: str) -> ir.Value:
    """Expression as an Ibis value over source columns.

    Parameters
    ----------
    text
        The expression.
    columns
        Source columns by name.
    where
        File and key that messages name.

    Raises
    ------
    ConfigError
        ``BAD_EXPRESSION`` for anything outside the language; the message gives the part and its position.
    """
    parsed = _parse(text, where)
    return _Compiler(parsed, columns).value(parsed.tree)


@dataclass(frozen=True)
class _Compiler:
    parsed: _Parsed
    columns: Mapping[str, ir.Value]

    def value(self, node: ast.expr) -> ir.Value:  # noqa: PLR0911 - one line for each part of the language
        match node:
            case ast.Name():
                return self._column(node)
            case ast.Constant(value=bool() | int() | float() | str() as constant):
                return ibis.literal(float(constant) if type(constant) is int else constant)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._number(operand)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ~self._condition(operand)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
                return _ARITHMETIC[type(sign)](self._number(left), self._number(right))
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARISONS:
                return self._comparison(node, left, sign, right)
            case ast.BoolOp(op=sign, values=values):
                combine = ibis.and_ if isinstance(sign, ast.And) else ibis.or_
                return combine(*(self._condition(part) for part in values))
            case _:
                raise self.parsed.error("this is not part of the language", node, f"use only {_ALLOWED}")

    def _column(self, node: ast.Name) -> ir.Value:
        name = _name(self.parsed, node)
        if name not in self.columns:
            raise self.parsed.error(
                f"{name} is not a column of the source", node, f"the columns are {', '.join(list(self.columns)[:30])}"
            )
        return self.columns[name]

    def _number(self, node: ast.expr) -> ir.Value:
        value = self.value(node)
        if isinstance(node, ast.Constant) and value.type().is_string():
            raise self.parsed.error("a text cannot be calculated with", node, "remove its quotes")
        return self._as_number(value, node)

    def _as_number(self, value: ir.Value, node: ast.expr) -> ir.Value:
        kind = value.type()
        if kind.is_boolean() or not (kind.is_numeric() or kind.is_string() or kind.is_null()):
            raise self.parsed.error(f"{kind} cannot be calculated with", node, "use a numeric column")
        return value.try_cast("float64") if kind.is_string() else value.cast("float64")

    def _condition(self, node: ast.expr) -> ir.Value:
        value = self.value(node)
        if not value.type().is_boolean():
            raise self.parsed.error("and, or, not need comparisons", node, "compare it, as in Quantity < 0")
        return value

    def _comparison(self, node: ast.Compare, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> ir.Value:
        first, second = self.value(left), self.value(right)
        kinds = first.type(), second.type()
        if any(kind.is_numeric() and not kind.is_boolean() for kind in kinds):
            for side, value in ((left, first), (right, second)):
                if isinstance(side, ast.Constant) and value.type().is_string():
                    raise self.parsed.error("a number cannot be compared with a text", node, "remove the quotes")
            first, second = self._as_number(first, left), self._as_number(second, right)
        elif kinds[0].is_string() != kinds[1].is_string():
            raise self.parsed.error(f"{kinds[0]} cannot be compared with {kinds[1]}", node, "compare like with like")
        result: ir.Value = _COMPARISONS[type(sign)](first, second)
        return result
