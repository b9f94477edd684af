"""The literature's model of spending as a part of the value head: Pareto/NBD purchases of a Gamma-Gamma amount.

It knows how often, how lately, for how long and for how much a customer has bought, and carries where there are too few
customers to learn more from. Its raw score is the log of the expected amount in the horizon, a sum of three logs::

    E[purchases | a customer to the end]   P(a customer still)   E[amount of a purchase]

each told by the one feature that says most of it: how often, how long ago, how much. Unlike Shapley values of the five
columns that are read, these keep apart what only makes sense together: fifty purchases raise the first whatever the
silence is, and silence lowers the second.

Nobody is written off: the amount is at least a hundredth of the mean. A model that knows no seasons is sure that
whoever bought often and has paused is gone, and on the log scale one such certainty would outweigh all that boosters
know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np

from churn_value.estimators import FloatArray
from churn_value.estimators.btyd import GammaGamma, ParetoNbd, fit_gamma_gamma
from churn_value.estimators.rows import Rows
from churn_value.estimators.silence import SilencePlaces, history_of, newest_columns, silence_places

AMOUNT = "monetary_value_minor"
LEAST_SHARE = 0.01
SMALLEST = 1e-300


class SpendPlaces(NamedTuple):
    """Columns of a design: those of the history, and the mean amount of a repeat purchase day [minor units]."""

    history: SilencePlaces
    amount: int

    @property
    def read(self) -> list[int]:
        """Columns that are read."""
        return [*self.history.read, self.amount]

    @property
    def told(self) -> list[int]:
        """Columns that tell the three logs."""
        return [self.history.read[0], self.history.told, self.amount]


@dataclass(frozen=True)
class BtydSpend:
    """Expected amount in the horizon, as the log of its share of `scale_minor`.

    Attributes
    ----------
    purchases, amounts
        Fitted on the newest date's histories [days, minor units].
    horizon_days, scale_minor
        Of the amount.
    places
        Columns of the design.
    typical
        Frequency, recency, age and mean amount of the typical customer.
    """

    purchases: ParetoNbd
    amounts: GammaGamma
    horizon_days: int
    scale_minor: float
    places: SpendPlaces
    typical: tuple[float, float, float, float]

    def raw(self, matrix: FloatArray) -> FloatArray:
        """Log of the expected amount over `scale_minor`, shape (n,)."""
        return _sum(self._logs(matrix[:, self.places.read]))

    def contributions(self, matrix: FloatArray) -> FloatArray:
        """Additive contributions to `raw`, shape (n, k + 1), base last: the raw score of the typical customer."""
        total = np.zeros((len(matrix), matrix.shape[1] + 1))
        total[:, self.places.told] = self._logs(matrix[:, self.places.read]) - self._typical_logs
        total[:, -1] = _sum(self._typical_logs)
        return total

    @cached_property
    def _typical_logs(self) -> FloatArray:
        """The three logs of the typical customer, (1, 3): the same for every row that is ever told."""
        return self._logs(np.asarray([self.typical]))

    def _logs(self, columns: FloatArray) -> FloatArray:
        """The three logs of (n, 4) frequency, recency, age and mean amount: (n, 3), the floor within the second."""
        history, amount = history_of(columns[:, :3]), np.nan_to_num(columns[:, 3])
        parts = (
            self.purchases.expected_while_alive(history, self.horizon_days),
            self.purchases.alive(history),
            self.amounts.expected_amount(history.frequency, amount) / self.scale_minor,
        )
        logs = np.column_stack([np.log(np.maximum(part, SMALLEST)) for part in parts])
        logs[:, 1] += np.maximum(np.log(LEAST_SHARE) - _sum(logs), 0.0)
        return logs

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return {
            "purchases": vars(self.purchases),
            "amounts": vars(self.amounts),
            "horizon_days": self.horizon_days,
            "scale_minor": self.scale_minor,
            "places": {"read": self.places.read, "told": self.places.history.told},
            "typical": list(self.typical),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Part that `to_json` described."""
        first, second, third, amount = (int(place) for place in content["places"]["read"])
        frequency, recency, age, mean = (float(value) for value in content["typical"])
        return cls(
            ParetoNbd(**content["purchases"]),
            GammaGamma(**content["amounts"]),
            int(content["horizon_days"]),
            float(content["scale_minor"]),
            SpendPlaces(SilencePlaces((first, second, third), int(content["places"]["told"])), amount),
            (frequency, recency, age, mean),
        )


def _sum(logs: FloatArray) -> FloatArray:
    # Added one by one: a sum over an axis may add in another order for one row than for many.
    total: FloatArray = logs[:, 0] + logs[:, 1] + logs[:, 2]
    return total


def spend_places(names: Sequence[str]) -> SpendPlaces | None:
    """Columns of a design that the part needs; null where one is not there."""
    history = silence_places(names)
    return None if history is None or AMOUNT not in names else SpendPlaces(history, names.index(AMOUNT))


@dataclass(frozen=True)
class SpendSettings:
    """What the part is fitted with.

    Attributes
    ----------
    places
        See `spend_places`.
    horizon_days
        Of the amount, at least 1.
    purchases
        Fitted on the newest date's histories of the train fold, and of all rows.
    """

    places: SpendPlaces
    horizon_days: int
    purchases: tuple[ParetoNbd, ParetoNbd]

    def fitted(self, rows: Rows, purchases: ParetoNbd, scale_minor: float) -> BtydSpend:
        """Part whose amounts are fitted on the newest date, thinned evenly to 20,000 rows at most.

        Outcomes are not looked at; amounts are relative to `scale_minor`, above 0.
        """
        columns = np.nan_to_num(newest_columns(rows, self.places.read))
        amounts = fit_gamma_gamma(columns[:, 0], columns[:, 3])
        frequency, recency, age, mean = (float(value) for value in np.median(columns, axis=0))
        typical = (frequency, recency, age, mean)
        return BtydSpend(purchases, amounts, self.horizon_days, scale_minor, self.places, typical)
