"""The literature's model of silence as a part of the churn head: a Pareto/NBD over three features.

It knows nothing but how often, how lately and for how long a customer has bought, and carries where there is too little
history to learn more from. Its raw score is the log-odds of buying nothing in the horizon. The score of the typical
customer is the base, and the whole difference to it is told by one feature, the days since the last purchase.

Why not by the three that are read? Each of them says something only beside the others: fifty purchases in a year are
loyalty after a week of silence and farewell after three months. Shapley values put one customer's frequency beside the
typical customer's silence, and told the most loyal that buying often raises their risk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from scipy.special import logit

from churn_value.estimators import FloatArray
from churn_value.estimators.btyd import History, ParetoNbd, fit_pareto_nbd
from churn_value.estimators.compiled import compiled
from churn_value.estimators.rows import Rows

FEATURES = ("frequency", "recency_days", "T_days")
TELLER = "days_since_last_purchase"
SMALLEST_PROBABILITY = 1e-4
YOUNGEST_DAYS = 1.0
MOST_HISTORIES = 20_000


class SilencePlaces(NamedTuple):
    """Columns of a design: those that hold `FEATURES`, and the one that holds `TELLER`."""

    read: tuple[int, int, int]
    told: int


def history_of(columns: FloatArray) -> History:
    """Histories of (n, 3) frequency, recency and age [days]; a row's does not depend on the others."""
    read = np.empty((3, len(columns)))
    _read(columns, read)
    return History(read[0], read[1], read[2], np.ones(len(columns)))


@compiled
def _read(columns: FloatArray, read: FloatArray) -> None:
    for row in range(len(columns)):
        frequency, last, age = columns[row]
        frequency = 0.0 if np.isnan(frequency) else max(frequency, 0.0)
        age = YOUNGEST_DAYS if np.isnan(age) else max(age, YOUNGEST_DAYS)
        last = 0.0 if np.isnan(last) else max(last, 0.0)
        read[0, row], read[1, row], read[2, row] = frequency, min(last, age) if frequency > 0 else 0.0, age


@dataclass(frozen=True)
class Silence:
    """P(no purchase in the horizon) of a Pareto/NBD, as log-odds.

    Attributes
    ----------
    model
        Fitted on the newest date's histories [days].
    horizon_days
        Length of the silence.
    places
        Columns of the design.
    typical
        `FEATURES` of the typical customer.
    """

    model: ParetoNbd
    horizon_days: int
    places: SilencePlaces
    typical: tuple[float, float, float]

    def raw(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Log-odds, shape (n,), within those of 1e-4 and 1 - 1e-4; `threads` changes nothing."""
        del threads
        return self._log_odds(matrix[:, self.places.read])

    def contributions(self, matrix: FloatArray, *, threads: int = 1) -> FloatArray:
        """Additive contributions to the log-odds, shape (n, k + 1), base last."""
        del threads
        read = matrix[:, self.places.read]
        # In one call: two would cost a single row twice the series of the model's terms.
        said = self._log_odds(np.vstack([read, np.broadcast_to(self.typical, (1, len(FEATURES)))]))
        total = np.zeros((len(matrix), matrix.shape[1] + 1))
        total[:, self.places.told] = said[:-1] - said[-1]
        total[:, -1] = said[-1]
        return total

    def _log_odds(self, columns: FloatArray) -> FloatArray:
        p = self.model.no_purchase(history_of(columns), self.horizon_days)
        raw: FloatArray = logit(np.minimum(np.maximum(p, SMALLEST_PROBABILITY), 1 - SMALLEST_PROBABILITY))
        return raw

    def to_json(self) -> dict[str, Any]:
        """Content as JSON values."""
        return {
            "model": vars(self.model),
            "horizon_days": self.horizon_days,
            "places": {"read": list(self.places.read), "told": self.places.told},
            "typical": list(self.typical),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Part that `to_json` described."""
        places = content["places"]
        first, second, third = (int(place) for place in places["read"])
        frequency, recency, age = (float(value) for value in content["typical"])
        model = ParetoNbd(**content["model"])
        columns = SilencePlaces((first, second, third), int(places["told"]))
        return cls(model, int(content["horizon_days"]), columns, (frequency, recency, age))


def silence_places(names: Sequence[str]) -> SilencePlaces | None:
    """Columns of a design that the part needs; null where one is not there."""
    if not {*FEATURES, TELLER} <= set(names):
        return None
    first, second, third = (names.index(name) for name in FEATURES)
    return SilencePlaces((first, second, third), names.index(TELLER))


def fit_silence(rows: Rows, places: SilencePlaces, horizon_days: int) -> Silence:
    """Part fitted on the histories of the newest date, thinned evenly to 20,000 at most.

    Parameters
    ----------
    rows
        Their outcomes are not looked at: a date's histories say all that the model can know.
    places
        See `silence_places`.
    horizon_days
        At least 1.
    """
    thinned = newest_columns(rows, places.read)
    frequency, recency, age = (float(value) for value in np.nan_to_num(np.nanmedian(thinned, axis=0)))
    return Silence(fit_pareto_nbd(history_of(thinned)), horizon_days, places, (frequency, recency, age))


def newest_columns(rows: Rows, places: Sequence[int]) -> FloatArray:
    """Some columns of the newest date's rows, thinned evenly to 20,000 rows at most."""
    columns: FloatArray = rows.matrix[rows.days == rows.days.max()][:, list(places)]
    return columns[:: -(-len(columns) // MOST_HISTORIES)]
