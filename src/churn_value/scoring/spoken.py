"""A reason ready but for the customer: all that those have in common that are told by one feature in one direction."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps
from json.encoder import encode_basestring
from typing import Self

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
        What amounts are divided by; 0 for what is no amount.
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
        """Ready for any customer; `typical` is in minor units where `units` says so."""
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

    def written(self, value: float | str, contribution: float, share: float) -> str:
        """The JSON of the same reason: a base of a million customers has ten million, and no use for the objects."""
        before, between, after = self.json
        # A reason's numbers are finite doubles, whose `repr` is JSON.
        cell = encode_basestring(value) if isinstance(value, str) else repr(shown(value, self.units))
        text = encode_basestring(self.phrasing.said(value))
        return f'{before}{cell}{between}{contribution!r}{after}{importance_of(share)}","text":{text}}}'


Phrasebook = dict[tuple[Head, Language, int, Direction, int], Spoken]
"""By head, language, place of the feature, direction, and group of peers; filled as it is needed."""


def shown(value: float | str | None, units: int) -> float | str | None:
    """Amounts in currency units, everything else as it is."""
    return value / units if units and isinstance(value, float) else value
