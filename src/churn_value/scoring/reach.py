"""Whether each rule of a first-match list can be reached, and whether somebody falls through: decided, not guessed.

Rules compare quantities with finitely many numbers and texts, so that all customers fall into finitely many kinds. A
*source* is what varies by itself – satisfaction, say, or the churn probability together with the band it makes, or the
cell of the r f m cube together with its segment – and has one *atom* for each kind. A rule is then a set of atoms per
source (a bit mask), and a customer that no earlier rule takes is looked for by setting those rules aside one by one.

Sources are taken to vary freely. Two that are bound to each other (the overall score and its percentile) can hide a
rule in a way that is not seen here, and a gap may be reported that only an unheard-of customer would fall into.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt

from churn_value.scoring.matching import Rules
from churn_value.scoring.rules import Interval, When
from churn_value.scoring.sections import Band

Box = dict[str, int]
"""Atoms of each source, as a bit mask."""
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers that a quantity can be."""

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    always_known: bool = False

    def atoms(self, ends: Iterable[float]) -> list[float]:
        """One number of every kind that comparisons with `ends` can tell apart; NaN last where it can be missing."""
        marks = {*ends, self.low, self.high} - {-math.inf, math.inf}
        if self.whole:
            points = {math.floor(mark) + step for mark in marks for step in (-1.0, 0.0, 1.0, 2.0)}
        else:
            between = {(one + other) / 2 for one, other in pairwise(sorted(marks))}
            points = marks | between | {mark + step for mark in marks for step in (-1.0, 1.0)}
        inside = sorted(point for point in points or {0.0} if self.low <= point <= self.high)
        return inside if self.always_known else [*inside, math.nan]


@dataclass(frozen=True, slots=True)
class Sources:
    """Atoms of every source as columns of equal length, one per quantity that the source determines."""

    columns: Mapping[str, Columns]

    @property
    def of_quantity(self) -> dict[str, str]:
        """Source that each quantity is read from."""
        return {name: source for source, columns in self.columns.items() for name in columns}

    @property
    def everybody(self) -> Box:
        """Every atom of every source."""
        sizes = {source: len(next(iter(columns.values()))) for source, columns in self.columns.items()}
        return {source: (1 << size) - 1 for source, size in sizes.items()}

    def box(self, rule: When) -> Box:
        """Atoms that meet the rule, of the sources it asks for."""
        found: Box = {}
        homes = self.of_quantity
        for name, demand in rule.demands:
            columns = self.columns[homes[name]]
            mask = Rules((When(((name, demand),)),)).met(columns, len(columns[name]))
            bits = sum(1 << place for place in np.flatnonzero(mask).tolist())
            found[homes[name]] = found.get(homes[name], bits) & bits
        return found

    def example(self, box: Box, asked: Iterable[str]) -> str:
        """A customer in the box, in the quantities that are asked for."""
        homes = self.of_quantity
        parts = []
        for name in dict.fromkeys(asked):
            place = (box[homes[name]] & -box[homes[name]]).bit_length() - 1
            value = self.columns[homes[name]][name][place]
            parts.append(f"{name} {_said(value)}")
        return "for example a customer with " + ", ".join(parts) if parts else "for example any customer"


def _said(value: Any) -> str:
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return "missing"
    return value if isinstance(value, str) else f"{value:g}"


def sources_of(
    whens: Sequence[When],
    ranges: Mapping[str, Range],
    texts: Mapping[str, Iterable[str | None]],
    *,
    banded: Mapping[str, tuple[str, Sequence[Band]]],
    segments: tuple[Sequence[When], Sequence[str]] | None,
) -> Sources:
    """Sources of the quantities that a list of rules may ask for.

    Parameters
    ----------
    whens
        The rules: their numbers say where atoms are needed.
    ranges
        By numeric quantity; r, f and m are not among them.
    texts
        By text quantity that varies by itself: its values, None where it can be missing.
    banded
        By numeric quantity: the text quantity that is made of it, and its bands.
    segments
        Rules and codes of the segment map, to join the cell with its segment; None while the map itself is checked, of
        customers who have purchased.
    """
    ends = _ends(whens)
    columns: dict[str, Columns] = {}
    for name, span in ranges.items():
        band_name, bands = banded.get(name, ("", ()))
        atoms = np.array(span.atoms([*ends.get(name, ()), *(band.from_ for band in bands)]))
        columns[name] = {name: atoms} | ({band_name: _bands(atoms, bands)} if bands else {})
    columns |= {name: {name: np.array([*values, None], dtype=object)[:-1]} for name, values in texts.items()}
    columns["cell"] = _cells(segments)
    return Sources(columns)


def _ends(whens: Sequence[When]) -> dict[str, list[float]]:
    ends: dict[str, list[float]] = {}
    for name, demand in (pair for when in whens for pair in when.demands):
        if isinstance(demand, Interval):
            ends.setdefault(name, []).extend((demand.low, demand.high))
    return ends


def _bands(atoms: npt.NDArray[np.float64], bands: Sequence[Band]) -> npt.NDArray[Any]:
    first = [next((band.code for band in bands if atom >= band.from_), None) for atom in atoms.tolist()]
    return np.array([*first, None], dtype=object)[:-1]


def _cells(segments: tuple[Sequence[When], Sequence[str]] | None) -> Columns:
    """The 5 × 5 × 5 cells, those without a monetary score, and, unless the map is checked, nobody's cell."""
    grades = range(1, 6)
    cells: list[tuple[float, ...]] = list(product(grades, grades, (*grades, math.nan)))
    cells += [] if segments is None else [(math.nan,) * 3]
    columns: Columns = {name: np.array(cells, dtype=np.float64)[:, place] for place, name in enumerate("rfm")}
    if segments is not None:
        rules, codes = segments
        matched = np.where(np.isnan(columns["r"]), -1, Rules(tuple(rules)).first(columns, len(cells)))
        columns["segment"] = np.array([*codes, None], dtype=object)[matched]
    return columns


def uncovered(box: Box, rules: Sequence[Box]) -> Box | None:
    """Part of `box` that none of the rules takes; None when together they take all of it."""
    for position, rule in enumerate(rules):
        if not all(box[source] & bits for source, bits in rule.items()):
            continue
        for source, bits in rule.items():
            outside = box[source] & ~bits
            found = uncovered(box | {source: outside}, rules[position + 1 :]) if outside else None
            if found is not None:
                return found
            box = box | {source: box[source] & bits}
        return None
    return box


def check_possible(whens: Sequence[When], sources: Sources) -> None:
    """Refuse a rule that no customer can meet.

    Raises
    ------
    ValueError
        Naming the rule, counted from 1.
    """
    for number, when in enumerate(whens, start=1):
        if not all(sources.box(when).values()):
            asked = ", ".join(name for name, _ in when.demands)
            msg = f"rule {number} can hold for nobody: no customer has such {asked}"
            raise ValueError(msg)


def check_ordered(whens: Sequence[When], sources: Sources, *, exhaustive: bool) -> None:
    """Refuse first-match rules with a gap, or with a rule that earlier ones always pre-empt.

    Raises
    ------
    ValueError
        Naming the rule (counted from 1), the rules that hide it, and an example customer.
    """
    check_possible(whens, sources)
    boxes = [sources.box(when) for when in whens]
    for number in range(len(whens)):
        mine = sources.everybody | boxes[number]
        if uncovered(mine, boxes[:number]) is None:
            raise ValueError(_hidden(number, mine, boxes, sources, whens))
    gap = uncovered(sources.everybody, boxes) if exhaustive else None
    if gap is not None:
        asked = [name for when in whens for name, _ in when.demands]
        msg = f"somebody could match no rule, {sources.example(gap, asked)}; end with a rule that has no `when`"
        raise ValueError(msg)


def _hidden(number: int, mine: Box, boxes: Sequence[Box], sources: Sources, whens: Sequence[When]) -> str:
    """Which earlier rules hide a rule: those without which it could be reached, as few as a single pass leaves."""
    needed = list(range(number))
    for one in range(number):
        fewer = [other for other in needed if other != one]
        if uncovered(mine, [boxes[other] for other in fewer]) is None:
            needed = fewer
    names = " and ".join(str(one + 1) for one in needed)
    who = f"rule {names} catches" if len(needed) == 1 else f"rules {names} together catch"
    taker = next(one for one, box in enumerate(boxes) if _holds(mine, box))
    example = sources.example(mine, [name for one in (number, taker) for name, _ in whens[one].demands])
    return f"rule {number + 1} is unreachable: {who} everybody it could; {example} is taken by rule {taker + 1}"


def _holds(box: Box, rule: Box) -> bool:
    """Whether the box's first customer meets the rule."""
    return all((box[source] & -box[source]) & bits for source, bits in rule.items())
