"""Which rows meet which rules, in one pass: rules as arrays, the quantities they ask for as one block of doubles.

A comparison of a column costs more than a row, and a policy asks for some fifty of them. Texts become the place of the
text among those that the rules name; a text that no rule names, and a missing one, have places of their own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from churn_value.estimators.compiled import compiled
from churn_value.scoring.rules import Interval, OneOf, When

Quantities = Mapping[str, npt.NDArray[Any]]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
INTERVAL, ONE_OF, KNOWN = 0, 1, 2
OTHER = "\0"  # stands for every text that no rule names; no code of a policy has it


class _Demands(NamedTuple):
    """Demands of all rules, one after the other; arrays of shape (d,).

    Attributes
    ----------
    starts
        First demand of each rule and the end of the last, shape (rules + 1,).
    column, kind
        Which quantity is asked for, and how.
    ends, included
        Of an interval, shape (d, 2).
    texts
        Places of texts that fit one of a list, shape (d, texts of all columns).
    wanted
        Whether the quantity must be known, or missing.
    """

    starts: Ints
    column: Ints
    kind: Ints
    ends: Floats
    included: Mask
    texts: Mask
    wanted: Mask


@dataclass(frozen=True)
class Rules:
    """Rules of one list of a policy, to be asked of many rows or one.

    Attributes
    ----------
    whens
        The rules, in their order.
    """

    whens: tuple[When, ...]

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Quantities that are asked for."""
        return tuple(dict.fromkeys(name for when in self.whens for name, _ in when.demands))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        demands = (demand for when in self.whens for _, demand in when.demands)
        named = [text for demand in demands if isinstance(demand, OneOf) for text in sorted(demand.choices)]
        return {text: place for place, text in enumerate(dict.fromkeys([OTHER, *named]))}

    @cached_property
    def _demands(self) -> _Demands:
        asked = [(name, demand) for when in self.whens for name, demand in when.demands]
        size = len(asked)
        found = _Demands(
            np.cumsum([0, *(len(when.demands) for when in self.whens)], dtype=np.int64),
            np.array([self._names.index(name) for name, _ in asked], dtype=np.int64),
            np.full(size, KNOWN, dtype=np.int64),
            np.full((size, 2), np.nan),
            np.zeros((size, 2), dtype=np.bool_),
            np.zeros((size, len(self._places)), dtype=np.bool_),
            np.zeros(size, dtype=np.bool_),
        )
        for place, (_, demand) in enumerate(asked):
            if isinstance(demand, Interval):
                found.kind[place] = INTERVAL
                found.ends[place] = demand.low, demand.high
                found.included[place] = demand.low_included, demand.high_included
            elif isinstance(demand, OneOf):
                found.kind[place] = ONE_OF
                found.texts[place, [self._places[text] for text in demand.choices]] = True
            else:
                found.wanted[place] = demand.wanted
        return found

    def met(self, quantities: Quantities, rows: int) -> Mask:
        """Which rules each row meets, shape (rows, rules); a missing quantity meets no demand but ``missing``."""
        found = np.empty((rows, len(self.whens)), dtype=np.bool_)
        _met(self._block(quantities, rows), self._demands, found)
        return found

    def first(self, quantities: Quantities, rows: int) -> Ints:
        """Index of each row's first rule that holds; -1 where none does. Shape (rows,)."""
        return first_of(self.met(quantities, rows))

    def _block(self, quantities: Quantities, rows: int) -> Floats:
        """Quantities that are asked for, shape (rows, columns); nan is missing."""
        block = np.empty((rows, len(self._names)))
        for place, name in enumerate(self._names):
            column = quantities[name]
            block[:, place] = self._placed(column) if column.dtype == object else column
        return block

    def _placed(self, column: npt.NDArray[np.object_]) -> list[float]:
        places, nan = self._places, float("nan")
        return [places.get(text, 0) if isinstance(text, str) else nan for text in column.tolist()]


@compiled
def _met(block: Floats, demands: _Demands, found: Mask) -> None:
    for row in range(block.shape[0]):
        for rule in range(len(demands.starts) - 1):
            met = True
            for place in range(demands.starts[rule], demands.starts[rule + 1]):
                value = block[row, demands.column[place]]
                if demands.kind[place] == KNOWN:
                    met = np.isnan(value) != demands.wanted[place]
                elif np.isnan(value):
                    met = False
                elif demands.kind[place] == ONE_OF:
                    met = demands.texts[place, int(value)]
                else:
                    low, high = demands.ends[place, 0], demands.ends[place, 1]
                    above = value >= low if demands.included[place, 0] else value > low
                    met = above and (value <= high if demands.included[place, 1] else value < high)
                if not met:
                    break
            found[row, rule] = met


@compiled
def first_of(met: Mask) -> Ints:
    """Index of each row's first rule that it meets; -1 where it meets none. Shape (rows,)."""
    chosen = np.full(met.shape[0], -1, dtype=np.int64)
    for row in range(met.shape[0]):
        for rule in range(met.shape[1]):
            if met[row, rule]:
                chosen[row] = rule
                break
    return chosen


def first_reached(values: Floats, edges: Sequence[float]) -> Ints:
    """Position of the first edge at or below each value; -1 where none is, or the value is missing. Shape (n,)."""
    return _first_reached(values, array_of(tuple(edges)))


@lru_cache(maxsize=512)
def array_of(numbers: tuple[float, ...]) -> Floats:
    """The same edges and thresholds are asked for again and again, and making an array of them costs more than that."""
    found = np.array(numbers, dtype=np.float64)
    found.setflags(write=False)
    return found


@compiled
def _first_reached(values: Floats, edges: Floats) -> Ints:
    found = np.full(len(values), -1, dtype=np.int64)
    for row in range(len(values)):
        for position in range(len(edges)):
            if values[row] >= edges[position]:
                found[row] = position
                break
    return found
