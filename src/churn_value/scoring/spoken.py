"""A reason ready but for the customer: all that those have in common that are told by one feature in one direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from json import dumps
from json.encoder import encode_basestring
from typing import Self

from pydantic_core import to_json

from churn_value.scoring.answer import Importance, Reason
from churn_value.scoring.reason_catalog import Direction, Head, Phrasing
from churn_value.scoring.wording import Language

HIGH_SHARE, MEDIUM_SHARE = 0.25, 0.10


def importance_of(share: float) -> Importance:
    """How much a group counts for, by its share of all that moves the score."""
    if share >= HIGH_SHARE:
        return "high"
    return "medium" if share >= MEDIUM_SHARE else "low"


@dataclass(frozen=True, slots=True)
class Spoken:
    """What the reasons have in common, and the reason of a customer, as an object or as its JSON.

    Attributes
    ----------
    code, feature, typical, typical_of, direction
        As in `Reason`.
    units
        What amounts are divided by; 1 for what is no amount.
    phrasing
        The sentence.
    json
        What stands in the JSON before the value, between it and the contribution, and before the importance.
    """

    code: str
    feature: str
    typical: float | str | None
    typical_of: str | None
    direction: Direction
    units: int
    phrasing: Phrasing
    json: tuple[str, str, str]

    @classmethod
    def of(
        cls,
        code: str,
        feature: str,
        typical: float | str | None,
        typical_of: str | None,
        direction: Direction,
        *,
        units: int,
        phrasing: Phrasing,
    ) -> Self:
        """Ready for any customer; `typical` is not divided yet."""
        usual = shown(typical, units)
        json = (
            f'{{"code":{encode_basestring(code)},"feature":{encode_basestring(feature)},"value":',
            f',"typical":{dumps(usual, ensure_ascii=False)},"typical_of":{dumps(typical_of)},"contribution":',
            f',"direction":{encode_basestring(direction)},"importance":"',
        )
        return cls(code, feature, usual, typical_of, direction, units, phrasing, json)

    def reason(self, value: float | str, contribution: float, share: float) -> Reason:
        """The reason of a customer with this value, as it is offered to the model, and this contribution."""
        return Reason(
            self.code,
            self.feature,
            shown(value, self.units),
            self.typical,
            self.typical_of,
            contribution,
            self.direction,
            importance_of(share),
            self.phrasing.said(value),
        )

    def written(self, value: float | str, number: str, contribution: str, share: float) -> str:
        """The JSON of the same reason: a base of a million customers has ten million, and no use for the objects.

        `number` is the value as it is shown, unless it is a text, and `contribution` the contribution, both as JSON by
        `numbers_written`.
        """
        before, between, after = self.json
        cell = encode_basestring(value) if isinstance(value, str) else number
        text = encode_basestring(self.phrasing.said(value))
        return f'{before}{cell}{between}{contribution}{after}{importance_of(share)}","text":{text}}}'


Phrasebook = dict[tuple[Head, Language, int, Direction, int], Spoken]
"""By head, language, place of the feature, direction, and group of peers; filled as it is needed."""


def shown(value: float | str | None, units: int) -> float | str | None:
    """Amounts in currency units, everything else as it is."""
    return value / units if isinstance(value, float) else value


def numbers_written(rows: Sequence[Sequence[float]]) -> list[list[str]]:
    """JSON of finite numbers in rows of one length: all at a time, which takes a quarter of the time of `repr`."""
    width = max(1, len(rows[0])) if rows else 1
    flat = to_json(list(chain.from_iterable(rows)))[1:-1].decode().split(",")
    return [flat[start : start + width] for start in range(0, len(flat), width)]
