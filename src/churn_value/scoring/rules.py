"""Ordered first-match rules over named quantities: the one small language that policies are written in.

A rule's ``when`` maps a quantity to what it must be; all of them must hold::

    when: {overall: ">= 60, < 80", churn_band: [high, medium], satisfaction: known}
    when: {}                                  # always

Numbers are compared with ``>= > <= < ==`` (several, separated by commas, must all hold). Texts are one of a list.
``missing`` and ``known`` ask whether a quantity is there at all; any other comparison with a missing quantity is false,
so that an unknown satisfaction is never mistaken for a low one.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

_COMPARISON = re.compile(r"\s*(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers between two ends, each end included or not; a missing number is in no interval."""

    low: float = -math.inf
    high: float = math.inf
    low_included: bool = True
    high_included: bool = True

    @property
    def is_empty(self) -> bool:
        """Whether no number can be inside."""
        return self.low > self.high or (self.low == self.high and not (self.low_included and self.high_included))


@dataclass(frozen=True, slots=True)
class OneOf:
    """Texts of a list; a missing text is in none."""

    choices: frozenset[str]

    @property
    def is_empty(self) -> bool:
        """Whether no text can fit."""
        return not self.choices


@dataclass(frozen=True, slots=True)
class Known:
    """Whether the quantity is there (`wanted`) or missing."""

    wanted: bool

    @property
    def is_empty(self) -> bool:
        """Some row can always fit."""
        return False


Demand = Interval | OneOf | Known


def demand_of(name: str, written: object, numbers: frozenset[str], texts: Mapping[str, frozenset[str]]) -> Demand:
    """What a policy demands of one quantity, read from its YAML value.

    Raises
    ------
    ValueError
        When the quantity is not known at this place, or the demand cannot be read or met.
    """
    if name not in numbers and name not in texts:
        near = difflib.get_close_matches(name, [*numbers, *texts], n=1)
        hint = f"did you mean {near[0]}?" if near else f"quantities here are {', '.join(sorted([*numbers, *texts]))}"
        msg = f"{name} is not a quantity that can be asked for here; {hint}"
        raise ValueError(msg)
    if written in ("known", "missing"):
        return Known(written == "known")
    demand = _interval(name, written) if name in numbers else _one_of(name, written, texts[name])
    if demand.is_empty:
        msg = f"{name}: {written} can hold for nobody, so the rule is unreachable"
        raise ValueError(msg)
    return demand


def _interval(name: str, written: object) -> Interval:
    if isinstance(written, int | float) and not isinstance(written, bool):
        return Interval(float(written), float(written))
    interval = Interval()
    for part in str(written).split(","):
        match = _COMPARISON.fullmatch(part)
        if match is None:
            msg = f"{name}: {written!r} is not a comparison; write for example '>= 20, < 50', 'known' or 'missing'"
            raise ValueError(msg)
        interval = _narrowed(interval, match[1], float(match[2]))
    return interval


def _narrowed(interval: Interval, sign: str, number: float) -> Interval:
    low, high = (interval.low, interval.low_included), (interval.high, interval.high_included)
    if sign in (">", ">=", "==") and number >= low[0]:
        low = (number, sign != ">" and (number > low[0] or low[1]))
    if sign in ("<", "<=", "==") and number <= high[0]:
        high = (number, sign != "<" and (number < high[0] or high[1]))
    if sign == "==" and not interval.low <= number <= interval.high:
        return Interval(math.inf, -math.inf)
    return Interval(low[0], high[0], low[1], high[1])


def _one_of(name: str, written: object, allowed: frozenset[str]) -> OneOf:
    choices = [str(choice) for choice in (written if isinstance(written, list) else [written])]
    for choice in choices:
        if choice not in allowed:
            near = difflib.get_close_matches(choice, sorted(allowed), n=1)
            hint = f"did you mean {near[0]}?" if near else f"it can be {', '.join(sorted(allowed))}"
            msg = f"{name} is never {choice!r}; {hint}"
            raise ValueError(msg)
    return OneOf(frozenset(choices))


@dataclass(frozen=True, slots=True)
class When:
    """Demands that must all be met; without any, everybody meets them."""

    demands: tuple[tuple[str, Demand], ...] = ()


def when_of(written: Mapping[str, object], numbers: frozenset[str], texts: Mapping[str, frozenset[str]]) -> When:
    """Read a rule's ``when``; see the module for the language."""
    return When(tuple((name, demand_of(name, value, numbers, texts)) for name, value in written.items()))
